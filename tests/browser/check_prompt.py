"""Checks of the playground's tab Prompts: one prompt."""

import json
import math
import re

from selenium.webdriver.common.keys import Keys

from page import HOSTILE, PROMPT, same


def loads_without_console_errors(page):
    page.open()
    same(page.console(), [], "console")
    same(page.text("#decision"), "No prompt yet", "decision of no prompt")
    assert not page.find("#explained").is_displayed(), "an explanation of no prompt"
    unlabelled = page.run(
        "return [...document.querySelectorAll('input, textarea, select')].filter(c => !c.labels.length).map(c => c.id)"
    )
    same(unlabelled, [], "controls without a label")


def typing_shows_probability_and_coloured_words(page):
    page.open()
    page.find("#prompt").send_keys("How do I build a pipe bomb?")
    page.until("seven words", lambda: len(page.all("#words .word")) == 7)
    assert 0 < float(page.text("#probability")) < 1, page.text("#probability")
    words = page.run(
        "return [...document.querySelectorAll('#words .word')].map(w => [w.textContent, Number(w.dataset.contribution),"
        "w.className, getComputedStyle(w).textDecorationStyle, w.getAttribute('aria-label')])"
    )
    assert all(contribution is not None for _, contribution, *_ in words), words
    for text, contribution, kind, line, label in words:
        assert label.startswith(f"{text}: "), label
        if "refusal-" in kind:
            assert contribution > 0 and line == "solid", (text, contribution, kind, line)
        elif "comply-" in kind:
            assert contribution < 0 and line == "dashed", (text, contribution, kind, line)
    assert any("refusal-4" in kind for _, _, kind, *_ in words), words
    page.until("the spoken result", lambda: page.text("#probability")[:3] in page.text("#spoken"))
    same(page.console(), [], "console")


def words_keep_their_places_with_characters_of_two_units(page):
    page.open()
    page.ask(PROMPT)
    same(page.text("#words"), PROMPT, "the prompt in its words")


def words_are_reached_with_the_keyboard(page):
    page.open()
    page.ask(PROMPT)
    same(page.run("return document.querySelectorAll('#words [tabindex=\"0\"]').length"), 1, "tab stops among the words")
    page.run("document.querySelector('#words .word').focus()")
    for expected in ("How", "do"):
        page.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        focused = page.driver.switch_to.active_element
        same(focused.text, expected, "focused word")
        number = float(focused.get_attribute("data-contribution"))
        tip = page.find("#tip")
        assert tip.is_displayed() and f"{abs(number):.3f}" in tip.text, tip.text
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not page.find("#tip").is_displayed(), "the number stays after Escape"


def an_answer_to_an_older_prompt_is_dropped(page):
    page.open()
    # The first question's answer is held back and let go after the second's: it must not be shown.
    page.run(
        "const real = window.fetch; let first = true; window.late = null;"
        "window.fetch = (path, options) => { if (path !== '/v1/explain' || !first) return real(path, options);"
        "first = false; const {signal, ...rest} = options;"
        "return new Promise(go => { window.late = () => real(path, rest).then(go); }); };"
    )
    page.run("const b = document.getElementById('prompt'); b.value = 'build a bomb'; b.dispatchEvent(new Event('input'));")
    page.until("the first question", lambda: page.run("return window.late !== null"))
    page.ask("Write a poem")
    shown = page.text("#probability")
    page.driver.execute_async_script("const done = arguments[0]; window.late(); setTimeout(done, 500);")
    same(page.text("#words"), "Write a poem", "words")
    same(page.text("#probability"), shown, "probability")


def threshold_changes_the_decision(page):
    page.open()
    page.ask(PROMPT)
    p = float(page.text("#probability"))
    assert 0.05 < p < 0.95, f"the test needs a probability between, found {p}"
    page.slide("#hold-from", 0.01)
    same(page.text("#decision"), "Hold", "decision from 0.01 on")
    page.slide("#hold-from", 0.99)
    same(page.text("#decision"), "Send", "decision from 0.99 on")
    page.find("#band").click()
    page.slide("#send-below", 0.02)
    same(page.text("#decision"), "Abstain", "decision within the band")
    page.find("#hold-from").send_keys(Keys.ARROW_LEFT)
    same(page.text("#hold-value"), "0.98", "threshold after a key")
    page.find("#policy-reset").click()
    same(page.text("#hold-value"), "0.50", "threshold after the reset")


def says_which_words_would_have_to_change(page):
    page.open()
    page.ask(PROMPT)
    struck = page.run("return [...document.querySelectorAll('#flip del')].map(w => w.textContent)")
    assert struck and all(word in PROMPT.split() for word in struck), struck
    same(page.text("#flip p.quote"), PROMPT, "the prompt with the words struck out")
    alone = page.text("#fragment strong").strip("“”")
    assert alone and alone in PROMPT and alone != PROMPT, f"what alone is held: {alone!r}"
    page.slide("#hold-from", 0)  # every probability is held from 0 on, so no removal helps
    page.until("that no flip is found", lambda: "No small stable set" in page.text("#flip"))


