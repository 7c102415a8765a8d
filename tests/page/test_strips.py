"""The strips of Dimensions, Directions and Interpolate: every place on one has a code, a picture, and an address."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.serving import PAGE, serve
from benchmarks.session import Session
from latent import directions, interpolation, shelf, traversal
from latent.browser import lines
from latent.images import to_uint8
from latent.measure import properties
from latent.page.choose import Direction, Operand
from latent.page.panels import paths, walk
from latent.page.snippet import snippet
from latent.space import LatentSpace
from tests.support.browser import FITS, expect_kept, open_section, press, served, settled
from tests.support.exhaustive import few_rows_of
from tests.support.javascript import needs_node, node
from tests.support.models import CHECKPOINTS, ROOT
from tests.support.page import opened, parts

SECONDS_TO_PAINT = 5  # on a busy machine
STRIPS = {
    "Dimensions": ("dimensions_strip", "dimensions_at"),
    "Directions": ("directions_walk", "directions_at"),
    "Interpolate": ("interpolate_linear", "interpolate_at"),
}
NO_DECODER = f"""
from latent.browser import live
from latent.errors import DecoderError

def refuse(model):
    raise DecoderError("Not here.")

live.compile = refuse
__file__ = {str(ROOT / "streamlit_app.py")!r}
exec(compile(open(__file__, encoding="utf-8").read(), __file__, "exec"))
"""


def lines_between(a, b):
    """A line of every kind, from and along random codes."""
    nothing = snippet("")
    start, end = Operand("a", a, nothing), Operand("b", b, nothing)
    return [
        (lines.sweep_line(a, 1, np.linspace(-2, 3, 7)), traversal.traverse(a, 1, np.linspace(-2, 3, 7))),
        (walk.walk_line(start, Direction("a", b, nothing), np.linspace(-2, 2, 5)),
         directions.walk(a, b, np.linspace(-2, 2, 5))),
        *((paths.path_line(start, end, 6, kind), interpolation.path(a, b, 6, kind)) for kind in interpolation.PATHS),
    ]  # fmt: skip


PAIRS = [np.random.default_rng(seed).standard_normal((2, 16)).astype(np.float32) for seed in range(3)]
PAIRS += [np.float32([[1, 2], [-2, -4]]), np.float32([[0, 0], [1, 2]])]  # opposite, and from the origin


@pytest.mark.parametrize("pair", PAIRS)
def test_the_code_at_the_place_of_a_picture_is_that_of_the_picture_to_the_last_bit(pair):
    for line, codes in lines_between(*pair):
        for place, code in zip(line.places, codes, strict=True):
            assert np.array_equal(line.code_at(float(place)), code)


@needs_node
def test_the_browser_finds_the_codes_of_all_places_that_python_finds(modules):
    lines = [line for pair in PAIRS for line, _ in lines_between(*pair)]
    calls = [
        (line, float(place)) for line in lines for place in np.linspace(line.places[0], line.places[-1], 13)
    ]  # fmt: skip
    given = json.dumps([[line.in_browser, place] for line, place in calls])
    script = f"""
        import {{ codeAt }} from "./strip.js"
        console.log(JSON.stringify({given}.map(([line, place]) => codeAt(line, place))))
    """
    for found, (line, place) in zip(
        json.loads(node(modules, "--input-type=module", "--eval", script)), calls, strict=True
    ):
        assert np.allclose(found, line.code_at(place), atol=1e-5)


# What the page is told, over the websocket.


@pytest.fixture(scope="module")
def server():
    with serve(PAGE) as server:
        yield server


@dataclass
class Told:
    """What the address holds after the page was told of something, and what the strip is given then."""

    query: dict[str, list[str]]
    data: dict
    errors: list[str] = field(default_factory=list)

    @property
    def kept(self):
        return [shelf.from_link(text, 16) for text in self.query.get("kept", [])]


def tell(server, section, *events, **query):
    """Open a section and tell its strip's page of events, one after the other."""
    key, _ = STRIPS[section]

    async def visit():
        async with Session.opened(server.address, section=section, **query) as session:
            errors = [*(await session.rerun()).errors]
            for event, value in events:
                if event == "move":
                    errors += (await session.move(*value)).errors
                else:
                    errors += (await session.trigger(key, event, value)).errors
            return Told(dict(session.query), json.loads(session.shown(key)), errors)

    told = asyncio.run(asyncio.wait_for(visit(), 300))
    assert not told.errors
    return told


def expected_code(space, section, at, row):
    base = space.z[space.labels == 7][0]
    match section:
        case "Dimensions":
            return traversal.traverse(base, 3, [at])[0]
        case "Directions":
            measured = properties.PROPERTIES["thickness"].measure(space.images)
            return directions.walk(base, directions.of_property(space.z, measured, space.labels), [at])[0]
    ends = [space.z[space.labels == digit][0] for digit in (2, 4)]
    return interpolation.PATHS[("linear", "spherical")[row]](*ends, [at])[0]


