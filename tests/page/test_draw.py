"""The Draw section: its surface, what it tells the page, and what the page makes of that."""

import asyncio
import base64
import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.load import stroke
from benchmarks.session import Session
from latent import data, drawing
from latent.errors import ArgumentError
from latent.page.panels import canvas
from tests.support.browser import (
    FITS,
    compact,
    draw_a_seven,
    open_section,
    settled,
    sidebar_section,
)
from tests.support.page import healthy, opened, parts, sheets

DIGITS, _ = data.evaluation_digits()
A_THREE = drawing.to_text(DIGITS[30])
ASKS = "one stroke"


def surface(app):
    """What the surface of a page in the test harness is given."""
    return parts(app, "draw")["draw_canvas"]


def pixels(app):
    return np.frombuffer(base64.b64decode(surface(app)["pixels"]), np.uint8).reshape(28, 28)


def linked(app):
    """The drawing in the address."""
    given = app.query_params.get("drawn")
    return given[0] if isinstance(given, list) else given


class TestWhatTheSurfaceShows:
    def test_at_first_an_example_which_is_read_and_is_not_in_the_address(self):
        app = opened("Draw")
        assert surface(app)["example"]
        assert np.array_equal(pixels(app), DIGITS[canvas.EXAMPLE])
        assert {"draw_seen", "draw_reconstructed", "draw_nearest"} <= set(sheets(app))
        assert not app.info
        assert linked(app) is None

    def test_the_drawing_of_a_link(self):
        app = opened("Draw", drawn=A_THREE)
        assert not surface(app)["example"]
        assert np.array_equal(pixels(app), DIGITS[30])
        assert linked(app) == A_THREE

    def test_nothing_where_a_link_says_so(self):
        app = opened("Draw", drawn="")
        assert surface(app)["pixels"] == ""
        assert ASKS in app.info[0].value
        assert linked(app) == ""

    def test_nothing_where_a_link_is_damaged_and_it_leaves_the_address(self):
        app = opened("Draw", drawn="damaged")
        assert surface(app)["pixels"] == ""
        assert any("damaged" in text.value for text in app.text)
        assert linked(app) is None

    def test_a_photo_in_the_place_of_what_was_there(self):
        app = opened("Draw", drawn=A_THREE)
        before = surface(app)["brought"]
        buffer = io.BytesIO()
        Image.fromarray(255 - DIGITS[3]).resize((280, 280)).save(buffer, "PNG")
        photo = ("zero.png", buffer.getvalue(), "image/png")
        healthy(app.file_uploader(key="draw_photo").set_value(photo).run())
        assert surface(app)["brought"] == before + 1
        assert surface(app)["drawn"] != A_THREE
        assert linked(app) == surface(app)["drawn"]


NO_DRAWING = [
    None, 5, float("nan"), True, [], {}, {"drawn": "x"}, [stroke(30)], "x", "data:", "data:image/png;base64,AAAA",
    "data:text/html,<script>", "A" * 10**7, stroke(30) + " " * 10**6,
]  # fmt: skip


class TestWhatTheSurfaceTells:
    @pytest.mark.parametrize("told", NO_DRAWING, ids=range(len(NO_DRAWING)))
    def test_anything_else_is_refused(self, told):
        with pytest.raises(ArgumentError):
            canvas.drawing_told(told)

    def test_a_stroke_becomes_a_digit_and_a_text_stays_what_it_is(self):
        assert drawing.from_text(canvas.drawing_told(stroke(30))).max() == 255
        assert canvas.drawing_told(A_THREE) == A_THREE
        assert canvas.drawing_told("") == ""

    @pytest.mark.exhaustive
    def test_in_a_session_what_is_refused_leaves_everything_as_it_was(self, address):
        async def visit():
            async with Session.opened(address, section="Draw") as session:
                answers = [await session.rerun(), await session.trigger("draw_canvas", "drawn", stroke(30))]
                drawn, shown = session.query["drawn"], session.shown("draw_seen")
                for told in NO_DRAWING:
                    answers.append(await session.trigger("draw_canvas", "drawn", told))
                    assert (session.query["drawn"], session.shown("draw_seen")) == (drawn, shown)
                answers += [await session.trigger("draw_canvas", "drawn", ""), await session.rerun()]
                assert session.shown("draw_seen") == ""
                assert ASKS in session.text()
                answers.append(await session.trigger("draw_canvas", "drawn", A_THREE))
                assert session.query["drawn"] == [A_THREE]
                return [error for answer in answers for error in answer.errors]

        assert asyncio.run(visit()) == []


