# Reads the files of this folder; the cells below call these functions.
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

pd.set_option("display.max_colwidth", None)
pd.set_option("display.max_rows", None)


def read(name):
    with open(name, encoding="utf-8") as file:
        return json.load(file)


figures = read("evaluation.json")
manifests = {model: read(f"{model}/manifest.json") for model in ("response", "prompt")}


def figure(value):
    return "not defined" if value is None else f"{value:.3f}"


def interval(judged, name):
    low, high = judged[f"{name}_interval"]
    return "not defined" if judged[name] is None else f"{figure(low)} to {figure(high)}"


LABELLERS = {"person": "by persons", "judge": "by judge models", "rule": "by rules", "demur": "by Demur itself",
             "norm": "by norms (what should be refused)", "unknown": "of unknown origin"}


def table(name):
    """The figures of one evaluation, baselines beside."""
    model = figures[name]
    labelled = ", ".join(f"{rows} {LABELLERS[labeller]}" for labeller, rows in model["labelled_by"].items())
    labels = f"Rows labelled {labelled}; figures are {model['measures']}"
    right = "accuracy" if list(model["labelled_by"]) == ["person"] else "agreement"
    methods = {"model": model} | {key.replace("_", " "): base for key, base in model["baselines"].items()}
    shares = {right: "accuracy", "precision": "precision", "recall": "recall", "AUROC": "auroc"}
    own = {"average precision": "average_precision", "Brier score": "brier", "log loss (nats)": "log_loss"}
    own |= {"expected calibration error": "ece", "threshold on P(refusal)": "threshold"}
    columns = {}
    for method, judged in methods.items():
        cells = {"n (rows)": str(model["n"]), "base rate (share of refusals)": figure(model["base_rate"])}
        cells["labels"] = labels
        for title, key in shares.items():
            cells[title] = figure(judged[key])
            if key == "accuracy" or (key == "auroc" and judged is model):
                cells[f"{title}, 95% interval"] = interval(judged, key)
            elif key == "auroc":
                cells[f"{title}, 95% interval"] = "–"
        for title, key in own.items():
            cells[title] = figure(judged[key]) if judged is model else "–"
        columns[method] = cells
    return pd.DataFrame(columns)


def intervals(*names):
    """Accuracy with its 95% Wilson interval: the models, and the baselines of the first."""
    model = figures[names[0]]
    rows = [(name.replace("_", " "), figures[name], "full") for name in names]
    rows += [(name.replace("_", " "), base, "none") for name, base in model["baselines"].items()]
    fig, axes = plt.subplots(figsize=(6.4, 0.8 + 0.25 * len(rows)))
    for y, (_, judged, fill) in enumerate(rows):
        if judged["accuracy"] is not None:
            axes.plot(judged["accuracy_interval"], [y, y], color="black")
            axes.plot(judged["accuracy"], y, "o", color="black", fillstyle=fill)
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=f"n = {model['n']} rows", xlabel="accuracy, 95% Wilson interval")
    plt.show()


def reliability(name):
    """Mean P(refusal) of each bin against its share of refusals, with the rows of the bin."""
    bins = [part for part in figures[name]["reliability"] if part["n"] > 0]
    fig, axes = plt.subplots(figsize=(6.4, 4))
    axes.plot([0, 1], [0, 1], "--", color="grey")
    for part in bins:
        axes.plot(part["mean_p"], part["refusal_rate"], "o", color="black")
        axes.annotate(part["n"], (part["mean_p"], part["refusal_rate"]), (6, 4), textcoords="offset points")
    axes.set(xlim=(0, 1), ylim=(-0.05, 1.05), title=f"n = {figures[name]['n']} rows; numbers: rows in bin")
    axes.set(xlabel="mean P(refusal) of the bin", ylabel="share of refusals in the bin")
    plt.show()


def strongest(model, count):
    """The n-grams with the largest and the smallest weights, from the files of the model."""
    with open(f"{model}/weights.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start, end = header["weight"]["data_offsets"]
        weights = np.frombuffer(file.read()[start:end], dtype="<f4")
    with open(f"{model}/vocabulary.txt", encoding="utf-8", newline="\n") as file:
        ngrams = file.read().split("\n")[:-1]
    sizes = [view["features"] for view in manifests[model]["views"]]
    view = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(-weights, kind="stable")
    top = [at for at in order[:count] if weights[at] > 0] + [at for at in order[-count:] if weights[at] < 0]
    suffix = [f" [view {at}]" if len(sizes) > 1 else "" for at in range(len(sizes))]
    return [(f'"{ngrams[at]}"{suffix[view[at]]}', float(weights[at])) for at in top], len(weights)


def ngram_bars(model, count):
    """The strongest n-grams: for refusal to the right, for compliance to the left."""
    bars, n = strongest(model, count)
    fig, axes = plt.subplots(figsize=(6.4, 0.8 + 0.25 * len(bars)))
    labels = [label.replace("$", r"\$") for label, _ in bars]
    axes.barh(range(len(bars)), [weight for _, weight in bars], color="grey")
    axes.set_yticks(range(len(bars)), labels, family="monospace")
    axes.invert_yaxis()
    axes.set(title=f"n = {n} n-grams, the strongest shown", xlabel="weight (logit per unit of TF-IDF value)")
    plt.show()


def labelled_by(part):
    """Who labelled the rows of a file: one name, or several with their rows."""
    labellers = list(part.get("labellers") or [])
    rest = part["rows"] - sum(one["rows"] for one in labellers)
    if rest > 0 or not labellers:
        labellers.append({"by": "unknown", "rows": rest})
    names = [f"{one['by']} ({one['who']})" if one.get("who") else one["by"] for one in labellers]
    if len(names) == 1:
        return names[0]
    return ", ".join(f"{name} {one['rows']}" for name, one in zip(names, labellers))


def data():
    """The files that the models were fitted on."""
    rows = [(model, part) for model, manifest in manifests.items() for part in manifest["training"]]
    columns = {
        "file": [part["file"] for _, part in rows],
        "rows": [str(part["rows"]) for _, part in rows],
        "labelled by": [labelled_by(part) for _, part in rows],
        "licence": ["not stated" if part["licence"] is None else part["licence"] for _, part in rows],
        "SHA-256, first 12": [part["sha256"][:12] for _, part in rows],
    }
    return pd.DataFrame(columns, index=[model for model, _ in rows])
