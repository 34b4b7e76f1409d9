#!/usr/bin/env python3
"""How long fastText's Python package takes to give one prompt its probability.

    python benches/peers/fasttext_predict.py MODEL.bin PROMPTS.jsonl

Timed are each call of model.predict(prompt, k=2), and of the C++ function that it wraps.
"""

import json
import statistics
import sys
import time

import fasttext

model = fasttext.load_model(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    prompts = [" ".join(json.loads(line)["prompt"].split()) for line in file]


def median(call, texts):
    times = []
    for text in texts * 5:
        start = time.perf_counter_ns()
        call(text)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


whole = median(lambda text: model.predict(text, k=2), prompts)
inner = median(lambda text: model.f.predict(text, 2, 0.0, "strict"), [prompt + "\n" for prompt in prompts])
print(f"median {whole:.2f} us, of which {inner:.2f} us are in C++, over {len(prompts)} prompts")
