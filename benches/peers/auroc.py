#!/usr/bin/env python3
"""The AUROC of scored rows.

    python benches/peers/auroc.py SCORED.jsonl                 what `demur score` wrote from labelled rows
    python benches/peers/auroc.py TEST.jsonl PREDICTED.txt     what `fasttext predict-prob MODEL - 2` wrote of their texts
"""

import json
import sys

from sklearn.metrics import roc_auc_score

with open(sys.argv[1], encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
if len(sys.argv) > 2:
    with open(sys.argv[2], encoding="utf-8") as file:
        words = [line.split() for line in file]
    scores = [float(line[line.index("__label__refused") + 1]) if "__label__refused" in line else 0.0 for line in words]
else:
    scores = [row["p_refusal"] for row in rows]
print(f"AUROC {roc_auc_score([row['label'] == 'refused' for row in rows], scores):.4f}")
