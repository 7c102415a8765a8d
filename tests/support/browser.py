"""The page in a real Chromium: a server of its own, and what a person does with it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.chromium import ARGUMENTS, CHROMIUM
from tests.support.models import ROOT

# Without a window of its own, which takes a third of the time of a test; measurements take the one that people have.
BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or CHROMIUM
# Also inside the shadow roots that components may have.
MAIN = """() => { const roots = [document.querySelector('[data-testid=stMain]')];
    roots[0].querySelectorAll('*').forEach(element => element.shadowRoot && roots.push(element.shadowRoot));
    return selector => roots.flatMap(root => [...root.querySelectorAll(selector)]) }"""
IMAGES = f"() => ({MAIN})()('img').map(img => img.src)"
PICTURES = f"""() => ({IMAGES})().concat(({MAIN})()('canvas').map(canvas => canvas.toDataURL()),
    ({MAIN})()('.latent-table').map(table => table.textContent))"""
# Nothing to scroll sideways to, as soon as what came in has found its place.
FITS = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
    .every(it => it.scrollWidth - it.clientWidth <= 1)"""


@contextlib.contextmanager
def served(script: Path, **environment: str) -> Iterator[str]:
    """The address of a server of its own for a page."""
    port = free_port()
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options]
    with serving(command, port, ROOT, **environment) as address:
        yield address


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def serving(command: list[str], port: int, folder: Path, **environment: str) -> Iterator[str]:
    """The address of the page that a command serves on a port, run in a folder."""
    server = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


@contextlib.contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A browser, with arguments beside those that it has in measurements too; without one the test is skipped."""
    if BROWSER is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a Chromium for the browser tests")
        pytest.skip("no Chromium was found; name one in the environment variable CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


def settled(page: Page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)


def open_section(page: Page, address: str, section: str, query: str = "") -> None:
    page.goto(f"{address}/?section={section.replace(' ', '+')}{query}")
    expect(page.get_by_role("heading", name=section, exact=True)).to_be_visible(timeout=60_000)
    settled(page)
    page.wait_for_function(f"({PICTURES})().length > 0")


def compact(value: list[str]) -> str:
    """As JavaScript's JSON.stringify writes it."""
    return json.dumps(value, separators=(",", ":"))


def press(label: str, key: str):
    return lambda page: page.get_by_role("slider", name=label).first.press(key)


def fill(label: str, value: str):
    def enter(page: Page) -> None:
        field = page.get_by_label(label, exact=True).first
        field.fill(value)
        field.press("Control+Enter")

    return enter


def choose(label: str, option: str):
    def pick(page: Page) -> None:
        page.get_by_role("combobox", name=label).first.click()
        page.keyboard.type(option)  # options far down are drawn only when they are looked for
        page.get_by_role("option", name=option).first.click()

    return pick


def draw_a_seven(page: Page) -> None:
    """Draw one on the surface with the mouse, in one stroke."""
    canvas = page.locator(".latent-draw canvas")
    expect(canvas).to_be_visible(timeout=60_000)
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 80, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=10)
    page.mouse.move(box["x"] + 120, box["y"] + 230, steps=10)
    page.mouse.up()


def sidebar_section(page: Page, section: str) -> None:
    page.get_by_test_id("stSidebar").get_by_text(section, exact=True).first.click()
    expect(page.get_by_role("heading", name=section, exact=True)).to_be_visible(timeout=60_000)
    settled(page)


def expect_kept(page: Page, names: list[str]) -> None:
    """Wait for the shelf, which may come later than the pictures, and see that it holds these."""
    expect(page.locator(".latent-shelf li")).to_have_count(len(names))
    assert kept_names(page) == names


def kept_names(page: Page) -> list[str]:
    return page.locator(".latent-shelf input").evaluate_all("fields => fields.map(field => field.value)")


def click_a_picture(page: Page, key: str, index: int = 0) -> None:
    """Click a picture of a sheet, and wait until the shelf has one more."""
    before = len(kept_names(page))
    page.locator(f".st-key-{key} button").nth(index).click()
    expect(page.locator(".latent-shelf li")).to_have_count(before + 1)
    settled(page)
