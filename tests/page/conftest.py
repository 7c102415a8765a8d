"""What tests of the page share: a checkpoint folder of a test's own, and the page in a real Chromium."""

from collections.abc import Iterator

import pytest
import streamlit as st
from playwright.sync_api import Browser, BrowserContext, Page

from latent import checkpoint
from tests.support.browser import chromium, served
from tests.support.models import ROOT, tiny

FEW_DIGITS = f"""
from latent import data
from latent.measure import smoothness

digits, labels = data.evaluation_digits()
data.evaluation_digits = lambda: (digits[:1000], labels[:1000])
smoothness.N_PAIRS = 20
__file__ = {str(ROOT / "streamlit_app.py")!r}
exec(compile(open(__file__, encoding="utf-8").read(), __file__, "exec"))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkpoint folder of this test's own, with two tiny models in it."""
    st.cache_resource.clear()
    checkpoint.save(tmp_path / "first.pt", tiny())
    checkpoint.save(tmp_path / "second.pt", tiny(latent_dim=3, seed=1))
    monkeypatch.setenv("LATENT_CHECKPOINTS", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with served(ROOT / "streamlit_app.py") as address:
        yield address


@pytest.fixture(scope="session")
def address_of_few(tmp_path_factory) -> Iterator[str]:
    """The page on few digits: what is to be seen looks the same."""
    script = tmp_path_factory.mktemp("page") / "page.py"
    script.write_text(FEW_DIGITS, encoding="utf-8")
    with served(script, LATENT_CACHE=str(tmp_path_factory.mktemp("few"))) as few:
        yield few


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser) -> Iterator[BrowserContext]:
    """One for all tests of a file, which keeps Streamlit's 3 MB of code from page to page."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context) -> Iterator[Page]:
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    yield page
    assert not complaints
    page.close()
