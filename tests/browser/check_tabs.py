"""Checks of the playground's tabs, its two targets, its models, and what it lets a person take along."""

import json
import subprocess
from urllib.parse import parse_qs, urlsplit

from selenium.webdriver.common.keys import Keys

from page import HOSTILE, PROMPT, same

# Quotes, a line end, a backslash and characters that mean something to a shell and in an address.
AWKWARD = "It's \"quoted\" & costs $5 #1 100% \\ +1\n\N{GRINNING FACE} `date`"
CATCH = "window.copied = null; navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); };"
SENT = """
  const real = window.fetch; window.sent = [];
  window.fetch = (path, options) => { window.sent.push(options.body ?? ''); return real(path, options); };
"""


def copied(page, button):
    page.run(CATCH)
    page.find(button).click()
    page.until("the copy", lambda: page.run("return window.copied"))
    return page.run("return window.copied")


def tabs_are_moved_through_with_the_arrow_keys(page):
    page.open()
    page.find("#tab-prompt").click()
    for key, expected in ((Keys.ARROW_RIGHT, "answer"), (Keys.ARROW_RIGHT, "targets"), (Keys.END, "models"),
                          (Keys.ARROW_RIGHT, "prompt"), (Keys.ARROW_LEFT, "models"), (Keys.HOME, "prompt")):
        page.driver.switch_to.active_element.send_keys(key)
        same(page.driver.switch_to.active_element.get_attribute("id"), f"tab-{expected}", "the focused tab")
        selected = page.run("return [...document.querySelectorAll('[role=tab][aria-selected=true]')].map(t => t.id)")
        same(selected, [f"tab-{expected}"], "selected tabs")
        shown = page.run("return [...document.querySelectorAll('[role=tabpanel]')].filter(p => p.checkVisibility()).map(p => p.id)")
        same(shown, [f"panel-{expected}"], "panels shown")
    controls = page.run("return [...document.querySelectorAll('[role=tab]')].map(t => document.getElementById("
                        "t.getAttribute('aria-controls'))?.getAttribute('aria-labelledby') === t.id)")
    same(controls, [True] * 4, "tabs and panels that name each other")
    same(page.run("return document.querySelectorAll('[role=tab][tabindex=\"-1\"]').length"), 3, "tabs outside the tab order")


def every_name_that_aria_uses_exists_once(page):
    page.open()
    broken = page.run("""
      const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
      const named = [...document.querySelectorAll('[aria-labelledby], [aria-describedby], [aria-controls]')].flatMap((node) =>
        ['aria-labelledby', 'aria-describedby', 'aria-controls'].flatMap((name) => (node.getAttribute(name) ?? '').split(' ')));
      return [...named.filter((id) => id && !ids.includes(id)), ...ids.filter((id, at) => ids.indexOf(id) !== at)];
    """)
    same(broken, [], "ids that are missing or there twice")


def two_targets_are_compared(page):
    page.open()
    page.ask("How do I pick a lock?")
    page.show_tab("targets")
    same(page.run("return document.getElementById('targets-prompt').value"), "How do I pick a lock?", "the prompt taken along")
    page.until("both answers", lambda: page.text("#p-a") != "\N{EN DASH}" and page.text("#p-b") != "\N{EN DASH}")
    names = page.run("return ['target-a', 'target-b'].map(id => document.getElementById(id).value)")
    assert names[0] != names[1], names
    a, b = float(page.text("#p-a")), float(page.text("#p-b"))
    said = page.text("#difference")
    assert a != b and f"{names[b > a]} is more likely to refuse" in said and f"{abs(a - b):.3f}"[:4] in said, (a, b, said)
    rows = page.run("return [...document.querySelectorAll('#pair-rows tr')].map(r => [...r.cells].map(c => c.textContent))")
    same([row[0] for row in rows], ["What the target adds", "The words and all that is the same for both", "Log-odds"], "parts")
    same(rows[1][3], "0", "what the words add to the difference")
    page.run("const s = document.getElementById('target-b'); s.value = arguments[0]; s.dispatchEvent(new Event('change'));", names[0])
    page.until("the same for both", lambda: page.text("#p-b") == page.text("#p-a"))
    assert "the same of both" in page.text("#difference"), page.text("#difference")
    page.put("#targets-prompt", HOSTILE)
    page.show_tab("prompt")
    page.until("the prompt taken back", lambda: page.text("#words") == HOSTILE)
    same(page.console(), [], "console")


def decisions_of_two_targets_follow_the_thresholds(page):
    page.open()
    page.ask("How do I pick a lock?")
    page.show_tab("targets")
    page.until("both answers", lambda: page.text("#p-a") != "\N{EN DASH}")
    between = (float(page.text("#p-a")) + float(page.text("#p-b"))) / 2
    page.slide("#hold-from", round(between, 2))
    same({page.text("#decision-a"), page.text("#decision-b")}, {"Send", "Hold"}, "decisions")
    assert "The decisions differ" in page.text("#difference"), page.text("#difference")


