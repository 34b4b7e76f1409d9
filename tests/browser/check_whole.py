"""Checks of the whole playground: hostile texts, hosts, screens, colours, and the API's document beside it."""

from urllib.parse import urlsplit

from page import BATCH, HOSTILE, PROMPT, same


def hostile_prompts_stay_text(page):
    page.open()
    page.judge_lines([HOSTILE, "<script>alert(1)</script>", "\"><svg onload=alert(1)>"])
    for prompt in (HOSTILE, "<script>alert(1)</script>", "{{x}} ${y} <b>bold</b>"):
        page.ask(prompt)
        same(page.text("#words"), prompt, "the prompt in its words")
    same(page.run("return document.querySelectorAll('img, svg, main script, b').length"), 0, "elements made by prompts")
    same(page.console(), [], "console")


def nothing_is_asked_of_another_host(page):
    page.open()
    page.ask(PROMPT)
    page.judge_lines(BATCH)
    names = page.run("return performance.getEntries().map(e => e.name).filter(n => n.includes('://'))")
    assert len(names) > 4, names
    same({urlsplit(name).netloc for name in names}, {urlsplit(page.address).netloc}, "hosts")


def fill_other_tabs(page):
    """Fills the tabs beside the one for prompts, and waits for what they show."""
    page.show_tab("targets")
    page.until("both answers", lambda: page.text("#p-a") != "\N{EN DASH}")
    page.show_tab("answer")
    page.put("#response", f"I'm sorry, but I can't help with that. {'z' * 300}")
    page.until("the mark", lambda: len(page.all("#judged-text mark")) == 1)


def narrow_screens_need_no_sideways_scroll(page):
    try:
        for width in (320, 360, 390, 420):
            page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                        {"width": width, "height": 780, "deviceScaleFactor": 1, "mobile": False})
            page.open()
            page.find("#band").click()
            page.ask("x" * 300)
            page.ask(PROMPT)
            page.judge_lines([*BATCH, "y" * 300])
            page.run("[...document.querySelectorAll('#words .word')].at(-1).focus()")
            same(page.run("return window.innerWidth"), width, "width")
            fill_other_tabs(page)
            for tab in ("prompt", "answer", "targets", "models"):
                page.show_tab(tab)
                page.run("for (const part of document.querySelectorAll('details')) part.open = true;")
                wide = page.run("return document.documentElement.scrollWidth")
                assert wide <= width, f"{wide} px on a screen of {width} px, tab {tab}"
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def dark_mode_has_its_own_colours(page):
    # Contrast as WCAG 2.1 counts it, of every element with a text of its own, on the backgrounds beneath it.
    contrast = """
      const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
      const light = (c) => { const l = c.slice(0, 3).map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
      const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
      const back = (node) => { const c = parse(getComputedStyle(node).backgroundColor);
        return c[3] === 1 || !node.parentElement ? c.slice(0, 3) : over(c, back(node.parentElement)); };
      return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest(':disabled')
        && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
          const b = back(e), a = light(over(parse(getComputedStyle(e).color), b)), c = light(b);
          return [(Math.max(a, c) + .05) / (Math.min(a, c) + .05), e.outerHTML.slice(0, 80)];
        }).filter(([ratio]) => ratio < 4.5);
    """
    seen = set()
    try:
        for scheme in ("light", "dark"):
            page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                        {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            page.open()
            same(page.run(contrast), [], f"texts with too little contrast before a prompt, {scheme}")
            page.ask(PROMPT)
            page.judge_lines(BATCH)
            fill_other_tabs(page)
            seen.add(page.run("return getComputedStyle(document.body).backgroundColor"))
            for tab in ("prompt", "answer", "targets", "models"):
                page.show_tab(tab)
                same(page.run(contrast), [], f"texts with too little contrast, {scheme}, tab {tab}")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    same(len(seen), 2, f"backgrounds, {seen}")


def docs_show_the_operations(page):
    page.open("/docs/")
    page.until("the operations", lambda: len(page.all(".opblock")) > 3)
    paths = page.run("return [...document.querySelectorAll('.opblock-summary-path')].map(p => p.dataset.path)")
    for path in ("/v1/predict", "/v1/explain", "/v1/classify", "/v1/score", "/v1/models"):
        assert path in paths, f"{path} is not among {paths}"
    same(page.console(), [], "console")


CHECKS = [
    hostile_prompts_stay_text,
    nothing_is_asked_of_another_host,
    narrow_screens_need_no_sideways_scroll,
    dark_mode_has_its_own_colours,
    docs_show_the_operations,
]