@pytest.mark.parametrize(
    ("section", "row", "at", "name"),
    [
        ("Dimensions", 0, 1.234, "dim 3 = 1.23"), ("Directions", 0, -0.73, "more thickness × -0.73"),
        ("Interpolate", 0, 0.337, "linear, t = 0.34"), ("Interpolate", 1, 0.337, "spherical, t = 0.34"),
    ],
)  # fmt: skip
def test_the_button_adds_the_code_of_the_place_bit_for_bit(server, space, section, row, at, name):
    told = tell(server, section, ("added", {"row": row, "at": at}), dimensions_dimension="3")
    ((found, origin, kind, vector),) = told.kept
    assert (found, origin, kind) == (name, section, "code")
    assert np.array_equal(vector, expected_code(space, section, at, row))
    assert told.data["at"] == at
    assert [float(text) for text in told.query[STRIPS[section][1]]] == [at]


@pytest.mark.parametrize("section", STRIPS)
def test_a_place_that_is_fixed_is_in_the_address_and_comes_back_with_it(server, section):
    _, parameter = STRIPS[section]
    told = tell(server, section, ("placed", 0.37))
    assert told.data["at"] == 0.37
    assert told.query[parameter] == ["0.37"]
    assert parts(opened(section, **{parameter: "0.37"}), "strip")[STRIPS[section][0]]["at"] == 0.37


def test_the_walk_and_its_slider_agree(server):
    told = tell(server, "Directions", ("placed", -1.37))
    assert told.query["directions_at"] == ["-1.37"]
    told = tell(server, "Directions", ("placed", -1.37), ("move", ("directions_at", 0.5)))
    assert told.data["at"] == 0.5
    app = opened("Directions", directions_at="0.82")
    assert app.slider(key="directions_at").value == parts(app, "strip")["directions_walk"]["at"] == 0.82


def test_before_anything_is_fixed_a_strip_stands_at_its_base_or_in_the_middle(server, space):
    base = space.z[space.labels == 7][0]
    assert tell(server, "Dimensions", dimensions_dimension="5").data["at"] == float(base[5])
    assert tell(server, "Interpolate").data["at"] == 0.5


def test_a_place_is_forgotten_for_another_dimension_and_stays_for_another_base(server, space):
    fixed = [("placed", 0.25)]
    other = tell(server, "Dimensions", *fixed, ("move", ("dimensions_dimension", 5)), dimensions_dimension="3")
    assert other.data["at"] == float(space.z[space.labels == 7][0][5])
    assert "dimensions_at" not in other.query
    based = tell(server, "Dimensions", *fixed, ("move", ("dimensions_digit", 2)), dimensions_dimension="3")
    assert based.data["at"] == 0.25


def test_a_click_on_a_picture_keeps_it_and_goes_there(server, space):
    told = tell(server, "Interpolate", ("clicked", 12 + 3))  # the fourth of the second row
    ((name, _, _, vector),) = told.kept
    ends = [space.z[space.labels == digit][0] for digit in (2, 4)]
    assert name == "spherical, step 4"
    assert np.array_equal(vector, interpolation.path(*ends, 12, "spherical")[3])
    assert told.data["at"] == float(np.linspace(0, 1, 12)[3])


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("placed", "x"), ("placed", None), ("added", 3), ("added", {"row": 7, "at": 0.5}), ("clicked", 99),
        ("added", {"row": 0, "at": "x"}), ("ask", {"serial": 1, "row": 1}), ("ask", "x"),
    ],
)  # fmt: skip
def test_what_no_browser_of_ours_says_is_passed_over(server, event, value):
    told = tell(server, "Dimensions", (event, value))
    assert not told.kept
    assert "dimensions_at" not in told.query


def test_a_place_beyond_the_ends_is_the_end(server):
    assert tell(server, "Interpolate", ("placed", 7)).data["at"] == 1
    assert parts(opened("Interpolate", interpolate_at="nan"), "strip")["interpolate_linear"]["at"] == 0.5


@pytest.mark.parametrize("section", STRIPS)
def test_what_the_browser_decodes_the_server_does_not(monkeypatch, section):
    opened(section)
    asked = []
    decode = LatentSpace.decode
    monkeypatch.setattr(
        LatentSpace, "decode", lambda space, z, *given: asked.append(len(z)) or decode(space, z, *given)
    )
    opened(section, **{STRIPS[section][1]: "0.41"})
    assert not asked


# In a real Chromium.

PICTURE = """canvas => [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 0)]"""
STAGE_IS_HERE = "() => [...(window.latentInbox?.values() ?? [])].some(parcel => 'program' in parcel)"


