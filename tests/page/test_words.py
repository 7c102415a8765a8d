"""The words of the page, the report and the commands: one term for one thing, and none of those that it replaces."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest

from latent import data, report
from latent.measure import smoothness
from latent.measure.evidence import Evidence
from latent.space import LatentSpace
from tests.support.models import ROOT, tiny
from tests.support.page import SECTIONS, opened

# What is not written any more, and what is written instead. Whole words, in any case.
REPLACED = {
    r"pictures?": "image, or sample",
    r"digits?": "image, or class",
    r"real (?:one|digit)s?": "test image, or original",
    r"what is left(?: of)?": "reconstruction",
    r"judges?|judged": "reference classifier, predicted class",
    r"sure|surest": "confidence",
    r"stranger(?:'s|s)?|strangest|anybody's|somebody else's": "farthest; any",
    r"yardsticks?": "baseline, reference",
    r"zoo": "all models",
    r"films?|filmed|played": "training replay, snapshots",
    r"sweeps?": "traversal",
    r"walks?|walked|on the way|along the way|ways? between|this way|stitched way": "traversal, path",
    r"keep|keeps|kept": "shelf item, Add to shelf",
    r"vectors?": "code",
    r"checkpoints?": "model, model file",
    r"distributions?": "sampler",
    r"knows?|tells?|told|votes?": "probe, k-NN accuracy",
    r"unused|dead|alive": "inactive, no visible effect",
    r"on the data|off the data|at the edge": "in distribution, borderline, out of distribution",
    r"runner-up|read it another way|how this file was read": "second-best interpretation, inferred architecture",
    r"decoder alone|encoder alone": "decoder-only file",
    r"left aside|even places|odd places|behind": "unused layers, even indices, after",
    r"test error|errors? of": "test MSE",
    r"goes on|go on|going on|as many": "resume, continue; the same number of",
    r"turned copies": "equal up to rotation and scale",
    r"blocks? of numbers|byte order": "tensor storage, big-endian",
    r"is no (?:autoencoder|list|picture|shelf|tuple|vector)|none of (?:ours|PyTorch)": "is not",
    r"from \d+ up": "at least",
    r"(?:error|squared|difference|change|RMS|frame|row|loss|box|bins) an? \w+": "per",
    r"click for|story": "click to inspect",
    r"stands? for|go together|goes together": "correlated with",
}
PATTERNS = {
    re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE): instead for words, instead in REPLACED.items()
} | {
    re.compile(r"\d %"): "98%, without a space",
    re.compile(r"\d to \d+%"): "an en dash",
}
# What may be said all the same, and why.
ALLOWED = (
    "custom vector",  # the section, whose name stays
    "in distribution", "out of distribution", "Distribution of each dimension", "distribution of",  # a spread of values
    "unused layers",  # of a file
    "Encode and reconstruct your own digit", "Draw a digit", "draw a digit", "No digit found", "one dark digit",
    "Photo of a digit",  # what one draws is a digit
    # what `latent.train` writes, and commands
    "latent checkpoint", "`latent` checkpoint", "{} checkpoint", "checkpoint file (default checkpoints/",
    "latent.checkpoint", "latent.measure.judge",
    "keep the others fixed", "keeps neighbours together", "keeps the tensor",  # not on the shelf
)  # fmt: skip

KEYS = {"even places", "odd places", "off data"}  # of files, which stay
CODE = re.compile(
    r"^Arrays for NumPy: |\w = \w|space\.|data\.fit|import |\.st-key|evidence\.|np\.|</|datum\.|=> |<div|px"
)


def replaced_words(text: str) -> list[str]:
    """The replaced terms in a text, each with what is written instead."""
    for phrase in ALLOWED:
        text = re.sub(re.escape(phrase), "", text, flags=re.IGNORECASE)
    return [
        f"{found.group()!r}: write {instead}"
        for pattern, instead in PATTERNS.items()
        for found in pattern.finditer(text)
    ]


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a file that a person may read, with their lines: neither docstrings nor keys, types or code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inside | statements:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if (" " in text.strip() or text[:1].isupper()) and not CODE.search(text) and text not in KEYS:
            yield node.lineno, text


FILES = [
    path for path in (ROOT / "streamlit_app.py", *sorted((ROOT / "latent").rglob("*.py"))) if path.name != "renamed.py"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_a_file_has_a_replaced_term(path):
    found = [f"line {line}, {word}: {text}" for line, text in texts_of(path) for word in replaced_words(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", sorted((ROOT / "latent" / "browser").glob("*.html")), ids=lambda path: path.name)
def test_no_text_of_a_component_has_a_replaced_term(path):
    markup = path.read_text(encoding="utf-8")
    told = re.findall(r'(?:title|aria-label|placeholder)="([^"]*)"', markup)
    assert not [word for text in (*told, *re.findall(r">([^<>]+)<", markup)) for word in replaced_words(text)]


def strings(value: Any, name: str = "") -> Iterator[str]:
    """All strings in a message's values that a person reads, by the names of their fields."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from strings(each, key)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from strings(each, name)
    elif isinstance(value, str) and name in READ:
        yield value


READ = {
    "label", "help", "body", "value", "options", "alt", "text", "title", "names", "note", "heading", "placeholder",
    "caption", "captions", "hint", "verb", "unit",
}  # fmt: skip


def texts_on(app: AppTest) -> set[str]:
    """All that the page says: labels, help texts, captions, names of images, titles of axes."""
    found = set()
    for element in (*app.main, *app.sidebar):
        message = MessageToDict(element.proto) if getattr(element, "proto", None) is not None else {}
        if "language" in message or "<style" in str(message.get("body")):
            continue
        inner = [json.loads(message[name]) for name in ("json", "spec") if message.get(name)]
        found.update(unescape(re.sub("<[^>]+>", " ", text)) for text in strings([message, *inner]))
    return {text for text in found if not CODE.search(text)}


@pytest.fixture
def few(monkeypatch, tmp_path):
    """2,000 images and 20 paths, and a store of this test's own."""
    images, labels = data.evaluation_digits()
    monkeypatch.setattr(data, "evaluation_digits", lambda: (images[:2000], labels[:2000]))
    monkeypatch.setattr(smoothness, "N_PAIRS", 20)
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "store"))


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_says_no_replaced_term(section):
    said = texts_on(opened(section))
    assert len(said) > 10
    found = [f"{word}: {text}" for text in sorted(said) for word in replaced_words(text)]
    assert not found, "\n".join(found)


def test_the_report_says_no_replaced_term(few):
    evidence = Evidence.of(LatentSpace.of("tiny", tiny("vae", latent_dim=3)))
    list(report.gather(evidence))
    text = re.sub(r"<style>.*?</style>", " ", report.page(evidence), flags=re.DOTALL)
    said = re.findall(r'(?:alt|aria-label)="([^"]*)"', text) + re.findall(r">([^<>]+)<", text)
    assert len(said) > 100
    assert not [f"{word}: {each}" for each in map(unescape, said) for word in replaced_words(each)]


@pytest.mark.parametrize("text", ["Real digits, and what is left", "squared error a pixel", "98 %", "Keep", "2 to 3%"])
def test_a_replaced_term_is_found(text):
    assert replaced_words(text)
