"""The page as a person has it: `streamlit run` and a real Chromium."""

import contextlib
import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, TimeoutError, expect
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA

from latent.selection import Selection
from latent.space import LatentSpace
from tests.support.browser import (
    FITS,
    IMAGES,
    PICTURES,
    choose,
    click_a_picture,
    compact,
    draw_a_seven,
    expect_kept,
    fill,
    kept_names,
    open_section,
    press,
    served,
    settled,
    sidebar_section,
)
from tests.support.exhaustive import few_of
from tests.support.models import ROOT
from tests.support.touch import swipe, within

pytestmark = pytest.mark.browser

NUMBERS = ", ".join(["0.5"] * 16)
MOVES = {
    "Model": press("Images", "ArrowRight"),
    "Statistics": press("Images to encode", "ArrowLeft"),
    "Map": choose("Colour", "dimension"),
    "Clusters": press("Clusters", "ArrowLeft"),
    "Generate": fill("Seed", "5"),
    "Live": lambda page: page.get_by_role("slider", name="Dimension").first.press("ArrowRight"),
    "Custom vector": fill("16 numbers", NUMBERS),
    "Draw": draw_a_seven,
    "Dimensions": press("Steps", "ArrowRight"),
    "Directions": press("Steps", "ArrowRight"),
    "Arithmetic": choose("Operation", "average"),
    "Real vs generated": fill("Seed", "5"),
    "Interpolate": press("Steps", "ArrowLeft"),
}


@pytest.mark.parametrize("section", few_of(MOVES, ["Dimensions", "Draw"]))
def test_a_section_opens_and_a_control_changes_its_picture(page, address, section):
    open_section(page, address, section)
    before = page.evaluate(PICTURES)
    MOVES[section](page)
    page.wait_for_function(f"before => JSON.stringify(({PICTURES})()) !== before", arg=compact(before))
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_the_page_opens_full_on_the_default_checkpoint(page, address):
    page.goto(address)
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("img", name="originals over their reconstructions")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model file")).to_have_value("ae-16")


@pytest.mark.exhaustive
def test_every_section_is_reached_by_its_name_in_the_sidebar(page, address):
    page.goto(address)
    for section in MOVES:
        page.get_by_test_id("stSidebar").get_by_text(section, exact=True).first.click()
        expect(page.get_by_role("heading", name=section, exact=True)).to_be_visible(timeout=60_000)
        settled(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.exhaustive
def test_the_address_of_a_view_shows_the_same_pictures_in_a_fresh_browser(page, browser, address):
    open_section(page, address, "Interpolate")
    first = page.evaluate(PICTURES)
    press("Steps", "ArrowLeft")(page)
    page.wait_for_function(f"before => JSON.stringify(({PICTURES})()) !== before", arg=compact(first))
    settled(page)
    page.wait_for_url("**interpolate_steps=11**")
    other = browser.new_context().new_page()
    other.goto(page.url)
    expect_the_same_pictures(page, other)
    other.context.close()


def test_downloads_arrive(page, address):
    open_section(page, address, "Generate")
    for name, magic in (("PNG", b"\x89PNG"), ("NPZ", b"PK")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert download.value.path().read_bytes().startswith(magic)


def expect_the_same_pictures(page: Page, other: Page) -> None:
    """Wait until two pages show the same; either may have some of its pictures later than the others."""
    deadline = time.monotonic() + 60
    while True:
        pictures = page.evaluate(IMAGES)
        with contextlib.suppress(TimeoutError):
            same = f"pictures => JSON.stringify(({IMAGES})()) === pictures"
            other.wait_for_function(same, arg=compact(pictures), timeout=2000)
            return
        assert time.monotonic() < deadline


def drawn_map(page: Page) -> Locator:
    """The map, once all its dots are drawn."""
    canvas = page.locator(".latent-map canvas")
    expect(canvas).to_have_attribute("data-painted", "10000", timeout=60_000)
    return canvas


def click_map(page: Page, x: float, y: float) -> None:
    """Click the map at a share of its width and height, once it is drawn."""
    canvas = drawn_map(page)
    box = canvas.bounding_box()
    assert box
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


@pytest.fixture
def with_clipboard(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])


def test_a_find_goes_from_the_map_through_sections_into_a_link(page, browser, address, with_clipboard):
    page.goto(f"{address}/?section=Map")
    click_map(page, 0.3, 0.4)
    page.wait_for_url("**map_*")
    settled(page)
    click_a_picture(page, "map_place")
    assert len(kept_names(page)) == 1

    sidebar_section(page, "Dimensions")
    before = page.evaluate(IMAGES)
    choose("Base", "shelf item")(page)
    page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))
    settled(page)

    sidebar_section(page, "Draw")
    before = page.evaluate(IMAGES)
    draw_a_seven(page)
    page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))
    settled(page)
    page.get_by_role("button", name="Add to shelf", exact=True).click()
    expect(page.locator(".latent-shelf li")).to_have_count(2)
    assert kept_names(page)[0].startswith("drawn, like class 7")

    sidebar_section(page, "Interpolate")
    choose("From", "shelf item")(page)
    settled(page)
    choose("To", "shelf item")(page)
    page.wait_for_url("**interpolate_to_source=shelf+item**")
    settled(page)
    before = page.evaluate(IMAGES)
    choose("Shelf item", "map at")(page)
    page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))
    page.wait_for_function(f"() => ({IMAGES})()[0] !== ({IMAGES})()[1]")
    settled(page)

    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("() => navigator.clipboard.readText()")
    other = browser.new_context().new_page()
    other.goto(link)
    expect_the_same_pictures(page, other)
    expect_kept(other, kept_names(page))
    other.context.close()