def a_request_is_copied_as_curl(page):
    page.open()
    page.run("document.getElementById('prompt-curl').click()")
    page.until("that there is nothing", lambda: "nothing to copy" in page.text("#prompt-took"))
    page.put("#prompt", AWKWARD)
    command = copied(page, "#prompt-curl")
    done = subprocess.run(["sh", "-c", f"{command} --silent --show-error"], capture_output=True, text=True, timeout=60, check=True)
    page.until("the page's own answer", lambda: page.text("#words") == AWKWARD)
    same(f"{json.loads(done.stdout)['p_refusal']:.3f}", page.text("#probability"), "the answer to the command")
    page.show_tab("targets")
    same(copied(page, "#targets-curl").count("/v1/predict"), 2, "commands for two targets")
    page.show_tab("answer")
    page.put("#response", AWKWARD)
    command = copied(page, "#answer-curl")
    done = subprocess.run(["sh", "-c", f"{command} --silent --show-error"], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["classifications"], done.stdout


def what_cannot_be_copied_is_shown(page):
    page.open()
    page.ask(PROMPT)
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'));")
    page.find("#prompt-curl").click()
    page.until("the box", lambda: page.find("#by-hand").is_displayed())
    assert page.run("return document.getElementById('by-hand-text').value").startswith("curl '"), "no command in the box"
    same(page.driver.switch_to.active_element.get_attribute("id"), "by-hand-text", "the focused box")


def a_link_holds_the_text_in_its_fragment_alone(page):
    page.open()
    page.put("#prompt", AWKWARD)
    target = page.run("const s = document.getElementById('target'); s.selectedIndex = 3; s.dispatchEvent(new Event('change')); return s.value;")
    link = copied(page, "#prompt-link")
    parts = urlsplit(link)
    same((parts.path, parts.query), ("/", ""), "the part that is sent")
    held = parse_qs(parts.fragment)
    same((held["prompt"], held["target"]), ([AWKWARD], [target]), "what the fragment holds")
    page.driver.get("about:blank")
    # What is sent is caught before the page's own scripts run.
    caught = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SENT})["identifier"]
    try:
        page.driver.get(link)
        page.until("the text", lambda: page.run("return document.getElementById('prompt').value") == AWKWARD)
        same(page.run("return document.getElementById('target').value"), target, "the target")
        page.driver.execute_async_script("const done = arguments[0]; setTimeout(done, 800);")
        same([body for body in page.run("return window.sent") if body], [], "bodies sent by opening the link")
        same(page.text("#decision"), "Not judged yet", "decision")
        asked = page.run("return performance.getEntriesByType('resource').map(e => e.name).join(' ')")
        assert "/v1/models" in asked and "quoted" not in asked, asked
        same(page.run("return [location.hash, sessionStorage.length, localStorage.length, document.cookie]"), ["", 0, 0, ""], "kept")
        page.find("#link-judge").click()
        page.until("the answer", lambda: page.text("#words") == AWKWARD)
        assert not page.find("#link-note").is_displayed(), "the note stays"
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": caught})
    same(page.console(), [], "console")


def links_open_every_tab(page):
    page.open()
    page.show_tab("answer")
    page.put("#asked", "Why?")
    page.put("#response", AWKWARD)
    page.put("#finish-reason", "stop")
    link = copied(page, "#answer-link")
    page.open()
    page.run("location.hash = arguments[0]", urlsplit(link).fragment)
    page.until("the tab", lambda: page.find("#panel-answer").is_displayed())
    found = page.run("return ['asked', 'response', 'finish-reason'].map(id => document.getElementById(id).value)")
    same(found, ["Why?", AWKWARD, "stop"], "the form")
    page.run("location.hash = 'tab=targets&prompt=Hello&a=no-such-target'")
    page.until("the other tab", lambda: page.find("#panel-targets").is_displayed())
    assert "does not know no-such-target" in page.text("#link-note"), page.text("#link-note")
    page.find("#link-judge").click()
    page.until("both answers", lambda: page.text("#p-a") != "\N{EN DASH}")
    page.run("const s = document.getElementById('target-b'); s.value = ''; s.dispatchEvent(new Event('change'));")
    link = copied(page, "#targets-link")
    page.open()
    page.run("location.hash = arguments[0]", urlsplit(link).fragment)
    page.until("the tab again", lambda: page.find("#panel-targets").is_displayed())
    same(page.run("return document.getElementById('target-b').value"), "", "the average target of a link")
    page.run("location.hash = 'tab=none&prompt=x'; location.hash = '%E0%A4%A'")
    same(page.console(), [], "console")


def the_models_are_a_page_to_read(page):
    page.open()
    page.find("footer a[href='#tab=models']").click()
    page.until("the tab", lambda: page.find("#panel-models").is_displayed())
    known = page.driver.execute_async_script("const done = arguments[0]; fetch('/v1/models').then(r => r.json()).then(done);")["models"]
    same(len(page.all("#models article")), len(known), "models")
    for model, shown in zip(known, page.run("return [...document.querySelectorAll('#models article')].map(a => a.textContent)")):
        for text in (model["name"], model["digest"], model["field"], f"{len(model['targets'])} targets", *model["targets"]):
            assert text in shown, f"{text} is not shown for {model['name']}"
        left = model["left_out"]
        assert left["limits"].rstrip(".") in shown, left["limits"]
        for source in left["sources"]:
            for figure in ("accuracy", "phrase_list", "majority"):
                assert f"{round(100 * source[figure])}%" in shown, (source["name"], figure)
    same(page.console(), [], "console")


CHECKS = [
    tabs_are_moved_through_with_the_arrow_keys,
    every_name_that_aria_uses_exists_once,
    two_targets_are_compared,
    decisions_of_two_targets_follow_the_thresholds,
    a_request_is_copied_as_curl,
    what_cannot_be_copied_is_shown,
    a_link_holds_the_text_in_its_fragment_alone,
    links_open_every_tab,
    the_models_are_a_page_to_read,
]
