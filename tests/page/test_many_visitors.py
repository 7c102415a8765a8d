"""Several visitors at once over the websocket: each has the page to itself, and none sees an exception."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from benchmarks.load import FORGET, stroke, visit
from benchmarks.sections import MEASURED, SECTIONS
from benchmarks.serving import PAGE, serve
from benchmarks.session import Session
from latent import checkpoint
from tests.support.models import tiny

LONGEST = 300  # seconds for any of these, on a busy machine
ACTIONS = 8
QUICK = [section for section in SECTIONS if section.name not in MEASURED]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint folder with two tiny models."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, latent_dim in (("first", 2), ("second", 3)):
        checkpoint.save(folder / f"{name}.pt", tiny(latent_dim=latent_dim))
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """The page over these."""
    with serve(PAGE, *FORGET, LATENT_CHECKPOINTS=str(folder)) as server:
        yield server


def run(visits):
    return asyncio.run(asyncio.wait_for(visits, LONGEST))


async def three(server, **query):
    """Three sessions, each with the page in front of it, and what closes them."""
    stack = AsyncExitStack()
    sessions = [await stack.enter_async_context(Session.opened(server.address, **query)) for _ in range(3)]
    for answer in await asyncio.gather(*(session.rerun() for session in sessions)):
        assert not answer.errors
    return sessions, stack


async def healthy(answer):
    """The answer of the page, in which nothing is an exception."""
    found = await answer
    assert not found.errors
    return found


def test_visitors_who_browse_at_once_see_no_exception(server):
    async def all_at_once():
        return await asyncio.gather(
            *(visit(server.address, number, 0, at_least=ACTIONS, sections=QUICK) for number in range(3))
        )

    for reruns in run(all_at_once()):
        assert len(reruns) == ACTIONS + 1
        assert [error for rerun in reruns for error in rerun.errors] == []


def test_an_upload_is_seen_by_the_session_that_gave_it_alone(server, tmp_path):
    path = tmp_path / "mine.pt"
    checkpoint.save(path, tiny(latent_dim=4, seed=5))

    async def give():
        sessions, stack = await three(server)
        async with stack:
            owner, *others = sessions
            await healthy(owner.move("open_file", True))
            await healthy(owner.upload("upload", "mine.pt", path.read_bytes()))
            for session in sessions:
                await healthy(session.rerun())
            options = [list(session.widgets["checkpoint"].element.options) for session in sessions]
            return options, owner.text(), [session.text() for session in others]

    options, owner, others = run(give())
    assert options == [["first", "second", "mine.pt (uploaded)"], *[["first", "second"]] * 2]
    assert "mine.pt (uploaded)" in owner
    assert not any("mine.pt" in text for text in others)


def test_what_is_kept_is_on_the_shelf_of_the_session_that_kept_it_alone(server):
    async def keep():
        sessions, stack = await three(server, section="Generate")
        async with stack:
            for number, session in enumerate(sessions[:2]):
                await healthy(session.trigger("generate_grid", "clicked", number))
            for session in sessions:
                await healthy(session.rerun())
            return [session.shown("shelf") for session in sessions]

    first, second, third = run(keep())
    assert "sample 1" in first and "sample 2" not in first  # noqa: PT018
    assert "sample 2" in second and "sample 1" not in second  # noqa: PT018
    assert third == ""


def on_generate(server, after):
    """What ``after`` makes of a session that has the Generate section in front of it."""

    async def visit_it():
        async with Session.opened(server.address, section="Generate") as session:
            await healthy(session.rerun())
            return await after(session)

    return run(visit_it())


def test_a_control_of_a_section_runs_the_section_alone(server):
    async def move(session):
        around, inside = session.widgets["checkpoint"], session.widgets["generate_pictures"]
        await healthy(session.move("generate_pictures", 10))
        return session.widgets["checkpoint"] is around, session.widgets["generate_pictures"] is inside

    assert on_generate(server, move) == (True, False)


def test_what_a_section_puts_on_the_shelf_is_there_at_once(server):
    async def keep(session):
        await healthy(session.trigger("generate_grid", "clicked", 2))
        return session.shown("shelf")

    assert "sample 3" in on_generate(server, keep)


def test_a_control_of_a_section_notices_a_new_file_and_another_content(server, folder):
    async def change(session):
        await healthy(session.move("generate_pictures", 10))
        before = session.shown("generate_grid")
        checkpoint.save(folder / "third.pt", tiny(latent_dim=4))
        checkpoint.save(folder / "first.pt", tiny(latent_dim=2, seed=7))
        await healthy(session.move("generate_pictures", 9))
        await healthy(session.move("generate_pictures", 10))
        return list(session.widgets["checkpoint"].element.options), before, session.shown("generate_grid")

    try:
        options, before, after = on_generate(server, change)
    finally:
        (folder / "third.pt").unlink()
    assert "third" in options
    assert before != after


def test_a_drawing_is_seen_by_the_session_that_drew_it_alone(server):
    async def draw():
        sessions, stack = await three(server, section="Draw")
        async with stack:
            for session, y in zip(sessions, (30, 110)):
                await healthy(session.trigger("draw_canvas", "drawn", stroke(y)))
            for session in sessions:
                await healthy(session.rerun())
            return [session.shown("draw_seen") for session in sessions]

    seen = run(draw())
    assert all(seen)
    assert len(set(seen)) == 3  # the third sees the example


def test_nothing_of_a_session_is_seen_by_another_that_runs_at_the_same_time(server):
    """One has clicked on the map, the other has entered a code: each address holds its own, round after round."""

    async def interleave():
        sessions, stack = await three(server)
        async with stack:
            on_map, on_path = sessions[:2]
            await healthy(on_map.move("section", "Map"))
            await healthy(on_map.trigger("map", "clicked", {"dot": 5, "at": [0.0, 0.0]}))
            await healthy(on_path.move("section", "Interpolate"))
            await healthy(on_path.move("interpolate_from_source", "custom vector"))
            await healthy(on_path.trigger("interpolate_linear", "clicked", 3))
            seen = []
            for n_steps, colour in ((4, "cluster"), (5, "digit"), (6, "reconstruction error"), (7, "digit")):
                moves = on_map.move("map_colour", colour), on_path.move("interpolate_steps", n_steps)
                await asyncio.gather(*map(healthy, moves))
                seen.append((dict(on_map.query), dict(on_path.query), on_map.shown("shelf"), on_path.shown("shelf")))
            return seen

    for of_map, of_path, shelf_of_map, shelf_of_path in run(interleave()):
        assert of_map["map_dot"] == ["5"]
        assert not {"custom", "kept"} & set(of_map)
        assert {"custom", "kept"} <= set(of_path)
        assert "map_dot" not in of_path
        assert shelf_of_map == ""
        assert "linear, step 4" in shelf_of_path


JUNK = (None, -1, 1e308, "x" * 1000, [1, [2]], {"dot": 10**9, "at": ["a"]}, {"serial": "x", "code": None}, {"row": 7})


@pytest.mark.parametrize(
    ("section", "key", "events"),
    [
        ("Generate", "generate_grid", ["clicked"]),
        ("Live", "live_", ["ask", "keep"]),
        ("Map", "map", ["clicked", "boxed"]),
    ],
)
def test_what_no_component_of_ours_tells_is_passed_over(server, section, key, events):
    async def tell():
        async with Session.opened(server.address, section=section) as session:
            await healthy(session.rerun())
            component = next(each for each in session.widgets if each.startswith(key) and each != "live_stage")
            for event in events:
                for value in JUNK:
                    await healthy(session.trigger(component, event, value))
            return session.text()

    assert run(tell())


@pytest.mark.parametrize(
    "value", ["9" * 100_000, "nan", "1e308", "-1", "\x00½"], ids=["long", "nan", "huge", "-1", "odd"]
)
def test_a_link_with_anything_in_it_opens_the_page(server, value):
    keys = ["kept"] if len(value) > 1000 else ["generate_pictures", "generate_seed", "generate_scale", "kept", "digit"]

    async def follow():
        async with Session.opened(server.address, section="Generate", **dict.fromkeys(keys, value)) as session:
            await healthy(session.rerun())
            return session.shown("generate_grid")

    assert run(follow())


def test_a_visitor_who_leaves_in_the_middle_of_an_upload_disturbs_nobody(server):
    async def leave():
        async with Session.opened(server.address, section="Generate") as other:
            await healthy(other.rerun())
            async with Session.opened(server.address) as session:
                await healthy(session.rerun())
                await healthy(session.move("open_file", True))
                await session.begin_upload("mine.pt", bytes(1_000_000), of=50_000_000)
            await healthy(other.move("generate_pictures", 12))
            return other.shown("generate_grid")

    assert run(leave())
