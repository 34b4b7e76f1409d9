"""Checks the tables of a report: tables.py DIR [--z]

Every table is there as CSV and as Parquet, with the same rows, columns and values. With --z, for a model whose first view
is of words of the whole text, counts and z-scores of that view are computed again from the table of rows, by the formula of
Monroe, Colaresi & Quinn (2008) over rows, with one row of prior shared out by the sizes of the two sets. Needs
requirements.txt.
"""

import csv
import math
import re
import sys
from collections import Counter
from pathlib import Path

import pandas as pd


def text(value):
    """A value as the CSV file has it."""
    if pd.isna(value):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def main(folder):
    compared = 0
    for path in sorted(folder.glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        table = pd.read_parquet(path.with_suffix(".parquet"), dtype_backend="numpy_nullable")
        if list(table.columns) != head or len(table) != len(rows):
            sys.exit(f"{path}: other columns or rows than the Parquet file")
        for column, values in zip(head, zip(*rows)):
            for row, (value, cell) in enumerate(zip(table[column].astype(object), values)):
                if text(value) != cell:
                    sys.exit(f"{path} {row} {column}: {cell!r}, in the Parquet file {value!r}")
                compared += 1
    print(f"{folder}: {compared} cells are the same in CSV and Parquet")
    if compared == 0:
        sys.exit(1)


def check_z(folder):
    terms, rows = (pd.read_parquet(folder / f"{name}.parquet") for name in ("terms", "rows"))
    terms = terms[terms["view"] == 0]
    known = set(terms["ngram"])
    longest = max(len(ngram.split(" ")) for ngram in known)
    containing = {"refused": Counter(), "complied": Counter()}
    rows_of = Counter(rows["label"])
    for text, label in zip(rows["text"], rows["label"]):
        words = re.findall(r"(?u)\b\w\w+\b", text.lower())
        spans = ((start, size) for size in range(1, longest + 1) for start in range(len(words) - size + 1))
        containing[label].update({" ".join(words[start:start + size]) for start, size in spans} & known)
    for _, term in terms.iterrows():
        counted = [containing[label][term["ngram"]] for label in ("refused", "complied")]
        if counted != [term["refused"], term["complied"]]:
            sys.exit(f"{term['ngram']!r}: in {counted} rows, the table has {term['refused']}, {term['complied']}")
        if sum(counted) == 0:
            continue
        odds, variance = [], 0
        for count, label in zip(counted, ("refused", "complied")):
            prior = rows_of[label] / sum(rows_of.values())
            having, lacking = count + prior, rows_of[label] - count + prior
            odds.append(math.log(having / lacking))
            variance += 1 / having + 1 / lacking
        z = (odds[0] - odds[1]) / math.sqrt(variance)
        if abs(z - term["z"]) > 6e-5:
            sys.exit(f"{term['ngram']!r}: z is {z}, the table has {term['z']}")
    print(f"{folder}: rows and z of {len(terms)} n-grams are those of the formula")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--z"]):
        sys.exit("usage: tables.py DIR [--z]")
    main(Path(sys.argv[1]))
    if sys.argv[2:]:
        check_z(Path(sys.argv[1]))
