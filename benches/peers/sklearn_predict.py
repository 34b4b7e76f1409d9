#!/usr/bin/env python3
"""How long scikit-learn takes to give one prompt its probability.

    python benches/peers/sklearn_predict.py job.json      # a path, "-" for standard input, or the JSON itself

The job is a JSON object. Only "train" and "eval" have to be there; the rest is shown with its default:

    {"train": "../shared/data/x.jsonl",       JSON Lines, or a JSON array of objects
     "eval": "../shared/data/y.jsonl",        likewise; its labels are not used
     "text_field": "prompt",
     "label_field": "label",
     "positive": ["refused", "insincere", 1, true],   values that mean 1
     "negative": ["complied", "sincere", 0, false],   values that mean 0; training rows with any other value are left out
     "max_train": null,                       at most so many training rows (the first ones with a label)
     "n": 1000,                               prompts to time (the first of eval, over again where it has fewer)
     "warmup": 100,                           prompts before the timing
     "threads": 1,                            a limit for BLAS and OpenMP; null for none
     "C": 1.0,
     "solver": "lbfgs",
     "views": [{"analyzer": "word", "ngram_range": [1, 2], "min_df": 2, "sublinear_tf": true}]}

Each view is what TfidfVectorizer takes; several of them make a FeatureUnion. What is timed is each call of
pipeline.predict_proba([x]) by itself, with time.perf_counter_ns. One JSON object is printed:

    {"median_us", "p90_us", "mean_us", "min_us", "n",
     "median_transform_us": of the features alone, in a second pass,
     "batch_us_per_text": predict_proba of the n prompts in one call, divided by n (the best of 5),
     "fit_seconds", "train_rows", "features", "threads", "versions"}
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy
import scipy
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from threadpoolctl import threadpool_limits

DEFAULTS = {
    "text_field": "prompt", "label_field": "label",
    "positive": ["refused", "insincere", 1, True], "negative": ["complied", "sincere", 0, False],
    "max_train": None, "n": 1000, "warmup": 100, "threads": 1, "C": 1.0, "solver": "lbfgs",
    "views": [{"analyzer": "word", "ngram_range": [1, 2], "min_df": 2, "sublinear_tf": True}],
}


def read_job(argument):
    if argument == "-":
        text = sys.stdin.read()
    elif argument.lstrip().startswith("{"):
        text = argument
    else:
        text = Path(argument).read_text(encoding="utf-8")
    job = json.loads(text)
    unknown = set(job) - set(DEFAULTS) - {"train", "eval"}
    if unknown or not {"train", "eval"} <= set(job):
        sys.exit(f"the job needs 'train' and 'eval', and has no use for {sorted(unknown)}")
    return {**DEFAULTS, **job}


def read_rows(path):
    text = Path(path).read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def training_rows(job):
    texts, labels = [], []
    for row in read_rows(job["train"]):
        text, value = row.get(job["text_field"]), row.get(job["label_field"])
        if not isinstance(text, str) or value is None or isinstance(value, (dict, list)):
            continue
        if value in job["positive"]:
            labels.append(1)
        elif value in job["negative"]:
            labels.append(0)
        else:
            continue
        texts.append(text)
        if job["max_train"] is not None and len(texts) >= job["max_train"]:
            break
    if len(set(labels)) != 2:
        sys.exit(f"{job['train']}: {len(texts)} labelled rows, not of both classes")
    return texts, labels


def vectorizer(view):
    view = dict(view)
    if "ngram_range" in view:
        view["ngram_range"] = tuple(view["ngram_range"])
    return TfidfVectorizer(**view)


def timed(call, prompts):
    clock = time.perf_counter_ns
    times = numpy.empty(len(prompts))
    for i, prompt in enumerate(prompts):
        start = clock()
        call([prompt])
        times[i] = clock() - start
    return times / 1000.0


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    job = read_job(sys.argv[1])
    texts, labels = training_rows(job)
    prompts = [p for row in read_rows(job["eval"]) if isinstance(p := row.get(job["text_field"]), str)]
    if not prompts:
        sys.exit(f"{job['eval']}: no texts under {job['text_field']!r}")

    def cycle(count):
        return [prompts[i % len(prompts)] for i in range(count)]

    features = FeatureUnion([(f"view{i}", vectorizer(v)) for i, v in enumerate(job["views"])])
    if len(job["views"]) == 1:
        features = vectorizer(job["views"][0])
    pipeline = make_pipeline(features, LogisticRegression(C=job["C"], solver=job["solver"], max_iter=10000))
    with threadpool_limits(limits=job["threads"]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        pipeline.fit(texts, labels)
        fit_seconds = time.perf_counter() - start
        timed(pipeline.predict_proba, cycle(job["warmup"]))
        batch = cycle(job["n"])
        times = timed(pipeline.predict_proba, batch)
        transform = timed(features.transform, batch)
        batches = []
        for _ in range(5):
            start = time.perf_counter()
            pipeline.predict_proba(batch)
            batches.append(time.perf_counter() - start)
    print(json.dumps({
        "median_us": round(float(numpy.median(times)), 3),
        "p90_us": round(float(numpy.percentile(times, 90)), 3),
        "mean_us": round(float(times.mean()), 3),
        "min_us": round(float(times.min()), 3),
        "n": len(batch),
        "median_transform_us": round(float(numpy.median(transform)), 3),
        "batch_us_per_text": round(min(batches) / len(batch) * 1e6, 3),
        "fit_seconds": round(fit_seconds, 4),
        "train_rows": len(texts),
        "features": int(pipeline[-1].coef_.shape[1]),
        "threads": job["threads"],
        "versions": {"python": sys.version.split()[0], "numpy": numpy.__version__, "scipy": scipy.__version__,
                     "scikit-learn": sklearn.__version__},
    }))


if __name__ == "__main__":
    main()
