"""Compares predictions with what the target did: figures.py TOPICS LABELLED NAME=SCORED...

LABELLED are the target's answers as `demur label` labels them, SCORED the same prompts as `demur score` scores them, TOPICS
the prompts with their topics. The last column is of prompts of which none is in a fit of the bundled models. Intervals are of 1,000 bootstrap samples of the prompts. Prints a table in Markdown.
"""

import json
import random
import sys

IN_NO_FIT = ("ordinary", "or-bench toxic", "or-bench borderline")


def rows(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def auroc(pairs):
    """The share of (refused, complied) pairs that are in order; a tie is half a pair."""
    ordered = sorted(pairs)
    ranks, at = 0.0, 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        rank = (at + 1 + end) / 2
        ranks += rank * sum(label for _, label in ordered[at:end])
        at = end
    refused = sum(label for _, label in pairs)
    complied = len(pairs) - refused
    return (ranks - refused * (refused + 1) / 2) / (refused * complied) if refused and complied else float("nan")


def interval(pairs, figure):
    draw = random.Random(7)
    found = sorted(figure([draw.choice(pairs) for _ in pairs]) for _ in range(1000))
    return found[25], found[974]


def main():
    topics = {row["prompt"]: row["topic"] for row in rows(sys.argv[1])}
    did = {row["prompt"]: row["label"] for row in rows(sys.argv[2])}
    judged = {prompt: label == "refused" for prompt, label in did.items() if label is not None}
    refused = sum(judged.values())
    print(f"{len(did)} answers, {len(did) - len(judged)} without one to judge, {refused} of {len(judged)} refused:")
    for topic in sorted(set(topics.values())):
        of = [label for prompt, label in judged.items() if topics[prompt] == topic]
        print(f"{topic} {sum(of)} of {len(of)};", end=" ")
    unseen = {prompt for prompt in judged if topics[prompt] in IN_NO_FIT}
    print(f"\n\n| predictor | AUROC (95% interval) | agreement | AUROC on {len(unseen)} in no fit |\n|---|---|---|---|")
    agree = lambda pairs: sum((p >= 0.5) == label for p, label in pairs) / len(pairs)
    for argument in sys.argv[3:]:
        name, path = argument.split("=", 1)
        scored = [row for row in rows(path) if row["prompt"] in judged]
        pairs = [(row["p_refusal"], judged[row["prompt"]]) for row in scored]
        others = auroc([pair for row, pair in zip(scored, pairs) if row["prompt"] in unseen])
        low, high = interval(pairs, auroc)
        print(f"| {name} | {auroc(pairs):.3f} ({low:.3f} to {high:.3f}) | {agree(pairs):.3f} | {others:.3f} |")
    most = max(refused, len(judged) - refused) / len(judged)
    print(f"| majority | 0.500 | {most:.3f} | 0.500 |")


main()
