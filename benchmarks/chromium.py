"""A real Chromium for measurements, and a stopwatch in its pages that stops when another picture is on the screen."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.comparison import MissingPeer, peer

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"))), None
)
# No sandbox, for containers; the rest keeps the browser from calling home.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WINDOW = {"width": 1400, "height": 900}
PATIENCE = 60_000  # milliseconds
QUIET = 0.15  # seconds between two actions, in which the server collects its garbage

# Into every page: `picture(selector)` is what a picture shows once it is loaded, also inside shadow roots, and
# `arm(selector)` makes `answer` the milliseconds from the next key or release of the pointer to another picture.
STOPWATCH = """
const found = (root, selector) => root.querySelector(selector) ?? [...root.querySelectorAll("*")]
    .filter((element) => element.shadowRoot)
    .map((element) => found(element.shadowRoot, selector))
    .find(Boolean)
window.picture = (selector) => {
    const element = found(document, selector)
    if (element?.tagName === "CANVAS") return element.toDataURL()
    if (element?.tagName === "svg") return element.outerHTML
    return element?.complete && element.naturalWidth ? element.src : undefined
}
window.arm = (selector) => { window.answer = new Promise((resolve, reject) => {
    const before = window.picture(selector)
    let start
    const look = () => {
        const now = window.picture(selector)
        if (now !== undefined && now !== before) resolve(performance.now() - start)
        else if (performance.now() - start > 60000) reject(new Error(`${selector} stays the same`))
        else requestAnimationFrame(look)
    }
    const begin = (event) => { if (start === undefined) { start = event.timeStamp; look() } }
    for (const type of ["keydown", "pointerup"]) window.addEventListener(type, begin, { capture: true, once: true })
}) }
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser. Raises `MissingPeer` where there is none, or nothing to drive it."""
    playwright = peer("playwright.sync_api", "playwright")
    if CHROMIUM is None:
        raise MissingPeer("no Chromium was found; the variable CHROMIUM names one")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def fresh_page(browser: Any) -> Iterator[Any]:
    """A page with nothing cached, and the stopwatch in it."""
    context = browser.new_context(viewport=WINDOW)
    page = context.new_page()
    page.add_init_script(STOPWATCH)
    try:
        yield page
    finally:
        context.close()


def open_until_drawn(page: Any, address: str, picture: str) -> None:
    """Open an address, and wait until a picture is on the screen."""
    page.goto(address)
    page.wait_for_function("selector => window.picture(selector)", arg=picture, timeout=PATIENCE)


def settle(page: Any) -> None:
    """Wait until the page's script is at the end, and a little longer, as a person does before the next action."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=PATIENCE)
    time.sleep(QUIET)
