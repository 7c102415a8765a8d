"""The package installed as a wheel, outside of this folder: imported, and the page opened on a model from anywhere."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from latent import checkpoint
from latent.__main__ import main
from tests.support.browser import chromium, free_port, open_section, serving
from tests.support.models import ROOT, tiny

LEFT_OUT = shutil.ignore_patterns(".*cache*", ".git", ".venv", "__pycache__", "tests", "data", "docs", "benchmarks")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the installed package and nothing else."""
    base = tmp_path_factory.mktemp("install")
    shutil.copytree(ROOT, base / "source", ignore=LEFT_OUT)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(base / "site"), str(base / "source")], check=True)
    shutil.rmtree(base / "source")
    return base / "site"


def run(installed: Path, folder: Path, *lines: str) -> str:
    command = [sys.executable, "-c", "\n".join(lines)]
    environment = {"PYTHONPATH": str(installed), "PATH": "", "LATENT_CACHE": str(folder / "cache")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def test_an_installed_package_brings_the_digits_the_judge_and_the_models_along(installed, tmp_path):
    said = run(
        installed,
        tmp_path,
        "import latent, latent.notebook as notebook",
        "from latent.measure import judge",
        "from latent.space import LatentSpace",
        "space = LatentSpace.open(notebook.DEFAULT_CHECKPOINT)",
        "print(latent.__file__, space.latent_dim, len(space.images), judge.load().names_classes, sep='\\n')",
    )
    place, *facts = said.split()
    assert Path(place).is_relative_to(installed)
    assert facts == ["16", "10000", "True"]


@pytest.mark.exhaustive
@pytest.mark.browser
def test_the_page_opens_on_a_model_and_its_images_from_anywhere(installed, tmp_path):
    checkpoint.save(tmp_path / "mine.pt", tiny(latent_dim=3, image_shape=(1, 8, 8)))
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8)
    np.savez(tmp_path / "photos.npz", images=images)
    port = free_port()
    command = [sys.executable, "-m", "latent", "mine.pt", "--images", "photos.npz", "--port", str(port), "--headless"]
    variables = {"PYTHONPATH": str(installed), "LATENT_CACHE": str(tmp_path / "cache")}
    with serving(command, port, tmp_path, **variables) as address, chromium() as browser:
        page = browser.new_page()
        open_section(page, address, "Overview")
        expect(page.get_by_role("combobox", name="Model file")).to_have_value("mine")
        expect(page.get_by_role("combobox", name="Images")).to_have_value("photos")
        expect(page.get_by_role("heading", name="Originals and reconstructions")).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    with socket.socket() as again:  # the server has ended with the command
        assert again.connect_ex(("127.0.0.1", port)) != 0


def test_a_path_that_does_not_exist_is_refused_before_a_server_starts(tmp_path, capsys):
    assert main([str(tmp_path / "none.pt")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'none.pt'} does not exist.\n"
    assert main([str(tmp_path), "--images", str(tmp_path / "none.npz")]) == 1


def test_a_file_that_is_no_model_is_refused_before_a_server_starts(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("learning rate 3e-4")
    assert main([str(tmp_path / "notes.txt")]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'notes.txt'} is not a model file: it is none of PyTorch, ")
