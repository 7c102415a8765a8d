import html
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from latent import handout, notebook
from latent.errors import ArgumentError
from latent.measure.evidence import Evidence
from tests.support.browser import chromium
from tests.support.models import CHECKPOINTS, ROOT

GUIDE_SESSION = """
from latent.notebook import *
z, imgs = generate_and_visualize_random(16, 'learned', scale=1.0)
explore_dimension(0, value_range=(-2, 2), n_steps=10)
my_latent = [0.0] * latent_dim  # All zeros
my_latent[0] = 2.0  # Set first dimension
decoded = decode_custom_vector(my_latent)
latent_arithmetic_demo()
compare_real_and_generated()
assert z.shape == (16, 16) and imgs.shape == (16, 28, 28) and decoded.shape == (28, 28), "shapes"
"""


@pytest.fixture(autouse=True)
def default_checkpoint():
    yield notebook.open_checkpoint()
    notebook.opened.cache_clear()


def test_the_guides_session_runs_silently_in_plain_python():
    done = subprocess.run([sys.executable, "-c", GUIDE_SESSION], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


def test_generate_takes_every_distribution_and_follows_scale():
    for distribution in ("normal", "learned", "uniform", "gaussian"):
        z, images = notebook.generate_and_visualize_random(4, distribution)
        assert z.shape == (4, 16)
        assert images.shape == (4, 28, 28)
    near, _ = notebook.generate_and_visualize_random(4, "learned", scale=0.5)
    far, _ = notebook.generate_and_visualize_random(4, "learned", scale=1.0)
    assert near.std() < far.std()
    with pytest.raises(ArgumentError, match="mixture"):
        notebook.generate_and_visualize_random(4, "gan")


def test_explore_dimension_moves_one_dimension_from_zeros_by_default(default_checkpoint):
    space = default_checkpoint
    pictures = notebook.explore_dimension(dim_index=3, value_range=(-2, 2), n_steps=5, base_vector=None)
    assert np.allclose(pictures[2], space.decode(np.zeros(16))[0], atol=1e-5)
    codes = np.zeros((5, 16))
    codes[:, 3] = [-2, -1, 0, 1, 2]
    assert np.allclose(pictures, space.decode(codes), atol=1e-5)
    assert np.allclose(
        notebook.explore_dimension(3, (-2, 2), 5, space.z[7])[2],
        space.decode([*space.z[7][:3], 0, *space.z[7][4:]])[0],
        atol=1e-5,
    )


def test_a_custom_vector_may_be_a_list_an_array_or_text(default_checkpoint):
    numbers = [0.5] * 16
    expected = default_checkpoint.decode(numbers)[0]
    for vector in (numbers, np.array(numbers), np.array([numbers]), ", ".join(map(str, numbers))):
        assert np.array_equal(notebook.decode_custom_vector(vector), expected)
    with pytest.raises(ArgumentError, match="16"):
        notebook.decode_custom_vector([1.0] * 8)


@pytest.mark.exhaustive
def test_arithmetic_comparison_and_statistics(default_checkpoint):
    pictures = notebook.latent_arithmetic_demo()
    assert {"average", "difference", "sum"} < set(pictures)
    assert all(picture.shape == (28, 28) for picture in pictures.values())
    real, generated = notebook.compare_real_and_generated(9)
    assert real.shape == generated.shape == (9, 28, 28)
    statistics = notebook.analyze_statistics(1000)
    assert np.allclose(statistics["mean"], default_checkpoint.z[:1000].mean(axis=0), atol=1e-4)
    assert notebook.interpolate(default_checkpoint.z[0], default_checkpoint.z[1], 7, "spherical").shape == (7, 28, 28)


def test_latent_dim_is_a_whole_number_that_follows_the_open_checkpoint():
    from latent.notebook import latent_dim

    assert latent_dim == 16
    assert [0] * latent_dim == [0] * 16
    assert (latent_dim - 1, 2 * latent_dim, latent_dim // 2, latent_dim > 3) == (15, 32, 8, True)
    assert np.zeros(latent_dim).shape == (16,)
    assert (repr(latent_dim), len(range(latent_dim))) == ("16", 16)
    notebook.open_checkpoint(CHECKPOINTS / "ae-2.pt")
    assert latent_dim == 2
    assert [0] * latent_dim == [0, 0]


@pytest.mark.exhaustive
def test_the_explorer_is_the_whole_interactive_page_below_its_cell(default_checkpoint):
    cell = nbformat.v4.new_code_cell("from latent.notebook import *\nopen_checkpoint()\nshow_explorer(60)")
    book = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    shown = book.cells[0].outputs[-1]
    assert shown.output_type == "display_data", "the page is shown, and not printed as text"
    (content,) = re.findall('srcdoc="([^"]*)"', shown.data["text/html"])
    pages = html.unescape(content), handout.page(Evidence.with_kept(default_checkpoint), 60)
    ours, right = (re.sub("gradient_[0-9]+", "gradient", page) for page in pages)  # which are counted on
    assert ours == right


DRAWN_ANEW = """async (canvas, before) => {
    while (canvas.toDataURL() === before) await new Promise(requestAnimationFrame) }"""


@pytest.mark.browser
@pytest.mark.exhaustive
def test_in_its_frame_the_explorer_is_alive(default_checkpoint, tmp_path):
    path = tmp_path / "cell.html"
    frame = notebook.framed(handout.page(Evidence.with_kept(default_checkpoint), 60), 800)
    path.write_text(f"<!doctype html><p>a cell</p>{frame}", encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        complaints = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        inside = page.frame_locator("iframe")
        inside.locator("html[data-ready]").wait_for(state="attached")
        picture = inside.locator("#live canvas").first
        before = picture.evaluate("canvas => canvas.toDataURL()")
        inside.get_by_label("Dimension 0", exact=True).first.press("End")
        picture.evaluate(DRAWN_ANEW, before)
        assert complaints == []


@pytest.mark.exhaustive
def test_the_notebook_runs_and_shows_its_pictures():
    path = ROOT / "notebooks" / "latent_exploration.ipynb"
    committed = nbformat.read(path, as_version=4)
    executed = NotebookClient(
        nbformat.read(path, as_version=4), timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    for before, after in zip(committed.cells, executed.cells, strict=True):
        if after.cell_type == "code":
            shown = [output for output in after.outputs if "image/png" in output.get("data", {})]
            kept = [output for output in before.outputs if "image/png" in output.get("data", {})]
            assert len(shown) == len(kept), f"run the notebook again and commit it: {after.source[:60]}"
    assert sum(len(cell.get("outputs", [])) for cell in executed.cells) >= 10
