"""``python -m benchmarks.uploads``: large files from many visitors at once, and what another visitor notices of it.

Every visitor uploads a model of their own, whose file also holds what an optimiser remembers, 200 MB in all, and sees
what the page makes of it; meanwhile one visitor moves a control once per second. The server forgets a session two
seconds after it left. ``--json`` prints the same for programs.
"""

import argparse
import asyncio
import io
import json
import random
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch

from benchmarks.comparison import machine
from benchmarks.load import FORGET, GONE, use
from benchmarks.sections import SECTIONS
from benchmarks.serving import PAGE, ROOT, Server, serve
from benchmarks.session import Session

TRAINED = ROOT / "checkpoints" / "ae-16.pt"
VISITORS, MEGABYTES = 20, 199  # the page takes files of up to 200 MB
OTHER = "Custom vector"  # the section of the visitor beside them


@dataclass(frozen=True)
class Uploads:
    """What came of it: seconds, milliseconds and megabytes; ``opened`` how many visitors see their own model."""

    visitors: int
    megabytes_each: int
    opened: int
    errors: int
    seconds_until_opened: float
    other_before_p50: float
    other_p50: float
    other_p95: float
    megabytes_before: float
    megabytes_most: float
    megabytes_after: float
    first_error: str = ""


def large_file(number: int, megabytes: int) -> bytes:
    """A trained model's weights, a little different for each number, and the rest of so many megabytes beside them."""
    weights = torch.load(TRAINED, weights_only=True)["state"]
    weights["decoder.19.bias"] += number * 1e-4
    room = torch.full((megabytes * 250_000 - sum(weight.numel() for weight in weights.values()),), float(number))
    buffer = io.BytesIO()
    torch.save({"state_dict": weights, "optimizer": {"state": {0: {"exp_avg": room}}}}, buffer)
    return buffer.getvalue()


async def give(server: Server, number: int, megabytes: int) -> tuple[float, bool, list[str]]:
    """Seconds until a visitor's model is open, whether it is, and what went wrong."""
    name = f"large-{number}.pt"
    async with Session.opened(server.address) as session:
        reruns = [await session.rerun(), await session.move("open_file", True)]
        content = await asyncio.to_thread(large_file, number, megabytes)
        start = time.perf_counter()
        reruns.append(await session.upload("upload", name, content))
        seconds = time.perf_counter() - start
        return seconds, name in session.text(), [error for rerun in reruns for error in rerun.errors]


async def move(session: Session, until: asyncio.Event) -> list[float]:
    """Milliseconds of each rerun of the visitor beside them."""
    section, chance, found = next(each for each in SECTIONS if each.name == OTHER), random.Random(0), list[float]()
    while not until.is_set():
        found.append(1000 * (await use(session, section, chance)).seconds)
        await asyncio.sleep(max(0.0, 1 - found[-1] / 1000))
    return found


async def watch(server: Server, until: asyncio.Event) -> float:
    """The most megabytes that the server holds."""
    most = 0.0
    while not until.is_set():
        most = max(most, server.megabytes())
        await asyncio.sleep(0.2)
    return most


async def measured(server: Server, visitors: int, megabytes: int) -> Uploads:
    async with Session.opened(server.address) as session:
        await session.rerun()
        await session.move("section", OTHER)
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(10, ended.set)
        quiet = await move(session, ended)
        before, ended = server.megabytes(), asyncio.Event()
        beside = asyncio.create_task(move(session, ended)), asyncio.create_task(watch(server, ended))
        given = await asyncio.gather(*(give(server, n, megabytes) for n in range(visitors)), return_exceptions=True)
        ended.set()
        others, most = await beside[0], await beside[1]
    await asyncio.sleep(GONE)
    good = [each for each in given if not isinstance(each, BaseException)]
    wrong = [f"{type(each).__name__}: {each}" for each in given if isinstance(each, BaseException)]
    wrong += [error for _, _, errors in good for error in errors]
    return Uploads(
        visitors, megabytes, sum(opened for _, opened, _ in good), len(wrong),
        max((seconds for seconds, _, _ in good), default=0.0), float(np.median(quiet)), float(np.median(others)),
        float(np.percentile(others, 95)), before, most, server.megabytes(), wrong[0] if wrong else "",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.uploads", description=__doc__)
    parser.add_argument("--visitors", type=int, default=VISITORS)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse_args()
    if not 1 <= options.visitors <= 100 or not 1 <= options.megabytes <= MEGABYTES:
        parser.error(f"1 to 100 visitors, 1 to {MEGABYTES} megabytes")
    with serve(PAGE, *FORGET) as server:
        found = asyncio.run(measured(server, options.visitors, options.megabytes))
    if options.json:
        print(json.dumps({"machine": machine()} | asdict(found), indent=1))
        return
    print(machine())
    for name, value in asdict(found).items():
        print(
            f"{name.replace('_', ' '):24} {value:,.0f}"
            if isinstance(value, float)
            else f"{name.replace('_', ' '):24} {value}"
        )


if __name__ == "__main__":
    main()