READING = "[...document.querySelectorAll('.st-key-draw_seen img, .st-key-draw_reconstructed img')].map(it => it.src)"
ON_SURFACE = "document.querySelector('.latent-draw canvas').toDataURL()"
WHITE = """() => { const it = document.querySelector('.latent-draw canvas')
    const { data } = it.getContext('2d').getImageData(0, 0, it.width, it.height)
    return data.filter((value, i) => i % 4 === 0 && value > 200).length }"""


def reading(page: Page) -> list[str]:
    found: list[str] = page.evaluate(READING)
    return found


def expect_another_reading(page: Page, before: list[str]) -> list[str]:
    page.wait_for_function(f"before => {{ const now = {READING}; return now.length === 2 && "
                           "now.every((each, i) => each !== before[i]) }", arg=before)  # fmt: skip
    settled(page)
    return reading(page)


def expect_the_reading(page: Page, expected: list[str]) -> None:
    page.wait_for_function(f"expected => JSON.stringify({READING}) === expected", arg=compact(expected))
    settled(page)


@pytest.fixture
def page(page, address):
    """The page on the Draw section, as it starts."""
    open_section(page, address, "Draw")
    page.wait_for_function(f"{READING}.length === 2")
    return page


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """A place on the surface, in shares of its side."""
    box = page.locator(".latent-draw canvas").bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.mark.browser
