"""``python -m benchmarks.processor``: where the time of a moved control goes, section by section, without a browser.

One visitor moves each section's control over the websocket. Of each rerun: the milliseconds until the page had
answered, those that the server's processor worked, and the kilobytes that went to the browser; beside those of a bare
page with one slider and one image, which is what Streamlit itself takes. Medians, after a first round that fills the
caches. Where py-spy is installed, a further round says how much of the work is the section's own, and how much is the
network's, run by PyTorch; the rest is Streamlit's.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import psutil

from benchmarks.comparison import machine
from benchmarks.load import use
from benchmarks.sections import SECTIONS
from benchmarks.serving import BARE, PAGE, Server, serve
from benchmarks.session import Rerun, Session
from benchmarks.shares import OWNERS, Milliseconds, sampled, sampler

MOVES = 20  # of each control that are measured
REST = 0.1  # seconds after each, in which the server tidies up


@dataclass(frozen=True)
class Spent:
    """Of one rerun: milliseconds until it had ended, and of the server's processor; kilobytes sent. ``shares`` are the
    section's and the network's of the processor, where they were looked for."""

    passed: float
    worked: float
    sent: float
    shares: Milliseconds = field(default_factory=dict)


def processor_of(server: Server) -> float:
    """Milliseconds that the server's process has worked so far."""
    times = psutil.Process(server.process.pid).cpu_times()
    return 1000 * (times.user + times.system)


async def spent(server: Server, act: Callable[[], Awaitable[Rerun]], n: int) -> Spent:
    """The median of so many actions; of the processor the mean, whose clock is coarse."""
    before, found = processor_of(server), list[Rerun]()
    for _ in range(n):
        found.append(await act())
        await asyncio.sleep(REST)
    worked = (processor_of(server) - before) / n
    return Spent(
        float(np.median([1000 * each.seconds for each in found])),
        worked,
        float(np.median([each.size for each in found])) / 1000,
    )


async def of_sections(server: Server) -> dict[str, Spent]:
    """What a moved control of each section takes."""
    chance, found = random.Random(0), dict[str, Spent]()
    async with Session.opened(server.address) as session:
        await session.rerun()
        for n in (3, MOVES):
            for section in SECTIONS:
                await session.move("section", section.name)
                found[section.name] = await spent(server, partial(use, session, section, chance), n)
        if program := sampler():
            for section in SECTIONS:
                await session.move("section", section.name)
                with sampled(server.process.pid, program) as total:
                    await spent(server, partial(use, session, section, chance), MOVES)
                shares = {owner: milliseconds / MOVES for owner, milliseconds in total.items()}
                found[section.name] = replace(found[section.name], shares=shares)
    return found


async def of_bare_page(server: Server) -> Spent:
    chance = random.Random(0)
    async with Session.opened(server.address) as session:
        await session.rerun()
        key = next(iter(session.widgets))
        await spent(server, lambda: session.move(key, chance.randrange(100)), 3)
        return await spent(server, lambda: session.move(key, chance.randrange(100)), MOVES)


def main() -> None:
    with serve(BARE) as server:
        rows = {"a bare page": asyncio.run(of_bare_page(server))}
    with serve(PAGE) as server:
        rows |= asyncio.run(of_sections(server))
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n")
    print("| | until it had answered | of the processor | the section's own | the network's | sent |")
    print("|---|---|---|---|---|---|")
    for name, each in rows.items():
        own, network = (text_of(each.shares.get(owner)) for owner in OWNERS)
        print(f"| {name} | {each.passed:.0f} ms | {each.worked:.0f} ms | {own} | {network} | {each.sent:.0f} kB |")


def text_of(milliseconds: float | None) -> str:
    """As it stands in the table; a dash where it is not known."""
    return "–" if milliseconds is None else f"{milliseconds:.0f} ms"


if __name__ == "__main__":
    main()
