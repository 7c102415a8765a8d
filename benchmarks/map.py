"""``python -m benchmarks.map``: how soon the map is drawn, and how soon a click on it answers, in a real Chromium.

A click's answer is the decoded picture of the place; it is compared with the answer of a bare Streamlit page of one
slider and one picture, in the same run and in turns. ``--json`` prints the same for programs.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.__main__ import machine

ROOT = Path(__file__).parents[1]
CLICKS = 21
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Resolves with the milliseconds from the next input event to another picture in the element.
STOPWATCH = """(selector) => { window.answer = new Promise((resolve) => {
    const picture = () => document.querySelector(selector)?.src;
    const before = picture();
    let start;
    const look = () => picture() !== before ? resolve(performance.now() - start) : requestAnimationFrame(look);
    const begin = () => { start ??= performance.now(); look() };
    window.addEventListener("pointerup", begin, { capture: true, once: true });
    window.addEventListener("keydown", begin, { capture: true, once: true });
}) }"""


@contextmanager
def server(script: str) -> Iterator[str]:
    """A server of the page in ``script``; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--server.headless", "true", "--server.address", "127.0.0.1", "--server.port", str(port)]
    command = [sys.executable, "-m", "streamlit", "run", script, *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def settled(page: Page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)


def first_drawing(page: Page) -> float:
    """Seconds from choosing the section to a map of 10,000 dots."""
    page.get_by_test_id("stSidebar").get_by_text("Model", exact=True).click()
    page.get_by_role("heading", name="Model", exact=True).wait_for()
    settled(page)
    start = time.perf_counter()
    page.get_by_test_id("stSidebar").get_by_text("Map", exact=True).click()
    page.locator(".latent-map canvas[data-painted='10000']").wait_for()
    seconds = time.perf_counter() - start
    settled(page)
    return seconds


def click_answer(page: Page, turn: int) -> float:
    """Milliseconds from a click on the map to the picture of that place."""
    box = page.locator(".latent-map canvas").bounding_box()
    assert box is not None
    page.evaluate(STOPWATCH, ".st-key-map_place img")
    page.mouse.click(box["x"] + box["width"] * (0.3 + 0.02 * turn), box["y"] + box["height"] * 0.5)
    answer: float = page.evaluate("window.answer")
    settled(page)
    return answer


def slider_answer(page: Page) -> float:
    """Milliseconds from a key on the bare page's slider to its picture."""
    page.evaluate(STOPWATCH, "[data-testid=stImage] img")
    page.get_by_role("slider").press("ArrowRight")
    answer: float = page.evaluate("window.answer")
    settled(page)
    return answer


def measure(checkpoint: str) -> dict[str, float]:
    """All figures of one checkpoint."""
    with server("streamlit_app.py") as ours, server("benchmarks/bare_page.py") as bare, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page, bare_page = (browser.new_page(viewport={"width": 1400, "height": 900}) for _ in range(2))
        page.goto(f"{ours}/?checkpoint={checkpoint}")
        bare_page.goto(bare)
        for each in (page, bare_page):
            each.get_by_role("slider").first.wait_for(timeout=60_000)
            settled(each)
        openings = [first_drawing(page) for _ in range(3)]
        clicks, slides = [], []
        for turn in range(CLICKS):
            page.bring_to_front()
            clicks.append(click_answer(page, turn))
            bare_page.bring_to_front()
            slides.append(slider_answer(bare_page))
        browser.close()
    click, slide = statistics.median(clicks[1:]), statistics.median(slides[1:])
    return {
        "first drawing, seconds": openings[0],
        "drawing again, seconds": statistics.median(openings[1:]),
        "click, ms": click,
        "bare page, ms": slide,
        "ratio": click / slide,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.map", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--checkpoint", default="ae-16", help="a shipped one, by its name; default: ae-16")
    options = parser.parse_args()
    found = measure(options.checkpoint)
    if options.json:
        print(json.dumps({"machine": machine()} | found, indent=1))
        return
    print(machine())
    for name, value in found.items():
        print(f"{name:26}{value:8.2f}")


if __name__ == "__main__":
    main()
