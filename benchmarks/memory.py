"""The server's memory, for one session and for each further one, and what a frozen heap saves after every rerun."""

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.comparison import Row, compare
from benchmarks.load import tour
from benchmarks.serving import BARE_TORCH, PAGE, Server, serve
from benchmarks.session import Session
from latent.page.heap import RESTING

GUESTS = 20
AGAINST = "bare page: torch imported, an image"


def remembering(checkpoint: Path) -> list[Row]:
    """Megabytes with one session open, and for each of many more that have been everywhere."""
    with serve(PAGE) as ours, serve(BARE_TORCH) as bare:
        mine, its = (asyncio.run(when_opened(server)) for server in (ours, bare))
        growth = asyncio.run(growth_a_session(ours, lambda session: tour(session, random.Random(0))))
        bare_growth = asyncio.run(growth_a_session(bare, Session.rerun))
    return [
        Row("server memory, one session", AGAINST, "MB", mine, its, mine - its, 150, figure_unit="MB more"),
        Row("server memory, each further session", AGAINST, "MB", growth, bare_growth, growth, 3, figure_unit="MB"),
    ]


async def when_opened(server: Server) -> float:
    """Megabytes while one session is open."""
    async with Session.opened(server.address) as session:
        await session.rerun()
        await session.rerun()
        time.sleep(2)  # what the reruns left over is collected
        return server.megabytes()


async def growth_a_session(server: Server, stay: Callable[[Session], Awaitable[object]]) -> float:
    """Megabytes that each of many sessions adds while all are open, after one that filled what is kept for all."""
    async with AsyncExitStack() as guests:
        megabytes = []
        for more in (1, GUESTS):
            for _ in range(more):
                guest = await guests.enter_async_context(Session.opened(server.address))
                await guest.rerun()
                await stay(guest)
            await asyncio.sleep(RESTING + 2)  # when there is no work for a while, what is left over is collected
            megabytes.append(server.megabytes())
        return (megabytes[1] - megabytes[0]) / GUESTS


def freezing(checkpoint: Path) -> list[Row]:
    """The full garbage collection that Streamlit asks for after every rerun, with the page's imports on the heap."""
    import streamlit  # noqa: F401
    import torch  # noqa: F401

    from latent import charts, space  # noqa: F401
    from latent.browser import live  # noqa: F401

    def collect_frozen() -> None:
        gc.freeze()
        gc.collect()
        gc.unfreeze()

    gc.collect()
    name, against = "garbage collection after a rerun, frozen", "the same heap, not frozen"
    return [compare(name, against, 0.2, collect_frozen, gc.collect)]
