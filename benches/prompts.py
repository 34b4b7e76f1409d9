#!/usr/bin/env python3
"""Makes files of prompts for the benchmarks: real ones, drawn with replacement and lightly edited, the same for the same seed.

    python benches/prompts.py FOLDER ROWS [--seed 1] [--part all|train|test] [--labelled] > prompts.jsonl

FOLDER holds JSON Lines files with the columns "prompt" and "fine_label". An edit replaces, leaves out or repeats a word, or
turns it into capitals, so that prompts differ and new n-grams keep coming, as they do in a real data set. `train` and `test`
are drawn from disjoint prompts (a tenth is for the test). With --labelled only prompts with a label that says whether they ask
for something harmful are drawn, and rows have the column "label": refused or complied. That stands for the refusal that a
model would give, for timing and for comparing fits, no more.
"""

import argparse
import hashlib
import json
import random
import sys
from pathlib import Path

LABELS = {
    **dict.fromkeys(["harmful", "insincere", "toxic", "should-not-comply", "forbidden", "hazard prompt"], "refused"),
    **dict.fromkeys(["benign", "sincere", "harmless", "answerable", "unanswerable", "should-comply (contrast)",
                     "should-comply (contrast, pref)", "over-refusal (benign borderline)"], "complied"),
}


def read(folder, part, labelled):
    found = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            row = json.loads(line)
            prompt, label = row["prompt"], LABELS.get(row["fine_label"])
            test = hashlib.sha256(prompt.strip().lower().encode()).digest()[0] < 26
            if prompt.strip() and part in ("all", "test" if test else "train") and (label or not labelled):
                found.append((prompt, label))
    return found


def edited(words, draw, pool):
    if not words:
        return words
    at, kind = draw.randrange(len(words)), draw.randrange(4)
    if kind == 0:
        words[at] = draw.choice(draw.choice(pool)[0].split() or [""])
    elif kind == 1 and len(words) > 1:
        del words[at]
    elif kind == 2:
        words.insert(at, words[at])
    else:
        words[at] = words[at].upper()
    return words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("rows", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=["all", "train", "test"], default="all")
    parser.add_argument("--labelled", action="store_true")
    settings = parser.parse_args()
    pool = read(settings.folder, settings.part, settings.labelled)
    draw = random.Random(settings.seed)
    for number in range(settings.rows):
        prompt, label = draw.choice(pool)
        for _ in range(draw.randrange(3)):
            prompt = " ".join(edited(prompt.split(" "), draw, pool))
        row = {"id": number, "prompt": prompt if prompt.strip() else "What?"}
        if settings.labelled:
            row["label"] = label
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
