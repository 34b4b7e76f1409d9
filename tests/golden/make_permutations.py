#!/usr/bin/env python3
"""Write permutations.json, or check it: what `demur reproduce` must draw and fit as NumPy and scikit-learn do.

    python tests/golden/make_permutations.py            # rewrite the fixture
    python tests/golden/make_permutations.py --check    # regenerate in memory and compare; exit 1 on a difference

The packages are pinned in requirements.txt. The keys:

    permutations    numpy.random.RandomState(seed).permutation(n), whole, or where n is large a "checksum": the sum of
                    (position + 1) * value, exact in 64 bits
    splits          train_test_split(range(n), test_size=0.3, random_state=0), its test side split once more with
                    test_size=0.5, random_state=0: the 70/15/15 split of Reuter & Schulze (2023)
    shares          the test side of train_test_split(range(n), test_size=share, random_state=seed)
    liblinear       LogisticRegression(solver="liblinear", C=c) on TF-IDF of word 1- to 3-grams, run to its optimum. liblinear
                    penalises the intercept as one more weight, which scikit-learn's other solvers do not. "decision" has the
                    logits of all texts, "intercept" the intercept.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
PATH = HERE / "permutations.json"
WHOLE = 300


def permutation(n, seed):
    order = numpy.random.RandomState(seed).permutation(n)
    entry = {"n": n, "seed": seed}
    if n <= WHOLE:
        return {**entry, "order": order.tolist()}
    checksum = sum((at + 1) * int(value) for at, value in enumerate(order))
    return {**entry, "first": order[:10].tolist(), "checksum": checksum}


def split(n):
    train, rest = train_test_split(range(n), test_size=0.3, random_state=0)
    validation, test = train_test_split(rest, test_size=0.5, random_state=0)
    return {"n": n, "train": list(train), "validation": list(validation), "test": list(test)}


def share(n, part, seed):
    _, test = train_test_split(range(n), test_size=part, random_state=seed)
    return {"n": n, "share": part, "seed": seed, "test": list(test)}


def liblinear(c):
    rows = json.loads((HERE / "texts.json").read_text())["texts"]
    texts = [row["text"] for row in rows]
    labels = [row["label"] for row in rows]
    features = TfidfVectorizer(ngram_range=(1, 3)).fit_transform(texts)
    model = LogisticRegression(C=c, solver="liblinear", tol=1e-12, max_iter=100_000, random_state=0)
    model.fit(features, labels)
    return {"c": c, "intercept": float(model.intercept_[0]), "decision": model.decision_function(features).tolist()}


def make():
    return {
        "made_by": "tests/golden/make_permutations.py",
        "versions": {"numpy": numpy.__version__, "scikit-learn": sklearn.__version__},
        "permutations": [permutation(n, seed) for n in (1, 2, 3, 10, 256, 257, 1_706, 10_000) for seed in (0, 1, 2**32 - 1)],
        "splits": [split(n) for n in (7, 10, 47, 985, 1_706)],
        "shares": [share(n, part, seed) for n in (5, 100, 333) for part in (0.1, 0.25, 0.3) for seed in (0, 42)],
        "liblinear": [liblinear(c) for c in (0.1, 1.0, 10.0)],
    }


def pretty(fixture):
    lines = []
    for key, value in fixture.items():
        if isinstance(value, list):
            items = ",\n".join("  " + json.dumps(item) for item in value)
            lines.append(f' "{key}": [\n{items}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def same(a, b):
    """Whether two values are equal; floats to 1e-9, for the last digits are the machine's."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))
    return a == b


def main():
    parser = argparse.ArgumentParser(description="Write permutations.json, or check it.")
    parser.add_argument("--check", action="store_true", help="compare with the committed file, and write nothing")
    arguments = parser.parse_args()
    fixture = make()
    if not arguments.check:
        PATH.write_text(pretty(fixture))
        print(f"{PATH.name}: {PATH.stat().st_size} bytes")
        return
    committed = json.loads(PATH.read_text())
    differing = [key for key in fixture if key != "versions" and not same(committed.get(key), fixture[key])]
    if differing:
        sys.exit(f"{PATH.name}: {', '.join(differing)} differ: run without --check and review the changes")
    print(f"{PATH.name}: same")


if __name__ == "__main__":
    main()