def test_the_shelf_renames_removes_saves_and_loads(page, address, tmp_path):
    open_section(page, address, "Generate")
    click_a_picture(page, "generate_grid", 3)
    click_a_picture(page, "generate_grid", 5)
    assert kept_names(page) == ["sample 6", "sample 4"]

    page.get_by_label("Name of sample 4").fill("<b>mine</b>")
    page.get_by_label("Name of sample 4").press("Enter")
    expect(page.get_by_label("Name of <b>mine</b>")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download shelf").click()
    file = tmp_path / "shelf.npz"
    download.value.save_as(file)

    page.get_by_label("Remove sample 6").click()
    expect(page.locator(".latent-shelf li")).to_have_count(1)
    page.get_by_role("button", name="Clear shelf").click()
    expect(page.locator(".latent-shelf li")).to_have_count(0, timeout=20_000)
    settled(page)
    page.get_by_text("Shelf", exact=True).click()
    page.locator(".st-key-shelf_file input[type=file]").set_input_files(file)
    expect(page.locator(".latent-shelf li")).to_have_count(2)
    assert kept_names(page) == ["sample 6", "<b>mine</b>"]

    choose("Model file", "ae-8")(page)
    expect(page.locator(".latent-shelf li")).to_have_count(0, timeout=20_000)
    settled(page)
    page.get_by_text("Shelf", exact=True).click()
    page.locator(".st-key-shelf_file input[type=file]").set_input_files(file)
    expect(page.get_by_text("belongs to another model")).to_be_visible()


@pytest.mark.exhaustive
def test_a_dot_opens_its_digit_and_a_box_selects_many(page, address):
    page.goto(f"{address}/?section=Map&checkpoint=ae-2&map_atlas=false")
    click_map(page, 0.45, 0.5)
    page.wait_for_url("**map_*")
    settled(page)
    canvas = page.locator(".latent-map canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    page.mouse.up()
    heading = page.get_by_role("heading", name=" selected")
    expect(heading).to_be_visible()
    settled(page)
    click_a_picture(page, "map_mean")
    page.get_by_text("clicked point").click()
    click_a_picture(page, "map_neighbours", 4)
    assert kept_names(page)[1].startswith("mean of")
    page.locator(".latent-map").get_by_role("button", name="Clear").click()
    expect(page.get_by_text("clicked point")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("selected="))


@pytest.mark.exhaustive
def test_a_lasso_selects_what_it_goes_around(page, address):
    page.goto(f"{address}/?section=Map&checkpoint=ae-2&map_atlas=false")
    canvas = drawn_map(page)
    settled(page)
    page.get_by_role("button", name="Lasso").click()
    box = canvas.bounding_box()
    corners = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.3)]  # a triangle
    for at, (x, y) in enumerate(corners):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if at == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**selected=**")
    settled(page)
    query = parse_qs(urlsplit(page.url).query)
    rows = Selection.from_link(query["selected"][0]).rows
    expect(page.locator(".latent-map .selected")).to_contain_text(f"{len(rows):,} selected")
    # Where the dots are on the canvas, as Python has it: the whole with 4% around it, and the margins of map.js.
    z = LatentSpace.open(ROOT / "checkpoints" / "ae-2.pt").z
    low, high = z.min(axis=0), z.max(axis=0)
    share = (z - low + 0.04 * (high - low)) / (1.08 * (high - low))
    across = (8 + share[:, 0] * (box["width"] - 16)) / box["width"]
    down = (8 + (1 - share[:, 1]) * (box["height"] - 34)) / box["height"]
    inside = (across <= 0.7) & (down >= 0.3) & (down <= across)  # of the triangle
    clear = np.minimum(np.abs(across - 0.7), np.minimum(np.abs(down - 0.3), np.abs(down - across))) > 0.005
    selected = np.isin(np.arange(len(z)), rows)
    assert np.array_equal(selected[clear], inside[clear])
    assert len(rows) > 100


