"""What all tests share: a tiny seeded model, and real data in torchvision's layout made from the shipped digits."""

import functools
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from streamlit.components.v2 import manifest_scanner

from latent import checkpoint, data
from latent.browser import live
from latent.measure.evidence import Evidence
from latent.page import sections
from latent.page.turns import Turns
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS, ROOT, filmed, tiny

settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")

# Streamlit's test harness looks for components in every installed package anew for every page: 0.4 s.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


@pytest.fixture
def tiny_file(tmp_path) -> Path:
    path = tmp_path / "tiny.pt"
    checkpoint.save(path, tiny())
    return path


@pytest.fixture
def tiny_space(tiny_file) -> LatentSpace:
    return LatentSpace.open(tiny_file)


FILM_PAGE = """
from latent.page.panels.film import show_films
from latent.page.sections import Page

page = Page()


@page.section("Training", group="look")
def training_section(space):
    show_films([space])


page.show()
"""


@pytest.fixture
def film_page(tmp_path):
    """A page of one section, which shows the film, and two checkpoints: one that has a film and one that has none."""
    checkpoint.save(tmp_path / "filmed.pt", filmed())
    checkpoint.save(tmp_path / "plain.pt", tiny())
    path = tmp_path / "page.py"
    path.write_text(FILM_PAGE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def space() -> LatentSpace:
    """The default shipped checkpoint."""
    return LatentSpace.open(CHECKPOINTS / "ae-16.pt")


@pytest.fixture(scope="session")
def evidence(space) -> Evidence:
    """What is measured of it, with the results that are shipped: `tests/test_results.py` holds them to the measures."""
    return Evidence.with_kept(space)


@pytest.fixture(scope="session")
def fashion_folder(tmp_path_factory) -> Path:
    """A folder with FashionMNIST's four files that hold some of the shipped digits: no network is needed."""
    folder = tmp_path_factory.mktemp("data")
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = data.evaluation_digits()
    for name, part in (("train", slice(0, 3000)), ("t10k", slice(6000, 7000))):
        x, y = images[part], labels[part]
        (raw / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, len(x), 28, 28) + x.tobytes())
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(y)) + y.tobytes())
    return folder


@pytest.fixture(scope="session")
def modules(tmp_path_factory) -> Path:
    """The JavaScript where Node takes it for modules."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ["special_functions", "products", "decoder", "stage", "sheet", "live", "strip", "inbox", "density"]:
        shutil.copy(ROOT / "latent" / "browser" / f"{name}.js", folder)
    (folder / "activations.js").write_text(live.activations())
    (folder / "products_wasm.js").write_text(live.products_wasm())
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.fixture(autouse=True)
def deterministic_threads():
    """One thread, so that sums are added in the same order everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_browser_to_wait_for(monkeypatch, request):
    """Pages that are run without a browser, and it is most of them, leave it no time to draw."""
    if "turns" not in request.path.name:
        monkeypatch.setattr(Turns, "pause", lambda turns, seconds: None)


@pytest.fixture(autouse=True)
def nobody_who_compares_later(monkeypatch, request):
    """Pages do not open a second model for whoever goes to Compare runs after them: here nobody does."""
    if "overview" not in request.path.name:
        monkeypatch.setattr(sections, "open_most_alike", lambda space: None)


def pytest_addoption(parser):
    text = "run also the tests that repeat, for every model or file, what another test shows for some"
    parser.addoption("--exhaustive", action="store_true", help=text)


SLOWEST_FIRST = (
    "test_sections.py", "test_reading.py", "test_in_chromium.py", "test_encode.py", "test_live.py", "test_train.py",
    "test_accessibility.py", "test_described.py", "test_strips.py", "test_handout.py", "test_compare.py",
    "test_results.py", "test_many_visitors.py", "test_notebook.py", "test_own_images.py", "test_install.py",
)  # fmt: skip


def pytest_collection_modifyitems(config, items):
    """Without what is exhaustive; the files that take longest first, so that all processes end at about one time."""
    if not config.getoption("exhaustive"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    order = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
