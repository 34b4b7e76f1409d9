"""Checks of the playground's tab Prompts: many prompts, from the box or a file."""

import csv
import io
import json

from selenium.webdriver.common.keys import Keys

from page import BATCH, HOSTILE, same


def an_empty_prompt_and_an_empty_batch_are_said(page):
    page.open()
    page.ask("Write a poem")
    page.find("#prompt").send_keys(Keys.CONTROL, "a")
    page.find("#prompt").send_keys(Keys.DELETE)
    page.until("the empty state", lambda: page.text("#decision") == "No prompt yet")
    assert not page.find("#explained").is_displayed(), "the old explanation stays"
    page.find("#batch-run").click()
    page.until("the empty batch", lambda: "no prompt" in page.text("#batch-status"))
    same(page.console(), [], "console")


def pasted_lines_fill_the_table(page):
    page.open()
    # Nothing is known of a prompt without words, so nothing is decided on it.
    lines = [*BATCH, "=1+1"]
    page.judge_lines(lines)
    same([row[3] for row in page.rows()], lines, "prompts")
    same(sum(page.counts()), len(lines), "sent, abstained and held together")
    *known, unknown = page.rows()
    for _, p, decision, _ in known:
        same(decision, "Hold" if float(p) >= 0.5 else "Send", f"decision at {p}")
    same(unknown[2], "Abstain", "decision on a sum")


def chosen_files_fill_the_table(page):
    page.open()
    page.judge_file("lines.txt", "\ufeffone\r\n\r\ntwo\nthree", 3)
    same([row[3] for row in page.rows()], ["one", "two", "three"], "prompts of lines.txt")
    lines = [json.dumps({name: text}) for name, text in zip(("prompt", "text", "question"), ("one", "two\nlines", HOSTILE))]
    page.judge_file("rows.jsonl", "\n".join([*lines, "no json", json.dumps({"other": "x"})]), 3)
    same([row[3] for row in page.rows()], ["one", "two\nlines", HOSTILE], "prompts of rows.jsonl")
    assert "line 4 is not JSON" in page.text("#batch-error") and "line 5" in page.text("#batch-error"), page.text("#batch-error")
    page.judge_file("rows.csv", 'id,Prompt\r\n1,"a, ""b""\nc"\r\n2,plain\r\n', 2)
    same([row[3] for row in page.rows()], ['a, "b"\nc', "plain"], "prompts of rows.csv")
    assert not page.find("#batch-error").is_displayed(), page.text("#batch-error")
    (page.folder / "wrong.csv").write_text("a,b\n1,2\n")
    page.find("#file").send_keys(str(page.folder / "wrong.csv"))
    page.until("the missing column", lambda: "No column" in page.text("#batch-error"))


def a_dropped_file_fills_the_table(page):
    page.open()
    page.run(
        "const moved = new DataTransfer(); moved.items.add(new File([arguments[0]], 'dropped.txt', {type: 'text/plain'}));"
        "for (const kind of ['dragover', 'drop']) document.getElementById('drop').dispatchEvent("
        "new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: moved}));",
        "\n".join(BATCH),
    )
    page.until("the rows", lambda: len(page.rows()) == len(BATCH))
    same([row[3] for row in page.rows()], BATCH, "prompts")


def many_prompts_go_in_chunks(page):
    page.open()
    page.judge_file("many.txt", "\n".join(f"prompt number {n}" for n in range(2500)), "2,500")
    same(sum(int(page.text(f"#count-{name}").replace(",", "")) for name in ("send", "abstain", "hold")), 2500, "prompts counted")
    asked = page.run("return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/v1/score')).length")
    assert asked >= 3, f"{asked} requests for 2500 prompts"
    same(len(page.rows()), 100, "rows drawn")
    page.find("#more").click()
    same(len(page.rows()), 600, "rows drawn after asking for more")


def threshold_changes_the_counts(page):
    page.open()
    page.judge_lines(BATCH)
    asked = page.run("return performance.getEntriesByType('resource').length")
    page.slide("#hold-from-many", 0)
    page.until("all held", lambda: page.counts() == [0, 0, len(BATCH)])
    page.slide("#hold-from-many", 1)
    page.until("all sent", lambda: page.counts() == [len(BATCH), 0, 0])
    same({row[2] for row in page.rows()}, {"Send"}, "decisions in the table")
    page.find("#band").click()
    page.slide("#send-below", 0)
    page.until("all abstained", lambda: page.counts() == [0, len(BATCH), 0])
    same(page.run("return performance.getEntriesByType('resource').length"), asked, "requests")


def sorting_works(page):
    page.open()
    page.judge_lines(BATCH)

    def sorts():
        return page.run("return [...document.querySelectorAll('#rows th')].map(h => h.getAttribute('aria-sort'))")

    same(sorts(), ["ascending", "none", "none", "none"], "aria-sort at first")
    by_p = page.find("#rows [data-sort=p]")
    by_p.click()
    found = [float(row[1]) for row in page.rows()]
    same(found, sorted(found, reverse=True), "probabilities")
    same(sorts(), ["none", "descending", "none", "none"], "aria-sort after a click")
    by_p.send_keys(Keys.ENTER)
    found = [float(row[1]) for row in page.rows()]
    same(found, sorted(found), "probabilities after Enter")
    same(sorts(), ["none", "ascending", "none", "none"], "aria-sort after Enter")
    page.find("#rows [data-sort=prompt]").click()
    same([row[3] for row in page.rows()], sorted(BATCH), "prompts")
    same(sorts(), ["none", "none", "none", "ascending"], "aria-sort by prompt")


def downloads_hold_the_rows(page):
    page.open()
    page.judge_lines(BATCH)
    shown = page.rows()

    def download(button, name):
        path = page.folder / name
        path.unlink(missing_ok=True)
        page.find(button).click()
        page.until(name, path.exists)
        return path.read_bytes().decode()

    table = list(csv.DictReader(io.StringIO(download("#save-csv", "demur.csv"), newline="")))
    same(list(table[0]), ["prompt", "p_refusal", "decision"], "columns")
    objects = [json.loads(line) for line in download("#save-jsonl", "demur.jsonl").splitlines()]
    for rows, name in ((table, "CSV"), (objects, "JSONL")):
        same([row["prompt"] for row in rows], BATCH, f"prompts of the {name}")
        same([f"{float(row['p_refusal']):.3f}" for row in rows], [row[1] for row in shown], f"probabilities of the {name}")
        same([row["decision"] for row in rows], [row[2].lower() for row in shown], f"decisions of the {name}")


def a_row_is_explained_above(page):
    page.open()
    page.judge_lines(BATCH)
    page.all("#rows tbody button")[1].click()
    page.until("its words", lambda: page.text("#words") == BATCH[1])


CHECKS = [
    an_empty_prompt_and_an_empty_batch_are_said,
    pasted_lines_fill_the_table,
    chosen_files_fill_the_table,
    a_dropped_file_fills_the_table,
    many_prompts_go_in_chunks,
    threshold_changes_the_counts,
    sorting_works,
    downloads_hold_the_rows,
    a_row_is_explained_above,
]
