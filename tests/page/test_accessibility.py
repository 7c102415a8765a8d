"""The page for everybody: read by a screen reader, used by keyboard alone, on a window of 400 pixels."""

import re
import time

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from latent import shelf
from latent.shelf import Kept
from tests.support.browser import FITS, IMAGES, compact, kept_names, open_section, settled
from tests.support.exhaustive import few_of
from tests.support.page import SECTIONS

pytestmark = pytest.mark.browser

KEPT = shelf.to_link(Kept("mine", "Map", np.ones(16, np.float32), np.zeros((28, 28), np.uint8)))
MANY_TABS = 60
BACKGROUND = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
NARROW = (600, 400)  # pixels


def open_everything(page: Page) -> None:
    for summary in page.get_by_test_id("stExpander").locator("summary").all():
        beside = summary.evaluate(
            "summary => summary.getBoundingClientRect().right <= 0"
        )  # in a sidebar that is closed
        if not beside and not summary.evaluate("summary => summary.parentElement.open"):
            summary.click()
            settled(page)


SECONDS_TO_FADE = 10  # what fades in, or changes with the theme, has its colours only when it is there
COLOURS = ("color-contrast", "link-in-text-block")  # the rules that another theme may break


def lasting_violations(page: Page, *rules: str) -> list[str]:
    """The serious violations that are still there when all colours have faded in."""
    deadline = time.monotonic() + SECONDS_TO_FADE
    while violations := serious_violations(page, *rules):
        if time.monotonic() > deadline:
            break
        page.wait_for_timeout(300)
    return violations


def serious_violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds against WCAG and good practice, and holds to shut people out; by all rules, or by these."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    violations = Axe().run(page, options=options).response["violations"]
    return [
        f"{found['id']}: {node['html'][:200]} {node['failureSummary']}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("section", few_of(SECTIONS, ["Overview"]))
def test_no_section_shuts_anybody_out(page, address, section):
    """In the light and in the dark by axe's rules, and none scrolls sideways in a narrow window."""
    open_section(page, address, section, f"&kept={KEPT}")
    open_everything(page)
    for chart in page.get_by_test_id("stVegaLiteChart").all():
        expect(chart).to_have_attribute("role", "graphics-document")  # once it is drawn
        expect(chart, "a chart does not say what it shows").to_have_attribute("aria-label", re.compile(".{9}"))
    assert lasting_violations(page) == []
    light = page.evaluate(BACKGROUND)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => ({BACKGROUND})() !== light", arg=light)
    assert lasting_violations(page, *COLOURS) == []
    for width in NARROW:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(FITS)


def test_the_check_finds_what_it_is_for(page, address):
    open_section(page, address, "Model")
    wrong = '<img src="data:,"><input><p style="color: #ddd; background: #fff">pale</p>'
    on_top = f'<main style="position: fixed; inset: 0; z-index: 9999999; background: #fff">{wrong}</main>'
    page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", on_top)
    found = {violation.split(":")[0] for violation in serious_violations(page)}
    assert {"image-alt", "label", "color-contrast"} <= found


class TestKeyboard:
    def tab_to(self, page, condition):
        """Press Tab until the element in focus, also inside a shadow root, meets a condition of JavaScript."""
        for _ in range(MANY_TABS):
            page.keyboard.press("Tab")
            if page.evaluate(
                "condition => { let at = document.activeElement;"
                " while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;"
                " return Boolean(at && new Function('at', `return ${condition}`)(at)) }",
                condition,
            ):
                return
        pytest.fail(f"{MANY_TABS} times Tab did not reach {condition}")

    def test_a_section_is_chosen_a_slider_moved_and_a_picture_kept(self, page, address):
        open_section(page, address, "Clusters")
        self.tab_to(page, "at.type === 'radio' && at.closest('.st-key-section')")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("heading", name="Generate", exact=True)).to_be_visible(timeout=60_000)
        settled(page)

        before = page.evaluate(IMAGES)
        self.tab_to(page, "at.getAttribute('role') === 'slider' || at.type === 'range'")
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))
        settled(page)

        self.tab_to(page, "at.ariaLabel?.startsWith('Add to shelf: ')")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator(".latent-shelf li")).to_have_count(1)
        assert kept_names(page) == ["sample 2"]

    @pytest.mark.exhaustive
    def test_what_is_in_focus_shows(self, page, address):
        open_section(page, address, "Generate")
        self.tab_to(page, "at.ariaLabel?.startsWith('Add to shelf: ')")
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


class TestNarrow:
    WIDTH = NARROW[-1]

    @pytest.fixture
    def narrow(self, page):
        page.set_viewport_size({"width": self.WIDTH, "height": 800})
        return page

    def test_the_controls_work_and_the_sidebar_opens_and_closes(self, narrow, address):
        open_section(narrow, address, "Generate")
        before = narrow.evaluate(IMAGES)
        narrow.get_by_role("slider", name="Samples").press("ArrowLeft")
        narrow.wait_for_function(f"before => JSON.stringify(({IMAGES})()) !== before", arg=compact(before))
        sidebar = narrow.get_by_test_id("stSidebar")
        expect(sidebar).to_have_attribute("data-collapsed", "true")
        narrow.get_by_test_id("stExpandSidebarButton").click()
        expect(sidebar).not_to_have_attribute("data-collapsed", "true")
        narrow.wait_for_timeout(500)  # it slides in
        box = sidebar.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= self.WIDTH
        assert narrow.get_by_test_id("stSidebarContent").evaluate("it => it.scrollWidth - it.clientWidth") <= 1
        narrow.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
        expect(sidebar).to_have_attribute("data-collapsed", "true")
