#!/usr/bin/env python3
"""How long scikit-learn takes to fit a prompt model with the settings of benches/recipe.toml, from texts that are in memory.

    python benches/peers/sklearn_fit_text.py TRAIN.jsonl TEST.jsonl --solver liblinear|saga [--out MODEL.joblib]

Prints the seconds of pipeline.fit, those of the features alone, the number of features and the AUROC on TEST.
"""

import argparse
import json
import time

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import FeatureUnion, make_pipeline


def rows(path):
    with open(path, encoding="utf-8") as file:
        read = [json.loads(line) for line in file]
    return [row["prompt"] for row in read], [int(row["label"] == "refused") for row in read]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--solver", required=True)
    parser.add_argument("--out")
    settings = parser.parse_args()
    texts, labels = rows(settings.train)
    features = FeatureUnion([
        ("words", TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, min_df=2)),
        ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=3)),
    ])
    classifier = LogisticRegression(C=1.0, solver=settings.solver)
    start = time.perf_counter()
    x = features.fit_transform(texts)
    between = time.perf_counter()
    classifier.fit(x, labels)
    end = time.perf_counter()
    pipeline = make_pipeline(features, classifier)
    texts, labels = rows(settings.test)
    auroc = roc_auc_score(labels, pipeline.predict_proba(texts)[:, 1])
    if settings.out:
        joblib.dump(pipeline, settings.out)
    print(f"{end - start:.2f} s ({between - start:.2f} s for the features), {x.shape[1]} n-grams, AUROC {auroc:.4f}")


if __name__ == "__main__":
    main()
