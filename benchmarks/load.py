"""``python -m benchmarks.load``: many visitors at once, each doing something once a second, over the websocket.

Every visitor is a session of its own, which goes through the sections in an order of its own and moves their
controls; every tenth uploads a model of its own first. The page takes turns with a naive one: 64 pictures of a model
one by one, a chart, and PyTorch imported. Both servers forget a session two seconds after it left, so that what they
keep is seen. ``--json`` prints the same for programs.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.comparison import machine
from benchmarks.sections import SECTIONS, Section
from benchmarks.serving import NAIVE, PAGE, Server, serve
from benchmarks.session import Rerun, Session
from latent import checkpoint, drawing
from latent.images import data_uri, png_bytes
from latent.model import AutoencoderConfig
from latent.page import heap
from latent.train import initial_model

COUNTS = (1, 5, 10, 20, 40, 100)
SECONDS = 20.0
STRIPS = ("dimensions_strip", "directions_walk", "interpolate_linear")  # components that a decoder is sent for
MOVES_A_SECTION = 4  # then on to the next
JOINING = 10  # visitors a second
UPLOADING = 10  # of so many visitors, one uploads a model
FORGETTING = 2.0  # seconds until a session that left is forgotten
GONE = FORGETTING + heap.RESTING + 3  # seconds after which memory is measured that they left: when it was tidied up
FORGET = ("--server.disconnectedSessionTTL", f"{FORGETTING:.0f}")
Visit = Callable[[str, int, float], Awaitable[list[Rerun]]]


@dataclass(frozen=True)
class Load:
    """One number of visitors: milliseconds a rerun, what went wrong, and megabytes of the server."""

    page: str
    sessions: int
    reruns: int
    a_second: float
    p50: float
    p95: float
    errors: int
    megabytes_before: float
    megabytes_a_session: float
    megabytes_after: float
    first_error: str = ""


async def visit(
    address: str, number: int, seconds: float, *, at_least: int = 0, sections: Sequence[Section] = SECTIONS
) -> list[Rerun]:
    """A visitor of the page: what came of every action, for so many seconds and ``at_least`` so many actions."""
    chance = random.Random(number)
    order = chance.sample(sections, len(sections))
    deadline = time.monotonic() + seconds
    reruns = []
    async with Session.opened(address) as session:
        reruns.append(await session.rerun())
        if number % UPLOADING == UPLOADING - 1:
            reruns.append(await session.move("open_file", True))
            reruns.append(await session.upload("upload", f"model-{number}.pt", model_of(number)))
        step = 0
        while time.monotonic() < deadline or step < at_least:
            began = time.monotonic()
            section = order[step // (MOVES_A_SECTION + 1) % len(order)]
            if step % (MOVES_A_SECTION + 1) == 0:
                reruns.append(await session.move("section", section.name))
            else:
                reruns.append(await use(session, section, chance))
            step += 1
            await asyncio.sleep(max(0.0, began + 1 - time.monotonic()))
    return reruns


def model_of(number: int) -> bytes:
    """The file of a small model that is no other visitor's."""
    config = AutoencoderConfig("ae", 16, (1, 28, 28), width=4, hidden=16)
    return checkpoint.to_bytes(checkpoint.Checkpoint(config, initial_model(config, number).state_dict()))


async def use(session: Session, section: Section, chance: random.Random) -> Rerun:
    """Something that people do in a section."""
    match section.name:
        case "Map":
            place = [chance.uniform(-3, 3), chance.uniform(-3, 3)]
            return await session.trigger("map", "clicked", {"at": place, "dot": None})
        case "Live":
            key = next(key for key in session.widgets if key.startswith("live_") and key != "live_stage")
            code = [chance.gauss(0, 2) for _ in range(16)]
            return await session.put(key, code=code, holds=[key.removeprefix("live_")])  # the decoder is there now
        case "Draw":
            return await session.trigger("draw_canvas", "drawn", stroke(chance.randrange(20, 120)))
        case "Diagnose":
            return await session.move(section.control, chance.choice(session.widgets[section.control].element.options))
        case "Arithmetic":
            return await session.move("arithmetic_a_mean_of", chance.randrange(10))
    for key in STRIPS:
        if shown := session.shown(key):
            session.hold(key, holds=[json.loads(shown)["stage"]])  # the decoder is there now
    control = session.widgets[section.control].element
    steps = round((control.max - control.min) / control.step)
    return await session.move(section.control, control.min + control.step * chance.randrange(min(steps, 30) + 1))


