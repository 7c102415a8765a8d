"""``python -m benchmarks.live``: a drag in a real browser, and when the pictures that it asks for are there.

Headless Chromium drags a slider for five seconds, a pointer event every frame: with the decoder in the browser,
streamed through the server, with a plain ``st.slider``, and streamed over a network that takes 100 ms more there and
back; and along the strip of the Dimensions section, with the decoder in the browser. Then a large decoder, of 64 × 64
pixels in colour with four million parameters, in WebAssembly and without it. A lag is the time from the pointer event
that a picture shows to its drawing. ``--json`` prints the same for programs.
"""

import argparse
import asyncio
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chromium import ARGUMENTS, CHROMIUM, WINDOW
from benchmarks.comparison import MissingPeer, Row, machine, peer
from benchmarks.serving import PAGE, free_port, serve

LIVE_PAGE = "benchmarks/live_page.py"
LARGE, LARGE_IN_JAVASCRIPT = "large, in WebAssembly", "large, in JavaScript"
SECONDS = 5.0
FRAMES = 60  # a second
SWING = 80  # frames from one end to the other
ADDED_DELAY = 0.1  # seconds, there and back

# Notes when pictures are drawn and which pointer event each shows: the last one before it was drawn or, where it came
# from the server, before it was asked for.
STOPWATCH = """
window.lags = []
let moved = 0, asked = 0
for (const type of ["pointerdown", "pointermove", "pointerup"]) {
    window.addEventListener(type, (event) => { moved = event.timeStamp }, true)
}
const note = (event) => { if (event) window.lags.push(performance.now() - event) }
const send = WebSocket.prototype.send
WebSocket.prototype.send = function (...message) { asked = moved; return send.apply(this, message) }
const put = CanvasRenderingContext2D.prototype.putImageData
CanvasRenderingContext2D.prototype.putImageData = function (...picture) {
    put.apply(this, picture)
    note(location.search.includes("way=server") ? asked : moved)
}
document.addEventListener("load", (event) => { if (event.target.tagName === "IMG") note(moved) }, true)
"""


@dataclass(frozen=True)
class Way:
    """One way: pictures a second of dragging, milliseconds from an event to its picture, the load of the machine."""

    way: str
    pictures_a_second: float
    lag_p50: float
    lag_p95: float
    load: float


