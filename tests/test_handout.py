"""The handout: one file that opens without a server, whose decoder gives what torch gives."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from latent import browser, handout
from latent.dataset import Dataset
from latent.document import STYLE
from latent.errors import DecoderError
from latent.measure import findings
from latent.measure.evidence import Evidence
from latent.space import LatentSpace
from tests.support.browser import chromium
from tests.support.javascript import ALLOWED
from tests.support.models import CHECKPOINTS, FOREIGN, ROOT, tiny
from tests.support.touch import swipe, within

LARGEST = 8_000_000  # bytes, with 2,000 images
SOONEST = 2  # seconds until it can be used
CONDITIONAL = FOREIGN / "ah-afshin__generative_digit_clustering__cvae_autoencoder.pth"


@pytest.fixture(scope="module")
def kept(space) -> Evidence:
    """What ships of the default model: nothing has to be measured."""
    return Evidence.with_kept(space)


@pytest.fixture(scope="module")
def file(kept, tmp_path_factory):
    path = tmp_path_factory.mktemp("handout") / "explorer.html"
    path.write_text(handout.page(kept), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def text(file) -> str:
    return file.read_text(encoding="utf-8")


class TestFile:
    def test_it_is_small_enough_to_be_sent(self, text, space):
        content = json.loads(re.search(r'id="content">(.*?)</script>', text).group(1))
        assert content["map"]["alt"].startswith("Map of 2,000 codes")
        assert len(text.encode()) <= LARGEST

    def test_nothing_in_it_leads_elsewhere(self, text):
        """And the browser is told to fetch nothing."""
        markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
        addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', markup)
        assert addresses
        assert all(address.startswith(("#", "data:")) for address in addresses)
        assert "default-src 'none'" in text

    def test_the_report_is_in_it_and_prints(self, text, kept):
        found = findings.findings(kept)
        assert len(found) >= 5
        for each in found:
            assert each.text.replace("<", "&lt;").replace(">", "&gt;") in text
        assert "@media print { .interactive, nav { display: none } }" in text
        assert STYLE in text

    def test_no_module_in_javascript_is_made_for_streamlit(self):
        """Those in JavaScript: of Streamlit none knows, but the one that watches its connection."""
        folder = ROOT / "latent" / "browser"
        know = re.compile(r"streamlit|data-testid|\bst[A-Z]")
        knowing = {path.name for path in folder.glob("*.js") if know.search(path.read_text(encoding="utf-8"))}
        assert knowing <= {"reconnect.js"}
        assert not re.search("streamlit", handout.script_text(), re.IGNORECASE)

    def test_text_from_outside_ends_no_script(self):
        name = "</script><script>alert(1)</script>"
        assert "<" not in handout.in_script({"name": name})
        assert json.loads(handout.in_script({"name": name})) == {"name": name}


class TestOtherModels:
    def test_a_decoder_that_cannot_run_in_the_browser_is_left_out_with_a_sentence(self, tiny_space, monkeypatch):
        def refuse(model):
            raise DecoderError("The browser cannot run such layers.")

        monkeypatch.setattr("latent.browser.live.compile", refuse)
        text = handout.page(Evidence.of(tiny_space), 50)
        assert "The parts that decode are left out: The browser cannot run such layers." in text
        assert 'id="live"' not in text
        assert 'id="map"' in text

    def test_without_classes_the_map_is_coloured_by_a_dimension_and_has_no_filter(self, colours):
        text = handout.page(colours)
        assert "coloured by dimension" in text
        assert "Press classes" not in text

    def test_a_decoder_only_file_has_its_traversals_and_no_images(self, tiny_space, monkeypatch):
        alone = replace(tiny_space.signature, has_encoder=False)
        monkeypatch.setattr(type(tiny_space.model), "signature", property(lambda model: alone))
        text = handout.page(Evidence.of(tiny_space), 50)
        assert handout.DECODER_ONLY in text
        assert 'id="sweep"' in text
        assert 'id="live"' not in text
        assert 'class="parcel"' in text


@pytest.fixture(scope="module")
def colours() -> Evidence:
    """A tiny model of 60 colour images without classes."""
    pictures = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    saved = tiny(image_shape=(3, 32, 32), latent_dim=3)
    return Evidence.of(LatentSpace.of("colours", saved, Dataset.of(pictures, name="noise")))


def test_rows_are_all_images_where_there_are_few_and_else_those_that_the_page_shows(space):
    assert np.array_equal(handout.rows_shown(space, 20_000), np.arange(len(space.z)))
    rows = handout.rows_shown(space, 500)
    assert len(np.unique(rows)) == 500
    assert {0, *space.examples(10)} <= set(rows)


def test_several_modules_fit_into_one_script():
    assert browser.scoped("const a = 1\nexport default function () {}\n").count("exported") == 2


class TestCommand:
    def test_it_writes_the_file_of_what_is_kept(self, tmp_path, capsys):
        out = tmp_path / "explorer.html"
        assert handout.main([str(CHECKPOINTS / "ae-2.pt"), "--out", str(out), "--number", "100"]) == 0
        assert "%" not in capsys.readouterr().err, "nothing was measured"
        assert out.read_text().startswith("<!doctype html>")

    def test_a_wrong_number_is_refused(self, tiny_file, capsys):
        with pytest.raises(SystemExit):
            handout.main([str(tiny_file), "--out", "page.html", "--number", "0"])
        assert "at least 1" in capsys.readouterr().err


# In a real Chromium, by file://.


@pytest.fixture(scope="module", name="chromium")
def one_chromium() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Screen:
    """The file in a window, and all that it asks for or complains about."""

    def __init__(self, chromium: Browser, **options) -> None:
        self.page = chromium.new_page(**options)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path) -> None:
        """Open a file, and wait until it can be used."""
        self.page.goto(path.as_uri(), wait_until="commit")
        self.page.locator("html[data-ready]").wait_for(state="attached")

    def decode(self, code: np.ndarray, asked: int = 0) -> np.ndarray:
        return np.array(self.page.evaluate("([z, asked]) => [...latent.decode(z, asked)]", [code.tolist(), asked]))

    def picture(self, selector: str) -> bytes:
        return bytes(
            self.page.locator(selector).evaluate(
                "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
            )
        )

    def fits(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture
def screen(chromium, file) -> Iterator[Screen]:
    screen = Screen(chromium, viewport={"width": 1366, "height": 650})
    screen.open(file)
    yield screen
    assert not screen.complaints
    assert all(address.startswith(("file:", "data:", "blob:")) for address in screen.requests)
    screen.page.close()


@pytest.fixture
def fingers(chromium, file) -> Iterator[Screen]:
    """The file on a phone."""
    screen = Screen(chromium, viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    screen.open(file)
    yield screen
    screen.page.close()


@pytest.mark.browser
class TestInBrowser:
    def test_it_opens_soon(self, chromium, file):
        """In seconds of the browser's main thread, which others that work on the machine do not slow down."""
        screen = Screen(chromium)
        session = screen.page.context.new_cdp_session(screen.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        screen.open(file)
        measured = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        assert 0 < measured["TaskDuration"] <= SOONEST
        screen.page.close()

    def test_its_decoder_gives_what_torch_gives(self, screen, space):
        for code in (space.z[0], space.z[7], space.z[:100].mean(axis=0), 2 * space.z[3]):
            assert np.abs(screen.decode(code) - space.decode(code).ravel()).max() <= ALLOWED

    def test_a_slider_moves_the_code_of_every_part(self, screen):
        before = [screen.picture(name) for name in ("#chosen-decoded", "#strip-host .picture")]
        screen.page.get_by_role("slider", name="Dimension 3", exact=True).first.press("End")
        expect(screen.page.locator("#chosen-name")).to_have_text("The code of the decoder")
        expect(screen.page.locator("#sweep-others")).to_have_text("Other dimensions as in the code of the decoder.")
        after = [screen.picture(name) for name in ("#chosen-decoded", "#strip-host .picture")]
        assert all(old != new for old, new in zip(before, after))

    def test_the_map_says_what_is_hovered_over_and_shows_what_is_clicked(self, screen, space):
        x, y = place_of_a_dot(screen.page)
        screen.page.mouse.move(x, y)
        hint = screen.page.locator(".latent-map .hint")
        expect(hint).to_be_visible()
        number = int(hint.inner_text().rpartition(" ")[2])
        assert hint.inner_text() == f"class {space.labels[number]} · test image {number}"
        screen.page.mouse.click(x, y)
        expect(screen.page.locator("#chosen-name")).to_have_text(f"Class {space.labels[number]}, image {number}")
        original = np.frombuffer(screen.picture("#chosen-original"), np.uint8).reshape(28, 28, 4)[..., 0]
        assert np.array_equal(original, space.images[number])
        base = screen.page.evaluate("latent.chosen().code")
        assert np.allclose(base, space.z[number], atol=1e-5)

    @pytest.mark.exhaustive
    def test_pressed_classes_alone_are_on_the_map(self, screen):
        entry = screen.page.get_by_role("button", name="3", exact=True)
        everything = coloured(screen)
        entry.press("Enter")
        expect(entry).to_have_attribute("aria-pressed", "true")
        screen.page.wait_for_timeout(100)
        some = coloured(screen)
        assert 0 < some < 0.3 * everything
        entry.press("Enter")
        screen.page.wait_for_timeout(100)
        assert coloured(screen) == everything

    def test_a_strip_is_scrubbed_by_keys_and_by_the_pointer(self, screen):
        scrub = screen.page.get_by_role("slider", name="Place along the pictures, Dimension")
        scrub.scroll_into_view_if_needed()
        scrub.press("Home")
        first = screen.picture("#strip-host .picture")
        scrub.press("End")
        screen.page.wait_for_timeout(100)
        last = screen.picture("#strip-host .picture")
        assert first != last
        box = scrub.bounding_box()
        screen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        screen.page.wait_for_timeout(100)
        assert screen.picture("#strip-host .picture") not in (first, last)

    @pytest.mark.exhaustive
    def test_another_dimension_can_be_swept(self, screen):
        chosen = screen.page.locator("#sweep-dimension")
        name = chosen.locator("option").nth(2).inner_text()
        chosen.select_option(index=2)
        expect(screen.page.locator("#strip-host .label")).to_have_text(f"Dimension {name}")

    def test_a_click_on_an_image_shows_its_code(self, screen, space):
        screen.page.locator("#reconstructions button").nth(4).click()
        number = int(space.examples(10)[4])
        expect(screen.page.locator("#chosen-name")).to_have_text(f"Class {space.labels[number]}, image {number}")

    def test_codes_are_kept_on_the_shelf_and_played(self, screen):
        items = screen.page.locator(".latent-shelf li")
        expect(items).to_have_count(handout.N_KEPT)
        screen.page.locator("#live-host").get_by_role("button", name="Add to shelf").click()
        expect(items).to_have_count(handout.N_KEPT + 1)
        screen.page.get_by_role("button", name="Play").click()
        screen.page.wait_for_timeout(300)
        moved = screen.picture("#live-host .picture")
        screen.page.wait_for_timeout(300)
        assert screen.picture("#live-host .picture") != moved

    def test_a_narrow_dark_window_shows_it_all(self, chromium, file):
        screen = Screen(chromium, viewport={"width": 400, "height": 800}, color_scheme="dark", has_touch=True)
        screen.open(file)
        assert screen.fits()
        brightness = screen.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert max(brightness[:3]) < 60
        screen.page.locator("#map-host canvas").tap()
        screen.page.emulate_media(media="print")
        expect(screen.page.locator("#live")).to_be_hidden()
        expect(screen.page.locator("#findings")).to_be_visible()
        brightness = screen.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert min(brightness[:3]) == 255, "paper is white"
        assert not screen.complaints
        screen.page.close()

    def test_fingers_tap_scroll_select_zoom_and_move_the_map(self, fingers):
        page, canvas = fingers.page, fingers.page.locator("#map-host canvas")
        canvas.evaluate("it => it.scrollIntoView({ block: 'center' })")
        selected, view = page.locator(".latent-map .selected"), "document.querySelector('.latent-map').map.view"
        x, y = place_of_a_dot(page)
        page.touchscreen.tap(x, y)
        expect(page.locator("#chosen-name")).to_contain_text("image")
        assert page.locator("#chosen-name").inner_text() != "Class 7, image 0"

        before, whole = page.evaluate("scrollY"), page.evaluate(view)
        swipe(page, within(canvas, (0.5, 0.8), (0.5, 0.4)))
        page.wait_for_function("before => scrollY > before + 50", arg=before)
        expect(selected).to_be_hidden()
        page.wait_for_timeout(300)  # in which the page comes to rest
        canvas.evaluate("it => it.scrollIntoView({ block: 'center' })")

        swipe(page, within(canvas, (0.3, 0.4), (0.7, 0.6)))
        expect(selected).to_contain_text("selected")
        assert page.evaluate(view) == whole

        swipe(page, within(canvas, (0.4, 0.5), (0.2, 0.5)), within(canvas, (0.6, 0.5), (0.8, 0.5)))
        zoomed = page.evaluate(view)
        assert zoomed[2] - zoomed[0] == pytest.approx((whole[2] - whole[0]) / 3, rel=0.1)
        assert page.evaluate("visualViewport.scale") == 1

        page.locator(".latent-map").get_by_role("button", name="Move").tap()
        before = page.evaluate("scrollY")
        swipe(page, within(canvas, (0.5, 0.3), (0.5, 0.6)))
        moved = page.evaluate(view)
        assert moved[3] - zoomed[3] == pytest.approx(0.3 * (zoomed[3] - zoomed[1]), rel=0.15)
        assert page.evaluate("scrollY") == before
        assert not fingers.complaints

    def test_fingers_scrub_a_strip_and_drag_the_point_of_the_plane(self, fingers):
        page, pad = fingers.page, fingers.page.locator("#live-host .pad")
        pad.evaluate("it => it.scrollIntoView({ block: 'center' })")
        at, code = page.evaluate("scrollY"), page.evaluate("latent.chosen().code")
        swipe(page, within(pad, (0.3, 0.3), (0.6, 0.8)))
        expect(page.locator("#chosen-name")).to_have_text("The code of the decoder")
        assert page.evaluate("latent.chosen().code") != code
        assert page.evaluate("scrollY") == at

        rows = page.locator("#strip-host .rows")
        rows.evaluate("it => it.scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(100)
        before = fingers.picture("#strip-host .picture")
        swipe(page, within(rows, (0.5, 0.5), (0.95, 0.5)))
        assert fingers.picture("#strip-host .picture") != before
        at = page.evaluate("scrollY")
        swipe(page, within(rows, (0.5, 0.9), (0.5, -4)))
        page.wait_for_function("at => scrollY > at + 20", arg=at)
        assert not fingers.complaints

    def test_images_without_classes_and_in_colours_open_too(self, chromium, colours, tmp_path):
        path = tmp_path / "colours.html"
        path.write_text(handout.page(colours), encoding="utf-8")
        screen = Screen(chromium)
        screen.open(path)
        space = colours.space
        assert np.abs(screen.decode(space.z[0]) - space.decode(space.z[0]).ravel()).max() <= ALLOWED
        expect(screen.page.locator("#chosen-name")).to_have_text("Image 0")
        assert not screen.page.locator(".latent-map .legend button").count()
        assert not screen.complaints
        screen.page.close()


@pytest.mark.browser
class TestOtherModelsInBrowser:
    def test_a_decoder_only_file_opens(self, chromium, tiny_space, monkeypatch, tmp_path):
        alone = replace(tiny_space.signature, has_encoder=False)
        monkeypatch.setattr(type(tiny_space.model), "signature", property(lambda model: alone))
        screen = opened(chromium, handout.page(Evidence.of(tiny_space), 50), tmp_path)
        expect(screen.page.locator("#chosen-name")).to_have_text("Random code 0")
        screen.page.locator("#samples button").nth(2).click()
        expect(screen.page.locator("#chosen-name")).to_have_text("Sample 3")
        screen.page.locator("#strip-host").get_by_role("button", name="Add to shelf", exact=True).click()
        expect(screen.page.locator(".latent-shelf li")).to_have_count(handout.N_KEPT + 1)
        assert not screen.complaints
        screen.page.close()

    def test_without_a_decoder_the_map_still_shows_images(self, chromium, tiny_space, monkeypatch, tmp_path):
        def refuse(model):
            raise DecoderError("The browser cannot run such layers.")

        monkeypatch.setattr("latent.browser.live.compile", refuse)
        screen = opened(chromium, handout.page(Evidence.of(tiny_space), 50), tmp_path)
        x, y = place_of_a_dot(screen.page)
        screen.page.mouse.click(x, y)
        expect(screen.page.locator("#original-figure")).to_be_visible()
        expect(screen.page.locator("#decoded-figure")).to_be_hidden()
        assert not screen.complaints
        screen.page.close()

    @pytest.mark.exhaustive
    @pytest.mark.skipif(not CONDITIONAL.exists(), reason=f"{CONDITIONAL} is not here")
    def test_a_conditional_decoder_draws_the_class_that_is_asked_for(self, chromium, tmp_path):
        space = LatentSpace.open(CONDITIONAL)
        assert space.signature.conditional
        screen = opened(chromium, handout.page(Evidence.of(space), 50), tmp_path)
        for asked in (2, 7):
            expected = space.decode(space.z[0], np.array([asked])).ravel()
            assert np.abs(screen.decode(space.z[0], asked) - expected).max() <= ALLOWED
        before = screen.picture("#chosen-decoded")
        screen.page.locator("#asked").select_option("2")
        screen.page.wait_for_timeout(100)
        assert screen.page.evaluate("latent.chosen().asked") == 2
        assert screen.picture("#chosen-decoded") != before
        assert not screen.complaints
        screen.page.close()


def opened(chromium: Browser, text: str, folder) -> Screen:
    """A file of this text in a window."""
    path = folder / "opened.html"
    path.write_text(text, encoding="utf-8")
    screen = Screen(chromium, viewport={"width": 1366, "height": 900})
    screen.open(path)
    return screen


def place_of_a_dot(page: Page) -> tuple[float, float]:
    """The pixel of a dot that no other lies near on the map."""
    page.locator("#map-host canvas").scroll_into_view_if_needed()
    return page.evaluate("""() => {
        const { map } = document.querySelector(".latent-map")
        const { clientWidth, clientHeight } = map.canvas
        const dots = Array.from({ length: map.places.length / 2 }, (_, i) =>
            map.pixelOf(map.places[2 * i], map.places[2 * i + 1]))
        const between = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1])
        const free = (dot) => Math.min(...dots.filter((other) => other !== dot).map((other) => between(dot, other)))
        const inner = dots.filter(([x, y]) => x > 80 && x < clientWidth - 160 && y > 60 && y < clientHeight - 60)
        const [x, y] = inner.slice(0, 300).reduce((a, b) => (free(a) > free(b) ? a : b))
        const { left, top } = map.canvas.getBoundingClientRect()
        return [left + x, top + y]
    }""")


def coloured(screen: Screen) -> int:
    """How many pixels of the map are coloured."""
    return screen.page.locator("#map-host canvas").evaluate("""canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
        let found = 0
        for (let i = 0; i < data.length; i += 4) {
            const [red, green, blue] = data.subarray(i, i + 3)
            if (Math.max(red, green, blue) - Math.min(red, green, blue) > 30) found++
        }
        return found
    }""")
