"""The page in a real Chromium, beside bare pages: a control moved, the page opened, the server started."""

import statistics
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chromium import chromium, fresh_page, open_until_drawn, settle
from benchmarks.comparison import Row, at_95_percent, paired
from benchmarks.sections import CHART, OVERVIEW, SECTIONS, Section
from benchmarks.serving import BARE, BARE_CHART, BARE_TORCH, PAGE, Server, serve

MOVES = 20  # of each control, after one that does not count
STRETCH = 8  # moves to one side before turning round
COLD_STARTS, OPENINGS = 3, 7
BARE_PICTURE = "[data-testid=stImage] img"
AGAINST, AGAINST_CHART = "bare page: a slider, an image", "bare page: a slider, a chart"


def moving(checkpoint: Path, sections: tuple[Section, ...] = SECTIONS) -> list[Row]:
    """From a control to the new picture, in every section; beside a bare page with a picture of that kind."""
    pictures = [section for section in sections if not section.shows_chart]
    drawn = [section for section in sections if section.shows_chart]
    with serve(PAGE) as ours, chromium() as browser:
        return [
            *beside(BARE, BARE_PICTURE, AGAINST, ours, browser, checkpoint, pictures),
            *beside(BARE_CHART, CHART, AGAINST_CHART, ours, browser, checkpoint, drawn),
        ]


def beside(
    script: str, bare_picture: str, against: str, ours: Server, browser: Any, checkpoint: Path, sections: list[Section]
) -> list[Row]:
    """The rows of some sections, each in turn with the slider of a bare page."""
    rows = []
    with serve(script) as bare, fresh_page(browser) as empty:
        open_until_drawn(empty, bare.address, bare_picture)
        settle(empty)
        slide: Callable[[int], None] = lambda turn: empty.get_by_role("slider").press("ArrowRight")  # noqa: E731
        for section in sections:
            with fresh_page(browser) as page:
                open_until_drawn(page, address_of(ours.address, section, checkpoint), section.picture)
                settle(page)
                act = action(page, section)
                times = [
                    (answer(page, section.picture, act, turn), answer(empty, bare_picture, slide, turn))
                    for turn in range(MOVES + 1)
                ]
            mine, theirs = zip(*times[1:])
            rows.append(paired(f"control to picture: {section.name}", against, 1.3, mine, theirs))
            rows.append(at_95_percent(f"   95 % within: {section.name}", against, 1.0, mine, theirs))
            empty.reload()  # its slider starts afresh
            settle(empty)
    return rows


def address_of(server: str, section: Section, checkpoint: Path) -> str:
    query = {"section": section.name, "checkpoint": checkpoint.stem, **section.query}
    return f"{server}/?{urllib.parse.urlencode(query)}"


def answer(page: Any, picture: str, act: Callable[[int], None], turn: int) -> float:
    """Milliseconds from a hand's action to another picture."""
    page.bring_to_front()
    page.evaluate("selector => window.arm(selector)", picture)
    act(turn)
    found: float = page.evaluate("window.answer")
    settle(page)
    return found


def action(page: Any, section: Section) -> Callable[[int], None]:
    """What a hand does in this section, for the n-th time."""

    def press(turn: int) -> None:
        control = page.get_by_role("slider", name="Dimension").first
        if section.control != "live":
            control = page.locator(f".st-key-{section.control} input:not([type=radio]:not(:checked))").first
        back = turn // STRETCH % 2
        is_number = control.get_attribute("type") == "number"
        control.press(("ArrowUp", "ArrowDown")[back] if is_number else ("ArrowLeft", "ArrowRight")[back])

    def click(turn: int) -> None:
        box = page.locator(".latent-map canvas").bounding_box()
        page.mouse.click(box["x"] + box["width"] * (0.3 + 0.02 * turn), box["y"] + box["height"] * 0.5)

    def stroke(turn: int) -> None:
        box = page.locator(".latent-draw canvas").bounding_box()
        page.mouse.move(box["x"] + 40 + 10 * turn, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 50 + 10 * turn, box["y"] + 200, steps=5)
        page.mouse.up()

    return {"keys": press, "click": click, "stroke": stroke}[section.how]


def starting(checkpoint: Path) -> list[Row]:
    """From `streamlit run` to the first digit."""
    with chromium() as browser:

        def start(script: str, picture: str) -> float:
            begin = time.perf_counter()
            with serve(script) as server, fresh_page(browser) as page:
                open_until_drawn(page, server.address, picture)
                return 1000 * (time.perf_counter() - begin)

        times = [(start(PAGE, OVERVIEW), start(BARE_TORCH, BARE_PICTURE)) for _ in range(COLD_STARTS + 1)]
    name, against = "streamlit run to the first digit", "bare page: torch imported, an image"
    return [paired(name, against, 1.3, *zip(*times[1:]))]


def opening(checkpoint: Path) -> list[Row]:
    """From the address to the first digit, when the server is warm and the browser is not."""
    with serve(PAGE) as ours, serve(BARE) as bare, chromium() as browser:

        def visit(address: str, picture: str) -> float:
            with fresh_page(browser) as page:
                begin = time.perf_counter()
                open_until_drawn(page, address, picture)
                seconds = time.perf_counter() - begin
                settle(page)
                return 1000 * seconds

        times = [(visit(ours.address, OVERVIEW), visit(bare.address, BARE_PICTURE)) for _ in range(OPENINGS + 1)]
    return [paired("opening the page, server warm", AGAINST, 1.3, *zip(*times[1:]))]


def drawing_the_map(checkpoint: Path) -> list[Row]:
    """From choosing the Map section to all 10,000 dots, again and again in one session."""
    times = []
    with serve(PAGE) as ours, chromium() as browser, fresh_page(browser) as page:
        open_until_drawn(page, f"{ours.address}/?checkpoint={checkpoint.stem}", OVERVIEW)
        sidebar = page.get_by_test_id("stSidebar")
        for _ in range(OPENINGS):
            settle(page)
            begin = time.perf_counter()
            sidebar.get_by_text("Map", exact=True).click()
            page.locator(".latent-map canvas[data-painted='10000']").wait_for()
            times.append(1000 * (time.perf_counter() - begin))
            settle(page)
            sidebar.get_by_text("Model", exact=True).click()
            page.get_by_role("heading", name="Model", exact=True).wait_for()
    again = statistics.median(times[1:])
    against = "the first time in a session"
    return [Row("Map: from its name to 10,000 dots, again", against, "ms", again, times[0], again / times[0])]
