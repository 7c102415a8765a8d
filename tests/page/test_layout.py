"""The page at a glance: what is seen of every section before anybody scrolls, and where its controls are."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import FITS, MAIN, open_section, settled
from tests.support.exhaustive import few_of, few_rows_of
from tests.support.page import SECTIONS

pytestmark = pytest.mark.browser

LAPTOP, PHONE = {"width": 1366, "height": 650}, {"width": 400, "height": 800}
FIRST_PICTURE = 330  # pixels from the top within which the first picture begins
WITHOUT_CONTROLS = ("Overview", "Live")  # the one shows only, the other has all of its own, in the browser
CONTROLS = ".stSlider, .stSelectbox, .stNumberInput, .stRadio, .stCheckbox, .stTextArea, .stFileUploader"
SEEN = f"""([controls, pictures]) => {{
    const box = element => {{
        const {{ left, top, right, bottom }} = element.getBoundingClientRect()
        return {{ left, top, right, bottom, name: element.closest('[class*=st-key]')?.className ?? element.tagName }}
    }}
    const seen = selector => ({MAIN})()(selector)
        .filter(element => !element.closest('[data-testid=stExpanderDetails]'))
        .map(box).filter(box => box.right - box.left > 20 && box.bottom - box.top > 20)
    return [seen(controls), seen(pictures)]
}}"""
PICTURES = "img, canvas, .latent-table, [data-testid=stVegaLiteChart], [data-testid=stDataFrame]"
COMPLETE = """() => !document.querySelector('[data-testid=stMain] [data-testid=stSkeleton]')
    && [...document.querySelectorAll('[data-testid=stMain] img')].every(image => image.complete)"""


def seen(page: Page):
    """Where the controls of the section and its pictures, charts and tables are, once all are there; from the top."""
    page.wait_for_function(COMPLETE, timeout=60_000)
    for chart in page.get_by_test_id("stVegaLiteChart").all():
        expect(chart).to_have_attribute("role", "graphics-document", timeout=60_000)
    found = page.evaluate(SEEN, [CONTROLS, PICTURES])
    return [sorted(boxes, key=lambda box: (box["top"], box["left"])) for boxes in found]


@pytest.mark.parametrize("section", few_of(SECTIONS, ["Arithmetic"]))
def test_every_section_shows_its_controls_and_a_picture_at_once(page, address, section):
    page.set_viewport_size(LAPTOP)
    open_section(page, address, section)
    controls, pictures = seen(page)
    first = pictures[0]
    assert bool(controls) != (section in WITHOUT_CONTROLS)
    for control in controls:
        assert control["bottom"] <= LAPTOP["height"], control["name"]
        assert control["right"] <= LAPTOP["width"], control["name"]
    assert first["top"] < FIRST_PICTURE
    assert (first["top"] + first["bottom"]) / 2 <= LAPTOP["height"]
    of_sidebar = page.locator(".stSidebar :is(.stSlider, .stSelectbox, .stNumberInput, .stRadio, .stCheckbox)")
    expect(of_sidebar).to_have_count(3)  # which model, which images, which section

    page.set_viewport_size(PHONE)
    page.wait_for_function(FITS)
    controls, pictures = seen(page)
    if section == "Diagnose":  # whose findings come first, each with a button; the topic stands on what it changes
        assert page.locator(".st-key-diagnose_show_0").bounding_box()["y"] < 0.75 * PHONE["height"]
        assert controls[0]["top"] < pictures[0]["top"]
    elif controls:
        assert controls[0]["top"] < min(pictures[0]["top"], 0.75 * PHONE["height"])


@pytest.mark.parametrize(
    ("section", "query"),
    few_rows_of(
        [("Sampler lab", ""), ("Diagnose", ""), ("Diagnose", "&checkpoint=vae-16")],
        [("Sampler lab", "")],
    ),
)
def test_no_column_of_a_table_is_cut_off(page, address, section, query):
    page.set_viewport_size(LAPTOP)
    open_section(page, address, section, query)
    seen(page)
    tables = page.locator("[data-testid=stMain] .latent-table")
    expect(tables.first).to_be_attached()
    assert set(tables.evaluate_all("tables => tables.map(table => table.scrollWidth - table.clientWidth)")) == {0}


def test_the_scores_of_two_models_fit_a_phone(page, address):
    page.set_viewport_size(PHONE)
    open_section(page, address, "Compare runs")
    table = page.locator(".latent-texts table")
    expect(table.get_by_text("Better")).to_be_visible()
    box = table.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_the_number_of_every_finding_is_seen(page, address):
    """A row that scrolls sideways would hide what stands left of it."""
    page.set_viewport_size(LAPTOP)
    open_section(page, address, "Diagnose", "&checkpoint=vae-16")
    tenth = page.locator("[data-testid=stMain] ol[start='10'] > li")
    expect(tenth).to_be_visible()
    room = tenth.evaluate(
        """item => {
        const pen = document.createElement('canvas').getContext('2d')
        pen.font = getComputedStyle(item).font
        return parseFloat(getComputedStyle(item).marginLeft) - pen.measureText('10. ').width }"""
    )
    assert room >= 0


def test_the_whole_sidebar_fits_a_low_window(page, address):
    page.set_viewport_size(LAPTOP)
    open_section(page, address, "Generate")
    sidebar = page.get_by_test_id("stSidebar")
    for text in ("Open a file", "Compare runs", "Copy link", "Shelf"):
        box = sidebar.get_by_text(text, exact=True).first.bounding_box()
        assert box["y"] + box["height"] <= LAPTOP["height"], text


@pytest.mark.parametrize("window", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_the_figure_of_a_finding_comes_into_sight(page, address, window):
    """It lies below the findings on a phone; on a laptop above those to which one had to scroll."""
    page.set_viewport_size(window)
    open_section(page, address, "Diagnose")
    topic = page.locator(".st-key-diagnose_topic")
    for place in (1, 6):  # two topics
        page.locator(f".st-key-diagnose_show_{place} button").locator("visible=true").first.click()
        settled(page)
        expect(topic).to_be_in_viewport()
