"""Writes the prompts of a live run: prompts.py DATA_DIR LEARN_FILE TEST_FILE [SHARE]

A quarter each of four sources: plainly harmful requests, ordinary instructions,
OR-Bench's (half of them toxic, half that only look it), and questions of Quora (half of them called insincere). Which ones, and which of
them test, depends on the prompts alone. SHARE of them (default 1) are taken.
"""

import hashlib
import json
import sys
from pathlib import Path

LEARN, TEST = 600, 200


def key(prompt):
    return hashlib.sha256(b"live " + prompt.encode()).hexdigest()


def jsonl(path, wanted=lambda row: True):
    rows = map(json.loads, path.read_text().splitlines())
    return {row["prompt"] for row in rows if wanted(row) and row["prompt"]}


def main():
    data, learn, test = (Path(argument) for argument in sys.argv[1:4])
    share = float(sys.argv[4]) if len(sys.argv) > 4 else 1
    prompts = data / "prompts"
    toxic = lambda row: row["fine_label"] == "toxic"
    quora = json.loads((data / "chatgpt-refusals/quora_insincere_hand_labeled.json").read_text())
    insincere = lambda value: {row["prompt"] for row in quora if bool(row["is_insincere"]) == value}
    sources = [  # what it is, its prompts, its share
        ("harmful", jsonl(prompts / "harmbench.jsonl") | jsonl(prompts / "harmful_mix.jsonl"), 1 / 4),
        ("ordinary", jsonl(prompts / "harmless_alpaca.jsonl"), 1 / 4),
        ("or-bench toxic", jsonl(prompts / "orbench.jsonl", toxic), 1 / 8),
        ("or-bench borderline", jsonl(prompts / "orbench.jsonl", lambda row: not toxic(row)), 1 / 8),
        ("quora insincere", insincere(True), 1 / 8),
        ("quora sincere", insincere(False), 1 / 8),
    ]
    chosen, seen = [], set()
    for name, texts, part in sources:
        texts = sorted((text for text in texts if text not in seen and len(text) < 300), key=key)
        texts = texts[:round((LEARN + TEST) * part * share)]
        seen.update(texts)
        chosen += [{"prompt": text, "topic": name} for text in texts]
    chosen.sort(key=lambda row: key(row["prompt"] + "order"))
    cut = round(len(chosen) * LEARN / (LEARN + TEST))
    for path, rows in [(learn, chosen[:cut]), (test, chosen[cut:])]:
        path.write_text("".join(json.dumps({"id": key(row["prompt"])[:12], **row}) + "\n" for row in rows))
        print(f"{path.name}: {len(rows)} prompts")


main()