class Strip:
    """The strip of a section, and the messages that go to the server."""

    def __init__(self, page: Page, address: str, section: str, query: str = "") -> None:
        self.page, self.messages, (key, self.parameter) = page, [], STRIPS[section]
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: self.messages.append(frame)))
        open_section(page, address, section, query)
        self.whole = page.locator(f".st-key-{key}")
        self.rows, self.picture = self.whole.locator(".line"), self.whole.locator("canvas.picture")
        page.wait_for_function(STAGE_IS_HERE)
        expect(self.whole.locator(".verdict")).not_to_be_empty()
        settled(page)
        self.messages.clear()

    def pixels(self) -> np.ndarray:
        return np.array(self.picture.evaluate(PICTURE), np.uint8).reshape(28, 28)

    def shows(self, space: LatentSpace, code: np.ndarray) -> bool:
        """Whether the large picture is, or soon becomes, that of the code, but for rounding."""
        deadline, right = time.monotonic() + SECONDS_TO_PAINT, to_uint8(space.decode(code)[0])
        while not (same := bool(np.abs(self.pixels().astype(int) - right).max() <= 1)):
            if time.monotonic() > deadline:
                break
            self.page.wait_for_timeout(50)
        return same

    def point(self, share: float, row: int = 0) -> None:
        """The mouse to a share of a row's width."""
        box = self.rows.nth(row).bounding_box()
        self.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 3)

    def place_in_address(self) -> float:
        self.page.wait_for_url(f"**{self.parameter}=**")
        settled(self.page)
        return float(parse_qs(urlsplit(self.page.url).query)[self.parameter][0])

    def slider(self, row: int = 0) -> Locator:
        return self.rows.nth(row).get_by_role("slider")

    def a_frame(self) -> None:
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("section", "row"), few_rows_of([("Dimensions", 0), ("Directions", 1), ("Interpolate", 1)], [("Directions", 1)])
)
def test_a_drag_shows_every_place_without_a_word_and_its_end_is_in_the_address(page, address, space, section, row):
    strip = Strip(page, address, section)
    strip.point(0.3, row)
    page.mouse.down()
    pictures = set()
    for step in range(8):
        strip.point(0.3 + 0.05 * step, row)
        strip.a_frame()
        pictures.add(strip.pixels().tobytes())
    assert len(pictures) == 8
    assert not strip.messages
    page.mouse.up()
    at = strip.place_in_address()
    assert len(strip.messages) == 1
    assert strip.shows(space, expected_code(space, section, at, row))
    share = (at - float(strip.slider().get_attribute("aria-valuemin"))) / (
        float(strip.slider().get_attribute("aria-valuemax")) - float(strip.slider().get_attribute("aria-valuemin"))
    )
    tile = 1 / (12 if section == "Interpolate" else 11)
    assert share == pytest.approx((0.65 - tile / 2) / (1 - tile), abs=0.01)  # between the middles of the outermost
    assert strip.slider().get_attribute("aria-valuenow") == str(at)


@pytest.mark.exhaustive
@pytest.mark.browser
def test_hovering_shows_a_place_and_leaving_fixes_it(page, address, space):
    strip = Strip(page, address, "Dimensions")
    before = strip.pixels()
    strip.point(0.8)
    strip.a_frame()
    assert not np.array_equal(strip.pixels(), before)
    assert not strip.messages
    page.mouse.move(5, 5)
    assert strip.shows(space, expected_code(space, "Dimensions", strip.place_in_address(), 0))


@pytest.mark.exhaustive
@pytest.mark.browser
def test_what_a_drag_has_fixed_stays_on_the_way_to_the_button_and_is_added(page, address, space):
    strip = Strip(page, address, "Interpolate")
    strip.point(0.3, 1)
    page.mouse.down()
    strip.point(0.42, 1)
    page.mouse.up()
    at = strip.place_in_address()
    strip.point(0.9, 1)
    strip.whole.get_by_role("button", name="Add to shelf", exact=True).click()
    expect_kept(page, [f"spherical, t = {at:.2f}"])
    settled(page)
    query = parse_qs(urlsplit(page.url).query)
    assert float(query["interpolate_at"][0]) == at
    _, _, _, vector = shelf.from_link(query["kept"][0], 16)
    assert np.array_equal(vector, expected_code(space, "Interpolate", at, 1))
    assert strip.shows(space, vector)


@pytest.mark.exhaustive
@pytest.mark.browser
def test_a_click_on_a_picture_keeps_it(page, address):
    strip = Strip(page, address, "Dimensions")
    button = strip.whole.get_by_role("button", name="Add to shelf: dim 3 =").nth(2)
    name = button.get_attribute("aria-label").removeprefix("Add to shelf: ")
    button.click()
    expect_kept(page, [name])
    assert f"{strip.place_in_address():.2f}" in name


