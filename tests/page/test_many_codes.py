"""The map of a file of codes: its density, the codes of what is zoomed into, and the view in the link."""

import io

import numpy as np
import pytest
from playwright.sync_api import expect

from latent import checkpoint, density
from latent.encoded import Encoded
from latent.streaming import Histogram, Moments
from tests.support.browser import chromium, served, settled
from tests.support.models import ROOT, tiny
from tests.support.page import delivered, opened, own_folders, parts

N = 30_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and a file of its codes, the one in the last row missing."""
    base = tmp_path_factory.mktemp("many")
    (base / "models").mkdir()
    saved = checkpoint.save(base / "models" / "tiny.pt", tiny(latent_dim=2))
    z = np.random.default_rng(0).standard_normal((N, 2), np.float32)
    z[-1] = np.nan
    moments = Moments.of(z)
    path = base / "models" / "many.npy"
    np.save(path, z)
    histogram = Histogram.over(moments).count(z)
    Encoded(path, "tiny.pt", saved.sha256, N, 2, {"folder": "photos"}, moments, histogram, 1, ("lost.png",)).save()
    return base


@pytest.fixture
def z(folder):
    with own_folders(folder):
        yield np.load(folder / "models" / "many.npy")


def windows(app):
    """What each window of the map holds, by what its parcel says: how many counts, its box, how many codes."""
    (shown,) = parts(app, "map").values()
    found = [delivered(app)[name] for name in shown["windows"]]
    return [(each["arrays"]["counts"][2], each["box"], each["arrays"]["numbers"][2]) for each in found]


def test_all_codes_are_a_density_and_those_of_a_small_window_dots(z, monkeypatch):
    monkeypatch.setattr(density, "MOST_DOTS", 1000)
    app = opened("Map", map_codes="many")
    ((cells, box, n),) = windows(app)
    assert (cells, n) == (density.CELLS[0] * density.CELLS[1], 0)
    assert np.allclose(box, [*np.nanmin(z, axis=0), *np.nanmax(z, axis=0)])
    app = opened("Map", map_codes="many", map_view="0,0,0.2,0.2", map_dot="17")
    whole, (_, box, n) = windows(app)
    assert whole[1:] == (whole[1], 0)
    assert box == [0, 0, 0.2, 0.2]
    assert n == ((z >= 0) & (z <= 0.2)).all(axis=1).sum() > 0
    assert app.subheader[0].value == "Code 17"
    assert app.query_params["map_view"] in ("0,0,0.2,0.2", ["0,0,0.2,0.2"])


@pytest.mark.parametrize("view", ["", "1,2", "2,0,1,1", "nan,0,1,1", "0,0,1e300,1", "x"])
def test_a_view_that_is_none_shows_all_codes(z, view):
    assert len(windows(opened("Map", map_codes="many", map_view=view))) == 1


def test_the_python_at_the_end_gives_the_same_window(z):
    app = opened("Map", python=True, map_codes="many", map_view="-1,-1,1,2")
    given = {}
    exec(app.code[0].value, given)
    right = np.histogram2d(z[:-1, 1], z[:-1, 0], [np.linspace(-1, 2, 81), np.linspace(-1, 1, 121)])[0]
    assert np.array_equal(given["counts"], right)
    made = app.session_state["latent"].downloads["NPZ"]()
    with np.load(io.BytesIO(made)) as file:
        assert np.array_equal(file["counts"], right)
    assert "Figures" in app.session_state["latent"].downloads


def test_a_missing_code_is_said_to_be(z):
    app = opened("Map", map_codes="many", map_dot=str(N - 1))
    assert any("is missing" in each.value for each in app.info)


@pytest.mark.browser
def test_zooming_shows_dots_and_a_click_on_one_its_code(folder):
    with served(ROOT / "streamlit_app.py", LATENT_CHECKPOINTS=str(folder / "models")) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1366, "height": 650})
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/?section=Map&map_codes=many")
        canvas, legend = page.locator(".latent-map canvas"), page.locator(".latent-map .legend")
        expect(legend).to_contain_text("Density: at most", timeout=60_000)
        settled(page)
        canvas.focus()
        for _ in range(6):
            page.keyboard.press("+")
        expect(legend).to_contain_text("codes, each a dot", timeout=20_000)
        page.wait_for_url("**map_view=**")
        x, y, number = page.evaluate("""() => {
            const { map } = document.querySelector(".latent-map")
            const { width, height } = map.canvas.getBoundingClientRect()
            const pixels = Array.from(map.numbers, (_, i) => map.pixelOf(map.places[2 * i], map.places[2 * i + 1]))
            const dot = pixels.findIndex(([x, y]) => x > 100 && x < width - 150 && y > 60 && y < height - 60)
            return [...pixels[dot], map.numbers[map.dotAt(...pixels[dot])]]
        }""")
        before = page.evaluate("document.querySelector('.latent-map').map.view.join()")
        canvas.click(position={"x": x, "y": y})
        expect(page.get_by_role("heading", name=f"Code {number:,}")).to_be_visible(timeout=20_000)
        assert page.evaluate("document.querySelector('.latent-map').map.view.join()") == before
        assert not complaints
