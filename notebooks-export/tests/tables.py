"""Checks the tables of a report: tables.py DIR

Every table is there as CSV and as Parquet, with the same rows, columns and values. Needs requirements.txt.
"""

import csv
import sys
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


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tables.py DIR")
    main(Path(sys.argv[1]))
