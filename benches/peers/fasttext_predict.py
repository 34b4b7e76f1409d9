#!/usr/bin/env python3
"""How long fastText's Python package takes to give one prompt its probability.

    python benches/peers/fasttext_predict.py MODEL.bin PROMPTS.jsonl

Timed is the call that `predict` wraps: the wrapper of the last release does not run with numpy 2, and would cost more.
"""

import json
import statistics
import sys
import time

import fasttext

model = fasttext.load_model(sys.argv[1]).f
with open(sys.argv[2], encoding="utf-8") as file:
    prompts = [" ".join(json.loads(line)["prompt"].split()) + "\n" for line in file]
times = []
for _ in range(5):
    for prompt in prompts:
        start = time.perf_counter_ns()
        model.predict(prompt, 2, 0.0, "strict")
        times.append(time.perf_counter_ns() - start)
print(f"median {statistics.median(times) / 1000:.2f} us over {len(prompts)} prompts")
