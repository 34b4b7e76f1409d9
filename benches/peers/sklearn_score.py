#!/usr/bin/env python3
"""Scores a file as one would with scikit-learn and pandas: in chunks, so that memory does not grow with the file.

    python benches/peers/sklearn_score.py MODEL.joblib IN.jsonl OUT.jsonl [--rows 20000]
"""

import argparse

import joblib
import pandas


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--rows", type=int, default=20000, help="rows of a chunk")
    settings = parser.parse_args()
    pipeline = joblib.load(settings.model)
    with open(settings.output, "w", encoding="utf-8") as output:
        for chunk in pandas.read_json(settings.input, lines=True, chunksize=settings.rows):
            chunk["p_refusal"] = pipeline.predict_proba(chunk["prompt"])[:, 1]
            chunk["decision"] = (chunk["p_refusal"] >= 0.5).map({True: "hold", False: "send"})
            output.write(chunk.to_json(orient="records", lines=True, force_ascii=False))


if __name__ == "__main__":
    main()
