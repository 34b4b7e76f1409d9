"""Opens a report of `demur report` from disk in a headless Chromium and checks what an analyst would see.

    python tests/browser/report.py PATH_TO_DEMUR [--screenshots DIR] [--report DIR]

Models are fitted on the starter corpus and reported; `--report DIR` looks at a report that is there instead. It needs
Debian's chromium and chromium-driver and requirements.txt, prints a line for each check, and exits with 1 if one failed.
"""

import argparse
import csv
import json
import math
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from page import IMAGES, Page, browser, same

STARTER = Path(__file__).resolve().parents[2] / "data" / "starter" / "labelled.jsonl"
HOSTILE = "<img src=x onerror=alert(1)>"
# A page of a hundred thousand n-grams is no larger, and is ready no later.
MOST_BYTES, MOST_SECONDS = 5_000_000, 2.0


class Report(Page):
    """A report in the browser, with the tables beside it."""

    def open(self, path="report.html"):
        self.console()
        self.driver.get((self.folder / path).as_uri())
        self.until("the explorer", lambda: self.run("return document.documentElement.dataset.ready") == "yes")

    def table(self, name):
        with open(self.folder / "tables" / f"{name}.csv", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def type(self, selector, text):
        self.run(
            "const box = document.querySelector(arguments[0]); box.value = arguments[1];"
            "box.dispatchEvent(new Event('input', {bubbles: true}));",
            selector,
            text,
        )
        time.sleep(0.2)

    def shown(self):
        """The rows of the ranked table, each as a dictionary by column."""
        return self.run(
            "const heads = [...document.querySelectorAll('#table th')].map(h => h.dataset.key);"
            "return [...document.querySelectorAll('#table tbody tr')].map(row =>"
            " Object.fromEntries([...row.cells].map((cell, at) => [heads[at], cell.textContent])));"
        )


def equal(page_cell, file_cell):
    """Equal as texts, or as numbers: JavaScript writes 1 where the file has 1.0."""
    if page_cell == file_cell:
        return True
    try:
        return float(page_cell) == float(file_cell)
    except ValueError:
        return False


# ---- The checks, in the order in which they run; each opens the page anew.


def the_page_opens_without_a_word_in_the_console_and_asks_no_server(page):
    page.open()
    same(page.console(), [], "the console")
    asked = page.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    same(asked, [], "requests")
    assert "Refusal report" in page.driver.title, page.driver.title
    same(page.run("return document.querySelectorAll('h1').length"), 1, "headings of the page")


def every_number_of_the_static_tables_is_that_of_the_files(page):
    page.open()
    tables = page.run(
        "return [...document.querySelectorAll('table[data-sheet]')].map(table => ({name: table.dataset.sheet,"
        " keys: [...table.tHead.rows[0].cells].map(cell => cell.dataset.key),"
        " rows: [...table.tBodies[0].rows].map(row => [Number(row.dataset.row), [...row.cells].map(c => c.textContent)])}))"
    )
    compared = 0
    for table in tables:
        rows = page.table(table["name"])
        for place, cells in table["rows"]:
            for key, cell in zip(table["keys"], cells):
                if key == "text":
                    continue  # cut to a line
                assert cell == rows[place][key], f"{table['name']} {place} {key}: {cell!r} {rows[place][key]!r}"
                compared += 1
    assert len(tables) >= 8 and compared > 300, (len(tables), compared)


def every_number_of_the_explorer_is_that_of_the_file(page):
    page.open()
    page.type("#least", "0")
    rows = page.table("terms")
    compared = 0
    for _ in range(4):
        for row in page.shown():
            wanted = rows[int(row["rank"]) - 1]
            for key, cell in row.items():
                assert equal(cell, wanted[key]), f"rank {row['rank']} {key}: {cell!r} {wanted[key]!r}"
                compared += 1
        page.find("#next").click()
    assert compared > 1000, compared


def the_headline_figures_are_those_of_the_file(page):
    page.open()
    figures = {row["figure"]: row for row in page.table("figures")}
    cards = page.run("return [...document.querySelectorAll('.cards li')].map(card => card.textContent)")
    # Of rows that nobody is said to have labelled, it is an agreement.
    accuracy = figures.get("accuracy") or figures["agreement"]
    assert accuracy["value"] in cards[0] and f"{accuracy['low']} to {accuracy['high']}" in cards[0], cards
    assert figures["AUROC"]["value"] in cards[1], cards


def a_search_finds_a_term(page):
    page.open()
    before = page.text("#count")
    term = next(row["ngram"] for row in page.table("terms") if len(row["ngram"]) > 5)
    page.type("#find", term[1:])
    rows = page.shown()
    assert rows and all(term[1:] in row["ngram"] for row in rows), rows[:3]
    assert term in [row["ngram"] for row in rows] and page.text("#count") != before
    page.type("#find", "no such n-gram")
    same(page.shown(), [], "rows for what is not there")
    assert page.text("#count").startswith("0 of"), page.text("#count")


def a_click_shows_examples(page):
    page.open()
    page.find("#table tbody td button").click()
    chosen = page.shown()[0]["ngram"]
    same(page.text("#chosen-title"), f"“{chosen}”", "the chosen n-gram")
    assert page.all("#chosen li"), "no example row"
    assert page.all("#chosen li mark"), "the n-gram is not marked in its examples"
    facts = page.text("#chosen dl")
    wanted = page.table("terms")[0]
    assert f"{wanted['refused']} refused" in facts, facts


def a_click_into_the_plot_shows_examples_too(page):
    page.open()
    at = page.run(
        "document.getElementById('plot').scrollIntoView({block: 'center'});"
        "const g = geometry(); const [x, y] = place(g, state.drawn[0]); const box = el('plot').getBoundingClientRect();"
        "return [x - box.width / 2, y - box.height / 2];"
    )
    plot = page.find("#plot")
    ActionChains(page.driver).move_to_element_with_offset(plot, round(at[0]), round(at[1])).perform()
    page.until("the tip", lambda: page.find("#tip").is_displayed())
    tip = page.text("#tip")
    ActionChains(page.driver).click().perform()
    name = page.text("#chosen-title").strip("“”")
    assert tip.startswith(name + ":"), (tip, name)
    assert page.all("#chosen li"), "no example row"
    before = page.run("return state.chosen")
    plot.send_keys(Keys.ARROW_RIGHT)
    assert page.run("return state.chosen") != before, "the arrow key goes nowhere"


def columns_sort_and_filters_narrow(page):
    page.open()
    page.find("#table th[data-key=rows] button").click()
    counts = [int(row["rows"]) for row in page.shown()]
    same(counts, sorted(counts, reverse=True), "rows, falling")
    page.find("#table th[data-key=rows] button").click()
    counts = [int(row["rows"]) for row in page.shown()]
    same(counts, sorted(counts), "rows, rising")
    page.type("#side", "refused")
    assert all(float(row["z"]) > 0 for row in page.shown())
    page.type("#marked", "none")
    assert all(row["marks"] == "" for row in page.shown())


def the_export_holds_what_is_shown(page):
    page.open()
    page.type("#least", "5")
    count = int(page.text("#count").split(" ")[0].replace(",", ""))
    page.find("#csv").click()
    path = page.downloads / "terms-shown.csv"
    page.until("the file", path.exists)
    time.sleep(0.3)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    same(len(rows), count, "rows of the export")
    wanted = {row["rank"]: row for row in page.table("terms")}
    for row in rows[:200]:
        for key in ("ngram", "z", "weight", "refused", "complied", "refusal_rate", "rate_low"):
            assert equal(row[key], wanted[row["rank"]][key]), (row, key)


def texts_of_rows_stay_text(page):
    page.open()
    assert HOSTILE in (page.folder / "tables" / "rows.csv").read_text(encoding="utf-8")
    page.type("#find", "onerror")
    for at in range(len(page.shown())):
        page.all("#table tbody td button")[at].click()
    same(page.run("return document.querySelectorAll('img').length"), 0, "images")
    same(page.console(), [], "the console")


def it_is_as_readable_in_the_dark_and_on_a_phone(page):
    for width, scheme in ((390, "light"), (390, "dark"), (1280, "dark")):
        page.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
        )
        page.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        page.open()
        tall = page.run("return Math.max(...[...document.querySelectorAll('td')].map(cell => cell.offsetHeight))")
        assert tall < 600, f"a cell is {tall} tall"
        wide = page.run("return document.documentElement.scrollWidth")
        assert wide <= width, f"the page is {wide} wide on a screen of {width}"
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
        same(ground == "rgb(255, 255, 255)", scheme == "light", f"the ground {ground} in {scheme}")
    page.find("#theme").click()
    same(page.run("return getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)", "after the button")
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def every_control_has_a_name(page):
    page.open()
    nameless = page.run(
        "return [...document.querySelectorAll('button, input, select, canvas, [tabindex], svg')].filter(e =>"
        " !e.textContent.trim() && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby') &&"
        " !(e.labels && e.labels.length)).map(e => e.outerHTML.slice(0, 80))"
    )
    same(nameless, [], "controls without a name")
    heads = page.run("return [...document.querySelectorAll('main section')].filter(s => !s.querySelector('h2, h3')).length")
    same(heads, 0, "sections without a heading")


def a_hundred_thousand_terms_open_at_once(page):
    folder = page.folder.parent / "many"
    if not folder.exists():
        return
    size = (folder / "report.html").stat().st_size
    assert size < MOST_BYTES, f"{size} bytes"
    many = Report(page.driver, "", folder)
    began = time.monotonic()
    many.open()
    seconds = time.monotonic() - began
    terms = many.run("return state.terms.ngram.length")
    assert terms >= 100_000, terms
    assert seconds < MOST_SECONDS, f"{seconds:.2f} s"
    same(many.console(), [], "the console")
    print(f"        {terms} terms: {size / 1e6:.2f} MB, ready in {seconds:.2f} s", flush=True)


def pictured(page):
    """What the documentation's picture of the report says: its figures, and the first rows of its ranked table."""
    page.open()
    cards = page.run("return [...document.querySelectorAll('.cards li')].map(card => card.textContent.trim())")
    return {"cards": cards, "rows": page.shown()[:10]}


def the_documentations_picture_says_what_this_build_says(page):
    said = json.loads((IMAGES / "report.json").read_text(encoding="utf-8"))
    same(pictured(page), said, "docs/img/report.json, which scripts/pictures writes with the picture")


CHECKS = (
    the_page_opens_without_a_word_in_the_console_and_asks_no_server,
    every_number_of_the_static_tables_is_that_of_the_files,
    every_number_of_the_explorer_is_that_of_the_file,
    the_headline_figures_are_those_of_the_file,
    a_search_finds_a_term,
    a_click_shows_examples,
    a_click_into_the_plot_shows_examples_too,
    columns_sort_and_filters_narrow,
    the_export_holds_what_is_shown,
    texts_of_rows_stay_text,
    it_is_as_readable_in_the_dark_and_on_a_phone,
    every_control_has_a_name,
    a_hundred_thousand_terms_open_at_once,
    the_documentations_picture_says_what_this_build_says,
)


def screenshots(page, folder):
    """The report as the documentation shows it, at desktop and at phone width."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(pictured(page), indent=1) + "\n", encoding="utf-8")
    page.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    for name, width, height, scheme in (
        ("report", 1280, 900, "light"),
        ("report-phone", 390, 844, "light"),
        ("report-dark", 1280, 900, "dark"),
    ):
        page.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        )
        page.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        page.open()
        page.find("#table tbody td button.refused").click()
        page.run("document.activeElement.blur(); document.getElementById('words').scrollIntoView()")
        page.driver.save_screenshot(str(folder / f"{name}.png"))
        whole = page.run("return document.documentElement.scrollHeight")
        page.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": whole, "deviceScaleFactor": 1, "mobile": False}
        )
        page.run("window.scrollTo(0, 0)")
        page.driver.save_screenshot(str(folder / f"{name}-whole.png"))


def notebook_pictures(page, notebook, folder):
    """A notebook as `jupyter nbconvert --to html` shows it, at desktop and at phone width."""
    for name, width, height in (("notebook", 1280, 1400), ("notebook-phone", 390, 844)):
        page.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        )
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        page.driver.get(notebook.resolve().as_uri())
        page.run("document.querySelector('h2').scrollIntoView()")
        time.sleep(1)
        page.driver.save_screenshot(str(folder / f"{name}.png"))


def prepare(demur, folder):
    """A report of the starter corpus with a hostile row, and one of a hundred thousand n-grams."""
    run = lambda *arguments: subprocess.run([demur, *map(str, arguments)], check=True, stderr=subprocess.PIPE, text=True)
    hostile = {"id": "x", "prompt": HOSTILE, "response": f"{HOSTILE} I cannot do that.", "kind": "rejected"}
    rows = STARTER.read_text(encoding="utf-8") + json.dumps(hostile) + "\n"
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    columns = ("--label-column", "kind")
    run("fit", "response", "--data", folder / "rows.jsonl", *columns, "--out", folder / "response")
    run("report", "--model", folder / "response", "--data", folder / "rows.jsonl", *columns, "--out", folder / "report",
        "--resamples", "8")
    dice = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(dice.choices(letters, k=dice.randint(4, 9))) for _ in range(40_000)]
    with open(folder / "many.jsonl", "w", encoding="utf-8") as file:
        for row in range(4000):
            # Zipf's law: a few words are in most rows and most words in a few.
            text = [words[min(int(math.exp(dice.random() * math.log(len(words)))), len(words) - 1)] for _ in range(10)]
            text += dice.sample(words, 10)
            label = dice.random() < (0.7 if row % 2 else 0.3)
            file.write(json.dumps({"prompt": " ".join(text), "label": "refused" if label else "complied"}) + "\n")
    views = "prompt.fit.views=[{field='prompt',ngrams=[1,2]}]"
    run("fit", "prompt", "--data", folder / "many.jsonl", "--out", folder / "big", "--set", views, "--set", "prompt.fit.c=1")
    run("report", "--model", folder / "big", "--data", folder / "many.jsonl", "--out", folder / "many", "--resamples", "2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("demur", help="the program")
    parser.add_argument("--report", type=Path, metavar="DIR", help="look at this report")
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="write pictures of the page there")
    parser.add_argument("--notebook", type=Path, metavar="HTML", help="with --screenshots: a notebook made HTML")
    parser.add_argument("--only", metavar="PART", default="", help="run only the checks with this in their name")
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if not given.report:
            prepare(given.demur, folder)
        driver = browser(folder)
        try:
            page = Report(driver, "", (given.report or folder / "report").resolve())
            page.downloads = folder
            for check in CHECKS:
                # The pictured report is the one that `prepare` makes.
                if given.only not in check.__name__ or (given.report and "documentations_picture" in check.__name__):
                    continue
                name = check.__name__.replace("_", " ")
                began = time.monotonic()
                try:
                    check(page)
                except Exception as error:  # a failed check must not hide the ones after it
                    failed += 1
                    line = traceback.extract_tb(error.__traceback__)[1].lineno
                    print(f"FAILED  {name} (line {line}): {str(error).strip() or type(error).__name__}", flush=True)
                else:
                    passed += 1
                    print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
            if given.screenshots:
                screenshots(page, given.screenshots)
                if given.notebook:
                    notebook_pictures(page, given.notebook, given.screenshots)
        finally:
            driver.quit()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