class TestInTheBrowser:
    def test_the_first_stroke_replaces_the_example_and_the_second_adds_to_it(self, page):
        example, shown = reading(page), page.evaluate(ON_SURFACE)
        draw_a_seven(page)
        one = expect_another_reading(page, example)
        assert page.evaluate(ON_SURFACE) != shown
        white = page.evaluate(WHITE)
        page.mouse.move(*at(page, 0.3, 0.5))
        page.mouse.down()
        page.mouse.move(*at(page, 0.8, 0.55), steps=5)
        page.mouse.up()
        expect_another_reading(page, one)
        assert page.evaluate(WHITE) > white

    @pytest.mark.exhaustive
    def test_undo_goes_back_to_the_example_and_clear_asks_for_a_stroke(self, page):
        example, shown = reading(page), page.evaluate(ON_SURFACE)
        expect(button(page, "Undo")).to_have_attribute("aria-disabled", "true")
        draw_a_seven(page)
        seven = expect_another_reading(page, example)
        button(page, "Clear").click()
        expect(page.get_by_text(ASKS)).to_be_visible()
        expect(button(page, "Clear")).to_have_attribute("aria-disabled", "true")
        assert page.evaluate(WHITE) == 0
        page.wait_for_url("**drawn=")
        button(page, "Undo").click()
        expect_the_reading(page, seven)
        button(page, "Undo").click()
        expect_the_reading(page, example)
        assert page.evaluate(ON_SURFACE) == shown

    def test_nothing_is_sent_while_the_hand_moves_and_little_at_the_end(self, page):
        with page.expect_event("websocket") as opening:
            page.reload()
        sent: list[bytes] = []
        page.wait_for_function(f"{READING}.length === 2")
        settled(page)
        opening.value.on("framesent", lambda frame: sent.append(frame))
        before = reading(page)
        page.mouse.move(*at(page, 0.3, 0.2))
        page.mouse.down()
        page.mouse.move(*at(page, 0.7, 0.8), steps=20)
        page.wait_for_timeout(300)
        assert sent == []
        page.mouse.up()
        expect_another_reading(page, before)
        assert len(sent) == 1
        assert len(sent[0]) < 10_000

    @pytest.mark.exhaustive
    def test_a_finger_draws_and_the_page_does_not_scroll(self, browser, address):
        context = browser.new_context(viewport={"width": 400, "height": 700}, has_touch=True, is_mobile=True)
        phone = context.new_page()
        open_section(phone, address, "Draw")
        phone.wait_for_function(f"{READING}.length === 2")
        phone.wait_for_function(FITS)
        before = reading(phone)
        send = context.new_cdp_session(phone).send
        path = [at(phone, 0.5, 0.9 - 0.07 * step) for step in range(12)]
        top = phone.locator(".latent-draw canvas").bounding_box()["y"]
        for kind, points in [("touchStart", path[:1]), *(("touchMove", [point]) for point in path), ("touchEnd", [])]:
            where = [{"x": x, "y": y} for x, y in points]
            send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})
        expect_another_reading(phone, before)
        assert phone.locator(".latent-draw canvas").bounding_box()["y"] == top
        assert phone.evaluate(WHITE) > 2000  # a line, and not a dot
        context.close()

    @pytest.mark.exhaustive
    def test_a_tap_is_a_dot(self, page):
        before = reading(page)
        page.mouse.click(*at(page, 0.5, 0.5))
        expect_another_reading(page, before)
        assert 200 < page.evaluate(WHITE) < 500  # a circle of 22 pixels has 380

    @pytest.mark.exhaustive
    def test_the_pen_is_as_wide_as_the_slider_says(self, page, address):
        open_section(page, address, "Draw", "&draw_width=40")
        page.wait_for_function(f"{READING}.length === 2")
        before = reading(page)
        page.mouse.click(*at(page, 0.5, 0.5))
        expect_another_reading(page, before)
        assert 1000 < page.evaluate(WHITE) < 1500  # 1257

    def test_the_keyboard_reaches_the_surface_sees_the_focus_and_draws(self, page):
        canvas = page.locator(".latent-draw canvas")
        for _ in range(60):
            page.keyboard.press("Tab")
            if canvas.evaluate("it => it === document.activeElement"):
                break
        assert canvas.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
        expect(page.locator(".latent-draw .keys")).to_be_visible()
        before = reading(page)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Space")
        for _ in range(9):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
        drawn = expect_another_reading(page, before)
        page.keyboard.press("Delete")
        expect(page.get_by_text(ASKS)).to_be_visible()
        page.keyboard.press("Control+z")
        expect_the_reading(page, drawn)

    @pytest.mark.exhaustive
    def test_the_text_alternative_says_what_is_on_the_surface(self, page):
        canvas = page.locator(".latent-draw canvas")
        for happens, words in [
            (lambda: None, "with an example on it"),
            (lambda: draw_a_seven(page), "with 1 stroke on it"),
            (lambda: draw_a_seven(page), "with 2 strokes on it"),
            (lambda: button(page, "Clear").click(), "empty"),
        ]:
            happens()
            page.wait_for_function(
                "words => document.querySelector('.latent-draw canvas').ariaLabel.includes(words)", arg=words
            )
        expect(canvas).to_have_attribute("role", "application")

    @pytest.mark.exhaustive
    def test_strokes_are_there_when_one_comes_back_from_another_section(self, page):
        before = reading(page)
        draw_a_seven(page)
        seven, shown = expect_another_reading(page, before), page.evaluate(ON_SURFACE)
        sidebar_section(page, "Custom vector")
        sidebar_section(page, "Draw")
        expect_the_reading(page, seven)
        page.wait_for_function(f"shown => {ON_SURFACE} === shown", arg=shown)
        button(page, "Undo").click()
        expect_the_reading(page, before)

    @pytest.mark.exhaustive
    def test_a_photo_is_shown_on_the_surface_and_undo_brings_back_what_was_there(self, page, tmp_path):
        before, shown = reading(page), page.evaluate(ON_SURFACE)
        photo = tmp_path / "photo.png"
        Image.fromarray(255 - DIGITS[3]).resize((280, 280)).save(photo)
        page.locator(".st-key-draw_photo input[type=file]").set_input_files(photo)
        expect_another_reading(page, before)
        page.wait_for_function(f"shown => {ON_SURFACE} !== shown", arg=shown)
        button(page, "Undo").click()
        expect_the_reading(page, before)

    def test_a_link_opens_the_same_reading_and_shows_the_digit_on_the_surface(self, page, browser):
        before = reading(page)
        draw_a_seven(page)
        seven = expect_another_reading(page, before)
        page.wait_for_url("**drawn=e**")
        other = browser.new_context().new_page()
        other.goto(page.url)
        other.wait_for_function(f"{READING}.length === 2", timeout=60_000)
        expect_the_reading(other, seven)
        assert other.evaluate(WHITE) > 2000
        other.context.close()