@pytest.mark.exhaustive
def test_the_map_is_used_by_keyboard(page, address):
    page.goto(f"{address}/?section=Map")
    canvas = drawn_map(page)
    canvas.focus()
    for _ in range(30):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**map_*")
    settled(page)
    page.locator(".st-key-map_place button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".latent-shelf li")).to_have_count(1)


@pytest.mark.exhaustive
def test_hovering_over_a_dot_shows_its_digit_and_sends_nothing(page, address):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{address}/?section=Map")
    canvas = drawn_map(page)
    settled(page)
    box, before = canvas.bounding_box(), len(sent)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".latent-map .hint")).to_contain_text("test image")
    expect(page.locator(".latent-map .hint i")).to_be_visible()
    assert before >= 1
    assert len(sent) == before


@pytest.mark.exhaustive
def test_the_live_code_is_kept_is_the_custom_vector_and_is_in_the_link(page, browser, address):
    open_section(page, address, "Live")
    slider = page.get_by_role("slider", name="Dimension").first
    for _ in range(5):
        slider.press("ArrowRight")
    page.wait_for_url("**custom=**")
    settled(page)
    page.get_by_role("button", name="Add to shelf", exact=True).click()
    expect(page.locator(".latent-shelf li")).to_have_count(1)
    assert kept_names(page) == ["live"]
    moved = slider.input_value()

    other = browser.new_context().new_page()
    other.goto(page.url)
    expect(other.get_by_role("slider", name="Dimension").first).to_have_value(moved, timeout=60_000)
    other.context.close()

    sidebar_section(page, "Dimensions")
    before = page.evaluate(IMAGES)
    choose("Base", "custom vector")(page)
    page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))


@pytest.fixture
def film_address(film_page) -> Iterator[str]:
    with served(film_page, PYTHONPATH=str(ROOT), LATENT_CHECKPOINTS=str(film_page.parent)) as address:
        yield address


PAINTED = "() => [...document.querySelectorAll('.latent-film canvas')].map(canvas => canvas.toDataURL())"


def open_film(page, film_address):
    page.goto(f"{film_address}/?checkpoint=filmed")
    shown = page.locator(".latent-film .map")
    expect(shown).to_have_attribute("data-frame", "5", timeout=60_000)  # its end, where motion is unwelcome
    return shown


@pytest.mark.exhaustive
def test_the_slider_and_play_go_through_the_epochs_without_a_word_to_the_server(page, film_address):
    page.emulate_media(reduced_motion="reduce")
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    shown = open_film(page, film_address)
    settled(page)
    slider, button = page.get_by_role("slider", name="Epoch", exact=True), page.locator(".latent-film .play")
    expect(button).to_have_text("Play")
    before, said_before = page.evaluate(PAINTED), len(sent)

    slider.press("Home")
    expect(shown).to_have_attribute("data-frame", "0")
    expect(slider).to_have_attribute("aria-valuetext", "before training, 0 of 5 epochs")
    first = page.evaluate(PAINTED)
    slider.press("ArrowRight")
    expect(page.locator(".latent-film .said")).to_have_text("epoch 1 of 5, test loss 1.0000")
    second = page.evaluate(PAINTED)
    assert all(len({a, b, c}) == 3 for a, b, c in zip(before, first, second))  # the map and the pictures

    button.press("Enter")
    expect(button).to_have_text("Pause")
    for frame in ("2", "3"):
        expect(shown).to_have_attribute("data-frame", frame)
    button.press("Enter")
    expect(button).to_have_text("Play")
    button.press("Enter")
    expect(shown).to_have_attribute("data-frame", "5")
    expect(button).to_have_text("Play")
    assert page.evaluate(PAINTED) == before
    assert len(sent) == said_before


@pytest.mark.exhaustive
def test_the_film_starts_by_itself_and_glides_and_its_gif_is_downloaded(page, film_address):
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(f"{film_address}/?checkpoint=filmed")
    page.locator(".latent-film").scroll_into_view_if_needed(timeout=60_000)
    button = page.locator(".latent-film .play")
    expect(button).to_have_text("Pause", timeout=60_000)
    between = "() => { const at = Number(document.querySelector('.latent-film .epoch').value); return at % 1 > 0.05 }"
    page.wait_for_function(between)
    expect(button).to_have_text("Play", timeout=30_000)
    expect(page.locator(".latent-film .map")).to_have_attribute("data-frame", "5")
    page.wait_for_function(FITS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Training GIF").click()
    assert Image.open(download.value.path()).n_frames == 6


def test_the_interpolation_moves_in_steps_and_stands_still_for_those_who_want_that(page, address):
    open_section(page, address, "Interpolate")
    moving = page.get_by_role("img", name="Animation of the linear interpolation")
    place = "it => getComputedStyle(it).backgroundPosition"
    seen = {moving.evaluate(place)}
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('.latent-moving')).backgroundPosition !== before",
        arg=min(seen),
    )
    seen.add(moving.evaluate(place))
    for position in seen:  # of twelve pictures, one at a time
        steps = float(position.split("%")[0]) / 100 * 11
        assert abs(steps - round(steps)) < 0.01
    page.emulate_media(reduced_motion="reduce")
    assert moving.evaluate("it => getComputedStyle(it).animationName") == "none"


