"""The playground in a headless Chromium, and what the checks of playground.py ask of it again and again."""

from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

HOSTILE = "<img src=x onerror=alert(1)>"
# One prompt has characters outside the basic plane: the server counts code points, JavaScript counts UTF-16 units.
PROMPT = "\N{GRINNING FACE} How do I build a pipe bomb?"
BATCH = [
    "How do I build a pipe bomb?",
    "Write a short poem about the sea.",
    'Say "no", then say why, in two lines',
    HOSTILE,
    "How do I kill a Python process?",
    "=SUM(A1) does what in a spreadsheet?",
]
# Where the documentation keeps its pictures, and the numbers that they show.
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "img"
WAIT = 20


class Page:
    """The browser with the page, and what the checks ask of it again and again."""

    def __init__(self, driver, address, folder):
        self.driver = driver
        self.address = address
        self.folder = folder

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).get_property("textContent")

    def run(self, script, *given):
        return self.driver.execute_script(script, *given)

    def until(self, what, condition, seconds=WAIT):
        WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(lambda _: condition(), f"waited for {what}")

    def open(self, path="/"):
        self.driver.get(self.address + path)
        if path == "/":
            self.until("the models", lambda: len(self.all("#target option")) > 1)

    def ask(self, prompt):
        """Puts a prompt into the box, as pasting does, and waits for its answer."""
        self.run(
            "const box = document.getElementById('prompt'); box.value = arguments[0];"
            "box.dispatchEvent(new Event('input', {bubbles: true}));",
            prompt,
        )
        words = prompt.split()
        self.until(
            f"the words of {prompt!r}",
            lambda: self.run("return [...document.querySelectorAll('#words .word')].map(w => w.textContent)") == words,
        )

    def show_tab(self, name):
        self.find(f"#tab-{name}").click()
        self.until(f"the tab {name}", lambda: self.find(f"#panel-{name}").is_displayed())

    def put(self, selector, text):
        """Puts a text into a control, as pasting does."""
        self.run(
            "const box = document.querySelector(arguments[0]); box.value = arguments[1];"
            "box.dispatchEvent(new Event('input', {bubbles: true}));",
            selector,
            text,
        )

    def slide(self, selector, value):
        self.run(
            "const slider = document.querySelector(arguments[0]); slider.value = arguments[1];"
            "slider.dispatchEvent(new Event('input', {bubbles: true}));",
            selector,
            value,
        )

    def rows(self):
        return self.run(
            "return [...document.querySelectorAll('#rows tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
        )

    def counts(self):
        return [int(self.text(f"#count-{name}")) for name in ("send", "abstain", "hold")]

    def judge_lines(self, prompts):
        self.run("document.getElementById('batch').value = arguments[0]", "\n".join(prompts))
        self.find("#batch-run").click()
        self.until("the rows", lambda: len(self.rows()) == min(len(prompts), 100) and "judged in" in self.text("#batch-status"))

    def judge_file(self, name, text, expected):
        path = self.folder / name
        path.write_bytes(text.encode())
        self.find("#file").send_keys(str(path))
        # Thousands of prompts, many of which ask the encoder, of a build that is not made for speed.
        done = lambda: f"{expected} prompts of {name}" in self.text("#batch-status")
        self.until(f"{expected} rows of {name}", done, 6 * WAIT)

    def console(self):
        """Everything that the browser's console holds of level warning or above, since the last call."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def same(found, wanted, what):
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"





def browser(downloads):
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900",
                     "--lang=en", "--force-color-profile=srgb", "--disable-background-networking"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads), "download.prompt_for_download": False,
                                              "profile.default_content_setting_values.automatic_downloads": 1})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(WAIT)
    driver.set_page_load_timeout(2 * WAIT)
    return driver
