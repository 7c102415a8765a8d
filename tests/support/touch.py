"""Fingers on the page in a real Chromium."""

from collections.abc import Sequence

from playwright.sync_api import Locator, Page

STEPS = 8  # of a move

Place = tuple[float, float]


def swipe(page: Page, *fingers: tuple[Place, Place]) -> None:
    """Put down a finger on each first place, move all at once to the second ones, in CSS pixels, and lift them."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, share: float) -> None:
        points = [
            {"id": index, "x": x0 + share * (x1 - x0), "y": y0 + share * (y1 - y0)}
            for index, ((x0, y0), (x1, y1)) in enumerate(fingers)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if kind != "touchEnd" else []})

    send("touchStart", 0)
    for step in range(1, STEPS + 1):
        send("touchMove", step / STEPS)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    send("touchEnd", 1)
    page.evaluate("() => new Promise(requestAnimationFrame)")
    session.detach()


def within(target: Locator, *shares: Place) -> Sequence[Place]:
    """Places in an element, by shares of its width and height."""
    box = target.bounding_box()
    assert box
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]