def start_distant(port: int) -> int:
    """The port of a proxy that brings every byte to ``port``, and every byte back, half of `ADDED_DELAY` later."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await reader.read(2**16):
            loop.call_later(ADDED_DELAY / 2, writer.write, chunk)
        loop.call_later(ADDED_DELAY / 2, writer.close)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, server_writer), carry(server_reader, writer), return_exceptions=True)

    async def listen() -> None:
        proxy = await asyncio.start_server(connect, "127.0.0.1", distant)
        listening.set()
        await proxy.serve_forever()

    distant, listening = free_port(), threading.Event()
    threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
    listening.wait()
    return distant


async def drag(page: Any, slider: Any) -> float:
    """Pull a slider to and fro for `SECONDS`; how long it really took.

    As a hand does, it goes on whether the page follows or not: a movement does not wait for the one before.
    """
    box = await slider.bounding_box()
    assert box is not None
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    devtools = await page.context.new_cdp_session(page)  # a drag through Playwright itself runs a script a movement

    async def mouse(kind: str, x: float) -> None:
        event = {"type": kind, "x": x, "y": height, "button": "left", "buttons": 1, "clickCount": 1}
        await devtools.send("Input.dispatchMouseEvent", event)

    await mouse("mousePressed", middle)
    await page.evaluate("window.lags.length = 0")
    start = time.perf_counter()
    moves = []
    for frame in range(round(SECONDS * FRAMES)):
        await asyncio.sleep(start + frame / FRAMES - time.perf_counter())
        swing = abs((frame / SWING) % 2 - 1)  # from 1 to 0 and back, every step another value
        moves.append(asyncio.create_task(mouse("mouseMoved", middle + (0.8 * swing - 0.4) * box["width"])))
    await asyncio.gather(*moves)
    await mouse("mouseReleased", middle)
    return time.perf_counter() - start


async def measure(page: Any, way: str, address: str) -> Way:
    """One way, after a first drag that does not count."""
    await page.goto(address)
    if "way=slider" in address:
        slider = page.get_by_role("slider")
        await page.get_by_role("img").last.wait_for(timeout=60_000)
    elif "section=Dimensions" in address:
        slider = page.locator(".st-key-dimensions_strip .line").first
        await page.get_by_text("of real codes lie closer").first.wait_for(timeout=60_000)
    else:
        slider = page.get_by_role("slider", name="Dimension").first
        await page.get_by_text("nearest: class").wait_for(timeout=60_000)
    await drag(page, slider)
    load = os.getloadavg()[0]
    seconds = await drag(page, slider)
    await page.wait_for_function("window.lags.length > 0")
    lags = await page.evaluate("window.lags")
    p50, p95 = np.percentile(lags, [50, 95])
    return Way(way, len(lags) / seconds, float(p50), float(p95), load)


async def measured(checkpoint: str) -> list[Way]:
    """Every way, on the same server and in the same browser. Raises `MissingPeer` without a browser."""
    playwright = peer("playwright.async_api", "playwright")
    if CHROMIUM is None:
        raise MissingPeer("no Chromium was found; the variable CHROMIUM names one")
    with serve(LIVE_PAGE) as server, serve(PAGE) as whole:
        ways = {
            "in the browser": (server.port, f"checkpoint={checkpoint}&way=browser"),
            "strip of Dimensions": (whole.port, f"checkpoint={checkpoint}&section=Dimensions"),
            "streamed": (server.port, f"checkpoint={checkpoint}&way=server"),
            "plain st.slider, at its release": (server.port, f"checkpoint={checkpoint}&way=slider"),
            "streamed, 100 ms away": (start_distant(server.port), f"checkpoint={checkpoint}&way=server"),
            LARGE: (server.port, "checkpoint=large&way=browser"),
            LARGE_IN_JAVASCRIPT: (server.port, "checkpoint=large&way=browser"),
        }
        async with playwright.async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            found = []
            for name, (way_port, query) in ways.items():
                page = await browser.new_page(viewport=WINDOW)
                await page.add_init_script(STOPWATCH)
                if name == LARGE_IN_JAVASCRIPT:
                    await page.add_init_script("delete window.WebAssembly")
                found.append(await measure(page, name, f"http://127.0.0.1:{way_port}/?{query}"))
                await page.close()
            await browser.close()
    return found


def lagging(checkpoint: Path) -> list[Row]:
    """The lag of a drag with the decoder in the browser, over that of pictures from a distant server."""
    ways = {way.way: way for way in asyncio.run(measured(checkpoint.stem))}
    near, far = ways["in the browser"].lag_p50, ways["streamed, 100 ms away"].lag_p50
    drawn, plain = (ways[way].pictures_a_second for way in (LARGE, LARGE_IN_JAVASCRIPT))
    return [
        Row("live: from the pointer to the picture", "streamed, 100 ms away", "ms", near, far, near / far, 0.2),
        Row(
            "live: 64 × 64 in colour, 4 million parameters", "the same without WebAssembly", "images/s", drawn, plain,
            drawn, 30, at_least=True, figure_unit="images/s",
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.live", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--checkpoint", default="ae-16", help="a shipped one, by its name; default: ae-16")
    options = parser.parse_args()
    found = asyncio.run(measured(options.checkpoint))
    if options.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in found]}, indent=1))
        return
    print(machine())
    print(f"{'':34}{'pictures/s':>12}{'lag p50 ms':>12}{'lag p95 ms':>12}{'load':>7}")
    for row in found:
        print(f"{row.way:34}{row.pictures_a_second:12.1f}{row.lag_p50:12.1f}{row.lag_p95:12.1f}{row.load:7.2f}")


if __name__ == "__main__":
    main()