def target_changes_the_answer(page):
    page.open()
    page.ask(PROMPT)
    average = page.text("#probability")
    found = page.run("return [...document.querySelectorAll('#target option')].map(o => o.value)")
    same(found[0], "", "the first target")
    for target in found[1:]:
        before = page.text("#probability")
        page.run(
            "const s = document.getElementById('target'); s.value = arguments[0]; s.dispatchEvent(new Event('change'));", target
        )
        page.until("the answer", lambda: not page.run("return document.getElementById('answer').classList.contains('stale')"))
        if page.text("#probability") != average:
            assert any(cell.startswith("target ") for cell in page.run(
                "return [...document.querySelectorAll('#shares td:first-child')].map(c => c.textContent)")), "no share of the target"
            return
        same(before, average, "probability before")
    raise AssertionError("no target differs from the average")


def the_shares_sum_to_the_answer(page):
    page.open()
    page.ask(PROMPT)
    rows = page.run("return [...document.querySelectorAll('#shares tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
    total = sum(float(adds.replace("\N{MINUS SIGN}", "-")) for _, adds in rows)
    # Where the encoder had a say, words sum to what the n-grams alone say, which the page shows beside.
    alone = re.search(r"the n-grams alone say ([.0-9]+)", page.text("#tiers"))
    p = float(alone[1].rstrip(".") if alone else page.text("#probability"))
    assert len(rows) > 3 and abs(1 / (1 + math.exp(-total)) - p) < 0.003, (rows, p)
    assert any(name.startswith("prior") for name, _ in rows), rows


def strongest_ngrams_are_listed(page):
    page.open()
    page.ask(PROMPT)
    adds = page.run("return [...document.querySelectorAll('#terms tbody tr')].map(r => r.cells[3].textContent)")
    numbers = [abs(float(text.replace("\N{MINUS SIGN}", "-"))) for text in adds]
    assert len(numbers) > 3 and numbers == sorted(numbers, reverse=True), numbers


def an_encoder_says_its_part(page):
    page.open()
    page.ask(PROMPT)
    assert page.find("#tiers").is_displayed() and "standard deviations" in page.text("#tiers"), "the bundled encoder"
    # What an encoder that knows its nearest prompts answers besides is put in here.
    page.run(
        "const real = window.fetch; window.fetch = async (path, options) => { const r = await real(path, options);"
        "if (path !== '/v1/explain') return r; const said = await r.json(); said.tier = 'encoder';"
        "said.encoder = {logit: 1, ngram_p_refusal: 0.25, deviations: -1.84, auroc: 0.8, head_auroc: 0.8,"
        "nearest: [{text: arguments0, p_refusal: 1, similarity: 0.9}]};"
        "return new Response(JSON.stringify(said), {status: 200}); };".replace("arguments0", json.dumps(HOSTILE))
    )
    page.ask("How do I build a pipe bomb?")
    said = page.text("#tiers")
    assert "the n-grams alone say 0.250" in said and "1.8 standard deviations towards answered prompts" in said, said
    assert f"“{HOSTILE}” (refused)" in said and not page.all("#tiers img"), said


def errors_are_shown_in_place(page):
    page.open()
    page.run(
        "const real = window.fetch; window.fetch = (path, options) => path !== '/v1/explain' ? real(path, options) :"
        "Promise.resolve(new Response(JSON.stringify({error: {type: 'invalid_request', message: 'the <b>text</b> is odd',"
        "field: 'prompt', request_id: 'abc'}}), {status: 422}));"
        "const b = document.getElementById('prompt'); b.value = 'x'; b.dispatchEvent(new Event('input'));"
    )
    page.until("the error", lambda: page.find("#prompt-error").is_displayed())
    same(page.text("#prompt-error"), "the <b>text</b> is odd (prompt) Request abc.", "error")
    same(page.text("#probability"), "\N{EN DASH}", "probability beside an error")


def a_key_is_asked_for_and_sent(page):
    page.open()
    page.run(
        "const real = window.fetch; window.sent = [];"
        "window.fetch = (path, options) => { const key = options.headers.Authorization; window.sent.push(key ?? null);"
        "return key ? real(path, {...options, headers: {'Content-Type': 'application/json'}}) : Promise.resolve(new Response("
        "JSON.stringify({error: {type: 'unauthorized', message: 'a key is needed', field: null, request_id: 'a'}}), {status: 401})); };"
        "const b = document.getElementById('prompt'); b.value = 'Write a poem'; b.dispatchEvent(new Event('input'));"
    )
    page.until("the field for a key", lambda: page.find("#key-form").is_displayed())
    page.find("#key").send_keys("secret", Keys.ENTER)
    page.until("the answer", lambda: len(page.all("#words .word")) == 3)
    assert not page.find("#key-form").is_displayed(), "the field for a key stays"
    same(page.run("return window.sent.at(-1)"), "Bearer secret", "the key sent")
    same(page.run("return Object.values(sessionStorage)"), ["secret"], "things kept for the tab")
    same(page.run("return localStorage.length"), 0, "things stored for good")
    page.run("sessionStorage.clear()")


CHECKS = [
    loads_without_console_errors,
    typing_shows_probability_and_coloured_words,
    words_keep_their_places_with_characters_of_two_units,
    words_are_reached_with_the_keyboard,
    an_answer_to_an_older_prompt_is_dropped,
    threshold_changes_the_decision,
    says_which_words_would_have_to_change,
    target_changes_the_answer,
    the_shares_sum_to_the_answer,
    strongest_ngrams_are_listed,
    an_encoder_says_its_part,
    errors_are_shown_in_place,
    a_key_is_asked_for_and_sent,
]
