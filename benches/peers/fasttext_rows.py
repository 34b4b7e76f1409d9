#!/usr/bin/env python3
"""Rows as fastText reads them: one text a line, behind its label where it has one.

    python benches/peers/fasttext_rows.py IN.jsonl > OUT.txt
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        row = json.loads(line)
        label = f"__label__{row['label']} " if "label" in row else ""
        sys.stdout.write(f"{label}{' '.join(row['prompt'].split())}\n")
