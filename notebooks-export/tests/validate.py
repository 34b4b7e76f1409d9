"""Checks notebooks that `demur pipeline` and `demur export-notebook` wrote: validate.py NOTEBOOK...

A notebook is valid nbformat, its drawings are well-formed XML, its code runs from top to bottom in its own
folder, and what the run makes says the same as what Demur had written: equal tables, a figure for each chart, and
in a pipeline's report equal n-grams with equal weights. Needs requirements.txt.
"""

import copy
import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor

# Run behind the report's own cells, to get at what its charts draw.
PROBE = """print(json.dumps([
    [f"{weight:+.3f}  {label}" for label, weight in strongest(model, 10)[0]] for model in ("response", "prompt")
]))"""


class Cells(HTMLParser):
    """The texts of the cells of a table, in order."""

    def __init__(self, html):
        super().__init__()
        self.texts = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.texts.append("")

    def handle_data(self, text):
        if self.texts:
            self.texts[-1] += text.strip()


def forms(cell):
    """The forms of a cell's outputs by media type; an output of text on a stream has none."""
    return {kind: text for output in cell.outputs for kind, text in output.get("data", {}).items()}


def check(condition, message):
    if not condition:
        sys.exit(f"validate.py: {message}")


def main(path):
    text = path.read_text(encoding="utf-8")
    check(text.endswith("}\n"), "the file does not end with one line break")
    nbformat.validate(json.loads(text))
    stored = nbformat.reads(text, as_version=4)
    executed = copy.deepcopy(stored)
    probed = any("def strongest(" in cell.source for cell in stored.cells)
    if probed:
        executed.cells.append(nbformat.v4.new_code_cell(PROBE))
    ExecutePreprocessor(timeout=120, kernel_name="python3").preprocess(
        executed, {"metadata": {"path": str(path.parent)}}
    )
    tables, charts, listings = 0, 0, []
    for before, after in zip(stored.cells, executed.cells):
        if before.cell_type != "code" or not before.outputs:
            continue
        old, new = forms(before), forms(after)
        check("text/plain" in old, f"{before.source}: no plain text")
        if "image/svg+xml" in old:
            ElementTree.fromstring(old["image/svg+xml"])
            check("image/png" in new, f"{before.source}: the run draws nothing")
            listings.append(old["text/plain"].splitlines())
            charts += 1
        else:
            old, new = (Cells(data.get("text/html", "")).texts for data in (old, new))
            check(old and old == new, f"{before.source}: stored {old}\nbut the run gives {new}")
            tables += 1
    for ngrams in json.loads(executed.cells[-1].outputs[0].text) if probed else ():
        check(any(ngrams == lines[2:] for lines in listings), f"no chart shows these n-grams: {ngrams}")
    check(tables > 0 and charts > 0, "no table or no chart")
    print(f"{path}: valid; {tables} tables and {charts} charts agree with a fresh run")


if __name__ == "__main__":
    check(len(sys.argv) > 1, "usage: validate.py NOTEBOOK...")
    for name in sys.argv[1:]:
        main(Path(name).resolve())
