# Reads the tables beside this notebook; the cells below call these functions. Needs pandas (with pyarrow) and matplotlib.
import matplotlib.pyplot as plt
import pandas as pd

TABLES = "{{tables}}"
pd.set_option("display.max_colwidth", None)
pd.set_option("display.max_rows", None)


def read(name):
    return pd.read_parquet(f"{TABLES}/{name}.parquet", dtype_backend="numpy_nullable")


def clip(value):
    """A cell as text: on one line, cut at 160 characters; nothing for what is not there."""
    if pd.isna(value):
        return ""
    line = str(value).lower() if isinstance(value, bool) else " ".join(str(value).split())
    return line if len(line) <= 160 else line[:159] + "…"


def show(table, columns=None):
    """A table, or the one of this name, as texts."""
    table = read(table) if isinstance(table, str) else table
    table = table[columns] if columns else table
    return table.reset_index(drop=True).map(clip)


def top_terms(side, count=10, unit=None, shown=True):
    """The n-grams that speak most for a side, by z, else by weight: words, each text once, and the stable ones alone where
    most are unstable. `unit="piece"` has pieces of words, `shown=False` those that are not stable too."""
    terms = first_units(read("terms"), unit)
    chosen = terms[(terms["side"] == side) & (terms["shown"].astype(bool) if shown else True)]
    columns = ["rank", "ngram", "unit", "z", "weight", "refused", "complied", "refusal_rate"]
    return show(chosen.head(count), columns + ["rate_low", "rate_high", "marks"])


def first_units(terms, unit=None):
    """N-grams of one unit, by default the first that the model has: words before pieces of words. Each text once."""
    unit = unit or terms["unit"].iloc[0]
    return terms[(terms["unit"] == unit) & ~terms["marks"].str.contains("duplicate")]


def examples(ngram, column="examples"):
    """Rows to look at for an n-gram: examples, or counter_examples."""
    terms = read("terms")
    numbers = terms[terms["ngram"] == ngram].iloc[0][column].split()
    rows = read("rows").set_index("row").loc[[int(number) for number in numbers]].reset_index()
    return show(rows, ["row", "p_refusal", "label", "text"])


def judged_rows(label=None, highest=True, count=10):
    """The rows with the highest or the lowest P(refusal), of one label or of both."""
    rows = read("rows")
    rows = rows[rows["judged"].astype(bool)]
    rows = rows if label is None else rows[rows["label"] == label]
    rows = rows.sort_values("p_refusal", ascending=not highest, kind="stable").head(count)
    return show(rows, ["row", "p_refusal", "label", "text"])


def intervals(name="methods"):
    """Accuracy with its 95% Wilson interval."""
    methods = read(name)
    fig, axes = plt.subplots(figsize=(6.4, 0.8 + 0.25 * len(methods)))
    for y, (_, row) in enumerate(methods.iterrows()):
        if not pd.isna(row["accuracy"]):
            axes.plot([row["low"], row["high"]], [y, y], color="black")
            axes.plot(row["accuracy"], y, "o", color="black", fillstyle="full" if row["model"] else "none")
    axes.set_yticks(range(len(methods)), methods["method"])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=f"n = {methods['n'][0]} rows", xlabel="accuracy, 95% Wilson interval")
    plt.show()


def ngram_bars(count=9):
    """The n-grams with the strongest weights of both sides, those that a longer one subsumes left out."""
    terms = first_units(read("terms"))
    terms = terms[~terms["marks"].str.contains("subsumed")]
    weight = terms["refit_weight"].fillna(terms["weight"]).astype(float)
    order = weight.sort_values(ascending=False, kind="stable").index
    order = [at for at in order[:count] if weight[at] > 0] + [at for at in order[-count:] if weight[at] < 0]
    fig, axes = plt.subplots(figsize=(6.4, 0.8 + 0.25 * len(order)))
    axes.barh(range(len(order)), weight[order], color="grey")
    if not terms["refit_low"].isna().all():
        lows, highs = terms["refit_low"][order].astype(float), terms["refit_high"][order].astype(float)
        axes.hlines(range(len(order)), lows, highs, color="black")
    labels = [f'"{terms["ngram"][at]}"'.replace("$", r"\$") for at in order]
    axes.set_yticks(range(len(order)), labels, family="monospace")
    axes.invert_yaxis()
    axes.set(title=f"n = {len(terms)} n-grams", xlabel="weight (logit per unit of TF-IDF value), 95% interval")
    plt.show()


def contrast():
    """Each n-gram by the rows that contain it and its z-score."""
    terms = first_units(read("terms"))
    terms = terms[terms["rows"] > 0]
    fig, axes = plt.subplots(figsize=(6.4, 4.5))
    z, rows = terms["z"].astype(float), terms["rows"].astype(float)
    axes.scatter(rows, z, s=4, color=["black" if value > 0 else "grey" for value in z])
    for _, term in terms.head(12).iterrows():
        axes.annotate(term["ngram"].replace("$", r"\$"), (float(term["rows"]), float(term["z"])))
    axes.set(xscale="log", xlabel="rows that contain the n-gram", ylabel="z: refused above 0, complied below")
    axes.set_title(f"n = {len(terms)} n-grams")
    plt.show()


def reliability(name="reliability"):
    """Mean P(refusal) of each bin against its share of refusals, with the rows of the bin."""
    bins = read(name)
    bins = bins[bins["n"] > 0]
    fig, axes = plt.subplots(figsize=(6.4, 4))
    axes.plot([0, 1], [0, 1], "--", color="grey")
    axes.plot(bins["mean_p"].astype(float), bins["refusal_rate"].astype(float), "o", color="black")
    for _, part in bins.iterrows():
        place = (float(part["mean_p"]), float(part["refusal_rate"]))
        axes.annotate(part["n"], place, (6, 4), textcoords="offset points")
    axes.set(xlim=(0, 1), ylim=(-0.05, 1.05), title=f"n = {bins['n'].sum()} rows; numbers: rows in bin")
    axes.set(xlabel="mean P(refusal) of the bin", ylabel="share of refusals in the bin")
    plt.show()


def coverage():
    """Accuracy on the most certain rows against their share."""
    points = read("coverage").astype(float)
    fig, axes = plt.subplots(figsize=(6.4, 4))
    axes.fill_between(points["coverage"], points["low"], points["high"], color="lightgrey")
    axes.plot(points["coverage"], points["accuracy"], color="black")
    axes.set(xlim=(0, 1), title=f"n = {points['n'].max():.0f} rows; grey: 95% Wilson interval")
    axes.set(xlabel="share of rows decided, the most certain first", ylabel="accuracy of the decided rows")
    plt.show()


def agreement():
    """P(refusal) of two models on the same rows."""
    rows = read("pairs")
    fig, axes = plt.subplots(figsize=(6.4, 4.5))
    axes.plot([0, 1], [0, 1], "--", color="grey")
    colours = ["black" if label == "refused" else "grey" for label in rows["label"]]
    axes.scatter(rows["p_first"].astype(float), rows["p_second"].astype(float), s=6, color=colours)
    axes.set(xlim=(0, 1), ylim=(0, 1), title=f"n = {len(rows)} rows; black: refused, grey: answered")
    axes.set(xlabel="P(refusal), first model", ylabel="P(refusal), second model")
    plt.show()