@pytest.mark.browser
def test_keys_move_the_place_in_small_and_large_steps(page, address, space):
    strip = Strip(page, address, "Interpolate")
    slider = strip.slider(1)
    slider.focus()
    assert slider.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
    for key, at in (("ArrowRight", 0.51), ("PageUp", 0.61), ("ArrowLeft", 0.6), ("PageDown", 0.5), ("Home", 0)):
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuenow", str(at))
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "1.000, in distribution")
    assert strip.place_in_address() == 1  # in a while by itself
    strip.messages.clear()
    slider.press("PageDown")
    slider.press("Enter")  # or at once
    page.wait_for_url("**interpolate_at=0.9*")
    settled(page)
    assert strip.shows(space, expected_code(space, "Interpolate", 0.9, 1))
    assert len(strip.messages) == 1


@pytest.mark.exhaustive
@pytest.mark.browser
def test_the_support_is_that_of_the_support_meter(page, address, space):
    strip = Strip(page, address, "Directions", "&directions_at=2")
    quantile = float(space.support.quantile(expected_code(space, "Directions", 2.0, 0)[None])[0])
    expect(strip.whole.locator(".closer")).to_have_text(f"{quantile:.0%} of real codes lie closer")


@pytest.mark.exhaustive
@pytest.mark.browser
def test_the_strip_of_directions_moves_with_its_slider(page, address, space):
    strip = Strip(page, address, "Directions", "&directions_at=0.7")
    assert strip.shows(space, expected_code(space, "Directions", 0.7, 0))
    press("Position", "ArrowRight")(page)
    expect(strip.slider()).to_have_attribute("aria-valuenow", "0.71")
    strip.point(0.2)
    page.mouse.down()
    strip.point(0.25)
    page.mouse.up()
    at = strip.place_in_address()
    page.wait_for_function(
        "at => document.querySelector('.st-key-directions_at input[type=range]').valueAsNumber === at", arg=at
    )


@pytest.mark.exhaustive
@pytest.mark.browser
def test_a_finger_scrubs_in_a_narrow_window(browser, address, space):
    context = browser.new_context(viewport={"width": 400, "height": 800}, has_touch=True)
    strip = Strip(context.new_page(), address, "Dimensions")
    finger = context.new_cdp_session(strip.page)
    strip.rows.first.scroll_into_view_if_needed()
    box = strip.rows.first.bounding_box()
    y = box["y"] + 5
    point = {"x": box["x"] + 0.3 * box["width"], "y": y}
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    for step in range(1, 11):
        point = {"x": box["x"] + (0.3 + 0.04 * step) * box["width"], "y": y}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    assert not strip.messages
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    at = strip.place_in_address()
    assert strip.shows(space, expected_code(space, "Dimensions", at, 0))
    strip.page.wait_for_function(FITS)
    context.close()


@pytest.mark.exhaustive
@pytest.mark.browser
def test_the_stage_goes_to_the_browser_once_for_live_and_all_strips(page, address):
    received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    for section in ("Dimensions", "Live", "Interpolate"):
        if section == "Dimensions":
            Strip(page, address, section)
        else:
            page.get_by_test_id("stSidebar").get_by_text(section, exact=True).first.click()
            expect(page.get_by_role("heading", name=section, exact=True)).to_be_visible(timeout=60_000)
            settled(page)
    assert len([size for size in received if size > 1_000_000]) == 1


@pytest.fixture(scope="module")
def address_of_refusal(tmp_path_factory) -> Iterator[str]:
    """The page where no decoder runs in the browser."""
    script = tmp_path_factory.mktemp("page") / "page.py"
    script.write_text(NO_DECODER, encoding="utf-8")
    with served(script) as address:
        yield address


@pytest.mark.exhaustive
@pytest.mark.browser
def test_where_the_decoder_cannot_run_pictures_are_asked_for(page, address_of_refusal):
    space = LatentSpace.open(CHECKPOINTS / "ae-16.pt")
    strip = Strip(page, address_of_refusal, "Interpolate")
    strip.point(0.3)
    page.mouse.down()
    for step in range(10):
        strip.point(0.3 + 0.03 * step)
        strip.a_frame()
    page.mouse.up()
    at = strip.place_in_address()
    expected = to_uint8(space.decode(expected_code(space, "Interpolate", at, 0))[0]).ravel().tolist()
    page.wait_for_function(
        f"""expected => {{ const picture = ({PICTURE})(document.querySelector(".latent-strip canvas"))
            return picture.every((pixel, i) => Math.abs(pixel - expected[i]) <= 1) }}""",
        arg=expected,
    )
    assert any(b'"ask"' in message for message in strip.messages)
