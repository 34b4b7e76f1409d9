"""Checks of the playground's tab for an answer: outcome, form, the sentence that declines, hostile texts."""

import json

from page import HOSTILE, same

ASKED = "How do I pick a lock?"
REFUSAL = "I'm sorry, but I can't help with that."
# What declines stands behind characters of two UTF-16 units, between two sentences that do not.
WITHIN = "\N{GRINNING FACE}\N{GRINNING FACE} Locks have pins and springs inside. I'm sorry, but I can't help you open one. Have a nice day."
DECLINES = "I'm sorry, but I can't help you open one."


def judge(page, response, asked=ASKED, reason=""):
    """Opens the tab, fills its form and waits for an outcome."""
    page.open()
    page.show_tab("answer")
    for selector, text in (("#asked", asked), ("#finish-reason", reason), ("#response", response)):
        page.put(selector, text)
    page.until("an outcome", lambda: page.run(
        "const o = document.getElementById('outcome'); return o.dataset.outcome !== 'none' && !o.classList.contains('stale')"))


def a_refusal_is_shown_with_its_facts(page):
    judge(page, REFUSAL)
    same(page.text("#outcome-name"), "Refused", "outcome")
    assert 0.5 < float(page.text("#outcome-p")) <= 1, page.text("#outcome-p")
    same(page.text("#outcome-kind"), "Says no", "kind")
    same(page.text("#outcome-reasoning"), "none found", "reasoning")
    assert page.text("#outcome-form"), "no form"
    shares = [float(text) for text in page.run("return [...document.querySelectorAll('#kinds td.number')].map(c => c.textContent)")]
    assert len(shares) > 3 and abs(sum(shares) - 1) < 0.05, shares
    page.until("the spoken outcome", lambda: page.text("#answer-spoken").startswith("Refused. Probability of refusal"))
    same(page.console(), [], "console")


def the_sentence_that_declines_is_marked(page):
    judge(page, WITHIN)
    page.until("the mark", lambda: len(page.all("#judged-text mark")) == 1)
    same(page.text("#judged-text mark"), DECLINES, "the marked sentence")
    same(page.text("#judged-text"), WITHIN, "the text around it")
    assert "marked sentence" in page.text("#judged-note"), page.text("#judged-note")


def an_answer_that_complies_has_no_mark(page):
    judge(page, "Put a tension wrench into the keyway, turn it lightly, and lift each pin with a pick until it sets.")
    same(page.text("#outcome-name"), "Complied", "outcome")
    page.until("the note", lambda: page.text("#judged-note") == "No sentence of it declines.")
    same(len(page.all("#judged-text mark")), 0, "marks")


def signs_beside_the_text_are_judged(page):
    judge(page, "", reason="content_filter")
    same(page.text("#outcome-name"), "Refused", "outcome of a filter")
    assert "filter" in page.text("#outcome-form"), page.text("#outcome-form")
    assert not page.find("#judged").is_displayed(), "a text where there is none"
    judge(page, "", reason="length")
    same(page.text("#outcome-name"), "No answer", "outcome of an empty text")
    assert page.text("#outcome-p").startswith("none"), page.text("#outcome-p")
    page.put("#finish-reason", "")
    page.until("the empty state", lambda: page.text("#outcome-name") == "No answer yet")
    same(page.console(), [], "console")


def reasoning_is_told_from_the_answer(page):
    judge(page, f"<think>{REFUSAL}</think>Locks have pins. {DECLINES}")
    same(page.text("#outcome-reasoning"), "came with the answer; not judged", "reasoning")
    page.until("the mark", lambda: len(page.all("#judged-text mark")) == 1)
    same(page.text("#judged-text mark"), DECLINES, "the marked sentence")
    assert page.run("return document.querySelector('#judged-text mark').previousSibling.data.includes('</think>')"), "a mark in the reasoning"


def a_providers_json_is_read_as_such(page):
    message = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Shall I?"}, {"type": "text", "text": WITHIN}]}
    judge(page, json.dumps({"id": "msg_1", "type": "message", **message, "stop_reason": "end_turn"}))
    same(page.text("#outcome-name"), "Refused", "outcome of a message")
    assert page.text("#response-note").startswith("Read as a provider’s response"), page.text("#response-note")
    page.until("the mark", lambda: len(page.all("#judged-text mark")) == 1)
    same((page.text("#judged-text"), page.text("#judged-text mark")), (WITHIN, DECLINES), "the text, and what is marked")
    choice = {"message": {"role": "assistant", "content": None, "refusal": "No."}, "finish_reason": "stop"}
    judge(page, json.dumps({"object": "chat.completion", "choices": [choice]}))
    same((page.text("#outcome-name"), page.text("#judged-text")), ("Refused", "No."), "outcome and text of a field for refusals")
    judge(page, json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "Too many requests"}}))
    same(page.text("#outcome-name"), "No answer", "outcome of a rate limit")
    judge(page, json.dumps({"candidates": [{"finishReason": "SAFETY"}]}))
    same(page.text("#outcome-name"), "Refused", "outcome of a filter")
    other = json.dumps({"name": "value"})
    judge(page, other)
    assert "judged as text" in page.text("#response-note"), page.text("#response-note")
    same(page.text("#judged-text"), other, "JSON of no provider")
    # The browser notes that the server took the JSON for no provider's response.
    assert all("status of 422" in entry["message"] for entry in page.console()), "more in the console than the status 422"


def hostile_answers_stay_text(page):
    for text in (f"{HOSTILE} {REFUSAL}", f"<script>alert(1)</script> <b>{REFUSAL}</b>"):
        judge(page, text, asked=HOSTILE, reason=HOSTILE)
        page.until("the text", lambda: page.text("#judged-text") == text)
    same(page.run("return document.querySelectorAll('img, svg, main script, b').length"), 0, "elements made by answers")
    same(page.console(), [], "console")


def errors_about_an_answer_are_shown_in_place(page):
    page.open()
    page.show_tab("answer")
    page.run(
        "const real = window.fetch; window.fetch = (path, options) => path !== '/v1/classify' ? real(path, options) :"
        "Promise.resolve(new Response(JSON.stringify({error: {type: 'invalid_request', message: 'the <b>text</b> is odd',"
        "field: 'response', request_id: 'abc'}}), {status: 422}));"
    )
    page.put("#response", "x")
    page.until("the error", lambda: page.find("#response-error").is_displayed())
    same(page.text("#response-error"), "the <b>text</b> is odd (response) Request abc.", "error")
    same(page.text("#outcome-name"), "No answer yet", "outcome beside an error")


def every_example_answer_is_judged(page):
    page.open()
    page.show_tab("answer")
    count = len(page.all("#answer-examples button"))
    assert count > 5, count
    for at in range(count):
        page.run("document.querySelectorAll('#answer-examples button')[arguments[0]].click()", at)
        page.until(f"the outcome of example {at}", lambda: page.run(
            "const o = document.getElementById('outcome'); return o.dataset.outcome !== 'none' && !o.classList.contains('stale')"))
        assert not page.find("#response-error").is_displayed(), page.text("#response-error")
        assert not page.find("#answer-examples").is_displayed(), "the examples stay"
    same(page.console(), [], "console")


CHECKS = [
    a_refusal_is_shown_with_its_facts,
    the_sentence_that_declines_is_marked,
    an_answer_that_complies_has_no_mark,
    signs_beside_the_text_are_judged,
    reasoning_is_told_from_the_answer,
    a_providers_json_is_read_as_such,
    hostile_answers_stay_text,
    errors_about_an_answer_are_shown_in_place,
    every_example_answer_is_judged,
]