async def visit_naive(address: str, number: int, seconds: float) -> list[Rerun]:
    """A visitor of the naive page, who moves its slider."""
    chance = random.Random(number)
    deadline = time.monotonic() + seconds
    async with Session.opened(address) as session:
        reruns = [await session.rerun()]
        while time.monotonic() < deadline:
            began = time.monotonic()
            reruns.append(await session.move("seed", chance.randrange(100)))
            await asyncio.sleep(max(0.0, began + 1 - time.monotonic()))
    return reruns


async def crowd(server: Server, visitor: Visit, n: int, seconds: float) -> tuple[list[Rerun], list[str], float]:
    """All visitors at once: every rerun, what broke, and the server's most megabytes."""

    async def join(number: int) -> list[Rerun]:
        await asyncio.sleep(number / JOINING)
        return await visitor(server.address, number, seconds + (n - number) / JOINING)

    everyone = [asyncio.create_task(join(number)) for number in range(n)]
    most = 0.0
    while not all(task.done() for task in everyone):
        most = max(most, server.megabytes())
        await asyncio.sleep(0.5)
    ended = await asyncio.gather(*everyone, return_exceptions=True)
    broke = [f"{type(end).__name__}: {end}" for end in ended if isinstance(end, BaseException)]
    return [rerun for end in ended if isinstance(end, list) for rerun in end], broke, most


def measure(name: str, server: Server, visitor: Visit, n: int, seconds: float) -> Load:
    """A number of visitors, and the memory when they are gone."""
    before = server.megabytes()
    reruns, broke, most = asyncio.run(crowd(server, visitor, n, seconds))
    time.sleep(GONE)
    wrong = broke + [error for rerun in reruns for error in rerun.errors]
    p50, p95 = np.percentile([1000 * rerun.seconds for rerun in reruns], [50, 95]) if reruns else (np.nan, np.nan)
    return Load(
        name, n, len(reruns), len(reruns) / (seconds + n / JOINING), float(p50), float(p95), len(wrong), before,
        (most - before) / n, server.megabytes(), wrong[0] if wrong else "",
    )  # fmt: skip


async def tour(session: Session, chance: random.Random) -> list[Rerun]:
    """Through all sections, with something done in each."""
    reruns = []
    for section in SECTIONS:
        reruns.append(await session.move("section", section.name))
        reruns += [await use(session, section, chance) for _ in range(MOVES_A_SECTION)]
    return reruns


async def warm(server: Server) -> None:
    """A visitor who has seen everything, so that what is kept for all is there."""
    async with Session.opened(server.address) as session:
        await session.rerun()
        await tour(session, random.Random(0))


def stroke(y: int) -> str:
    """What the drawing surface tells of one stroke that begins at this height."""
    image = Image.new("L", (drawing.CANVAS_SIDE, drawing.CANVAS_SIDE))
    ImageDraw.Draw(image).line([(30, y), (110, 70)], 255, 11)
    return data_uri(png_bytes(image))


def loads(counts: list[int], seconds: float, naive: bool) -> list[Load]:
    """Every number of visitors, the page and the naive one in turn."""
    with ExitStack() as servers:
        ours = servers.enter_context(serve(PAGE, *FORGET))
        sides: list[tuple[str, Server, Visit]] = [("the page", ours, visit)]
        if naive:
            sides.append(("naive page", servers.enter_context(serve(NAIVE, *FORGET)), visit_naive))
            asyncio.run(visit_naive(sides[1][1].address, 0, 2))
        asyncio.run(warm(ours))
        time.sleep(GONE)
        return [measure(*side, n, seconds) for n in counts for side in sides]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.load", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--sessions", type=int, nargs="+", default=list(COUNTS), help="visitors at once")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each crowd stays (default 20)")
    parser.add_argument("--without-naive", action="store_true", help="measure the page alone")
    options = parser.parse_args()
    if min(options.sessions) < 1 or max(options.sessions) > 500 or not 0 < options.seconds <= 600:
        parser.error("1 to 500 sessions, for at most 600 seconds")
    found = loads(options.sessions, options.seconds, not options.without_naive)
    if options.json:
        print(json.dumps({"machine": machine(), "loads": [asdict(load) for load in found]}, indent=1))
        return
    print(machine())
    columns = f"{'reruns/s':>9}{'p50 ms':>8}{'p95 ms':>8}{'errors':>7}{'MB':>7}{'MB each':>9}{'MB after':>9}"
    print(f"{'':12}{'visitors':>9}{columns}")
    for load in found:
        print(line(load))


def line(load: Load) -> str:
    memory: Any = f"{load.megabytes_before:7.0f}{load.megabytes_a_session:9.1f}{load.megabytes_after:9.0f}"
    times = f"{load.a_second:9.1f}{load.p50:8.0f}{load.p95:8.0f}{load.errors:7}"
    return f"{load.page:12}{load.sessions:9}{times}{memory}  {load.first_error[:120]}".rstrip()


if __name__ == "__main__":
    main()