@pytest.mark.exhaustive
def test_a_map_of_three_dimensions_is_turned_and_selected_from_as_it_is_seen(page, address):
    page.goto(f"{address}/?section=Map&map_projection=PCA+in+3D")
    canvas = drawn_map(page)
    settled(page)
    page.get_by_role("button", name="Box").click()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.6 * box["height"], steps=3)
    page.mouse.up()
    page.wait_for_url("**selected=**")
    settled(page)
    rows = Selection.from_link(parse_qs(urlsplit(page.url).query)["selected"][0]).rows
    # Seen from the front after a turn around the upright axis and one around the level axis, as START of map.js says.
    codes = LatentSpace.open(ROOT / "checkpoints" / "ae-16.pt").z
    pca = PCA(3).fit(codes)
    largest = np.abs(pca.components_).argmax(axis=1)
    z = pca.transform(codes) * np.sign(pca.components_[range(3), largest])  # the side that `PrincipalAxes` takes
    around, over = Rotation.from_euler("y", 0.6), Rotation.from_euler("x", 0.35)
    seen = over.apply(around.apply(z))
    reach = np.linalg.norm(z, axis=1).max()
    width, height = box["width"] - 16, box["height"] - 34
    pixels = min(width, height) / (2 * reach)
    x, y = 8 + width / 2 + seen[:, 0] * pixels, 8 + height / 2 - seen[:, 1] * pixels
    edges = np.stack([
        x - 0.4 * box["width"], 0.55 * box["width"] - x, y - 0.4 * box["height"], 0.6 * box["height"] - y
    ])  # fmt: skip
    clear = np.abs(edges).min(axis=0) > 2
    assert np.array_equal(np.isin(np.arange(len(z)), rows)[clear], (edges > 0).all(axis=0)[clear])
    assert 100 < len(rows) < 9000

    before = canvas.evaluate("canvas => canvas.toDataURL()")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('.latent-map canvas').toDataURL() !== before", arg=before)
    page.wait_for_url("**map_view=**")
    turned = "document.querySelector('.latent-map').map.turned"
    page.goto(page.url)
    drawn_map(page)
    assert page.evaluate(turned) == pytest.approx([0.7, 0.35], abs=1e-3)


@pytest.mark.exhaustive  # the handout's parts are touched in every run, and are the same
def test_fingers_scroll_the_page_zoom_the_map_and_scrub_a_strip(browser, address):
    page = browser.new_page(viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    top = "document.querySelector('[data-testid=stMain]').scrollTop"
    view = "document.querySelector('.latent-map').map.view"
    page.goto(f"{address}/?section=Map")
    canvas = drawn_map(page)
    settled(page)
    canvas.evaluate("it => it.scrollIntoView({ block: 'center' })")
    at, whole = page.evaluate(top), page.evaluate(view)
    swipe(page, within(canvas, (0.5, 0.8), (0.5, 0.4)))
    page.wait_for_function(f"at => {top} > at + 50", arg=at)
    canvas.evaluate("it => it.scrollIntoView({ block: 'center' })")
    swipe(page, within(canvas, (0.4, 0.5), (0.2, 0.5)), within(canvas, (0.6, 0.5), (0.8, 0.5)))
    zoomed = page.evaluate(view)
    assert zoomed[2] - zoomed[0] == pytest.approx((whole[2] - whole[0]) / 3, rel=0.1)
    assert page.evaluate("visualViewport.scale") == 1
    swipe(page, within(canvas, (0.3, 0.4), (0.7, 0.6)))
    page.wait_for_url("**selected=**")
    open_section(page, address, "Dimensions")
    rows = page.locator(".latent-strip .rows").first
    rows.evaluate("it => it.scrollIntoView({ block: 'center' })")
    changed = "before => document.querySelector('.latent-strip .picture').toDataURL() !== before"
    before = page.locator(".latent-strip .picture").first.evaluate("canvas => canvas.toDataURL()")
    swipe(page, within(rows, (0.5, 0.5), (0.95, 0.5)))
    page.wait_for_function(changed, arg=before)
    page.close()
