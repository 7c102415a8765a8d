"""The report: all that was measured, in one file that needs nothing else, or as numbers."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from latent import checkpoint, data, report, results
from latent.document import cell
from latent.measure import bounds, smoothness
from latent.measure.evidence import Evidence
from latent.measure.exhibits import Figure, PictureSheet, SideBySide, Table
from latent.measure.findings import findings
from latent.measure.originals import JUDGE
from latent.measure.topics import TOPICS
from latent.plain import plain
from latent.report import gather, main, numbers, page
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS, tiny

NAME = "<script>alert(1)</script>"
KEYS = {
    "frechet", "precision", "recall", "density", "coverage", "class_counts", "entropy", "confidence", "duplicates",
    "novelty", "pixel_frechet", "near_copies", "intervals",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few():
    """A report of 500 digits and 20 ways: what takes a minute on all of them then takes seconds."""
    patch = pytest.MonkeyPatch()
    digits, labels = data.evaluation_digits()
    patch.setattr(data, "evaluation_digits", lambda: (digits[:500], labels[:500]))
    patch.setattr(smoothness, "N_PAIRS", 20)
    patch.setattr(bounds, "N_IMAGES", 50)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def measured(few, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("LATENT_CACHE", str(tmp_path_factory.mktemp("cache")))
    evidence = Evidence.of(LatentSpace.of(NAME, checkpoint.load(CHECKPOINTS / "vae-2.pt")))
    list(gather(evidence))
    patch.undo()
    return evidence


def test_gathering_says_how_far_it_is_and_measures_everything_once(measured):
    assert all(measured.has(*part) for part in measured.parts())
    assert list(gather(measured)) == []
    fresh = Evidence.of(measured.space)
    steps = gather(fresh)
    share, name = next(steps)
    assert (share, name) == (0, "whether the model works")
    assert not fresh.has("health"), "named before it is measured"
    assert next(steps)[0] > share


def test_the_numbers_are_strict_json_with_every_part(measured):
    found = json.loads(json.dumps(numbers(measured), allow_nan=False))
    assert set(found["reconstruction"]) == {"mse", "pca_mse", "mean_picture_mse", "by_class"}
    assert found["reconstruction"]["mse"] == pytest.approx(measured.space.test_error)
    assert len(found["reconstruction"]["by_class"]) == 10
    assert set(found["samplers"]) == set(measured.rows)
    assert all(set(each) == KEYS for each in found["samplers"].values())
    assert found["samplers"]["real images"]["novelty"] is None
    assert [row["dimension"] for row in found["dimensions"]] == [0, 1]
    assert {"variance", "effect", "class_information", "kl", "active"} <= set(found["dimensions"][0])
    assert found["dimensions"][0]["kl"] > 0
    assert set(found["smoothness"]) == set(smoothness.KINDS)
    assert 0 <= found["probe"]["codes"] <= 1
    assert set(found["clusters"]) == {"accuracy", "nmi", "interval"}
    low, high = found["likelihood"]["importance_weighted"]["interval"]
    assert low < found["likelihood"]["importance_weighted"]["mean"] < high
    assert found["likelihood"]["pixels"] == "normal pixels of variance 0.25"
    assert set(found["disentanglement"]) >= {"mig", "sap", "disentanglement", "completeness", "informativeness"}
    assert found["gates"] == []
    assert found["health"]["mse"] < found["health"]["mean_image_mse"]
    assert [each["text"] for each in found["findings"]] == [each.text for each in findings(measured)]


def test_what_is_not_measured_is_null_and_nothing_is_measured_for_it(measured):
    found = numbers(Evidence.of(measured.space))
    for part in ("reconstruction", "samplers", "dimensions", "smoothness", "probe", "clusters"):
        assert found[part] is None
    assert found["findings"] == []


def test_the_page_holds_all_it_shows_and_runs_nothing(measured):
    text = page(measured)
    assert NAME not in text
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', text)
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses), "it opens without a network"
    for finding in findings(measured):
        assert f'id="{finding.topic}"' in text
    assert text.count("<svg") >= 8
    assert text.count('<img src="data:image/png') == 4 + 1 + len(measured.rows) + 1 + 6 + 1
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img [^>]+>", text))


def test_every_chart_in_it_is_whole(measured):
    for drawing in re.findall(r"<svg.*?</svg>", page(measured), flags=re.DOTALL):
        assert len(list(ElementTree.fromstring(drawing).iter())) > 20


def test_a_decoder_alone_and_a_model_of_other_images_have_their_report(measured):
    fashion = replace(measured.space.checkpoint, recipe={"dataset": "FashionMNIST"})
    other = Evidence.of(replace(measured.space, checkpoint=fashion))
    list(gather(other))
    assert "trained on FashionMNIST" in page(other)
    found = numbers(other)
    assert found["samplers"] is None
    assert found["smoothness"] is None
    assert found["dimensions"]


def shown(topic, evidence):
    """All exhibits of a topic, those beside each other one by one."""
    for exhibit in (*topic.exhibits(evidence), *topic.besides(evidence)):
        yield from exhibit.exhibits if isinstance(exhibit, SideBySide) else (exhibit,)


@pytest.mark.parametrize("name", TOPICS)
class TestTopics:
    def test_every_exhibit_is_whole(self, measured, name):
        exhibits = list(shown(TOPICS[name], measured))
        for figure in (each for each in exhibits if isinstance(each, Figure)):
            figure.drawn().to_dict()
            assert figure.alt
        for table in (each for each in exhibits if isinstance(each, Table)):
            keys = [column.key for column in table.columns]
            assert table.rows
            assert all(set(keys) <= set(row) for row in table.rows)
        for sheet in (each for each in exhibits if isinstance(each, PictureSheet)):
            assert sheet.pictures.dtype == np.uint8
            assert len(sheet.sheet().boxes) == len(sheet.names) == len(sheet.z)
        keys = [each.key for each in exhibits if isinstance(each, PictureSheet)]
        assert len(set(keys)) == len(keys), "they are told apart on a page"

    def test_pictures_may_come_from_elsewhere(self, measured, name):
        white = np.ones((28, 28), np.float32)
        given = TOPICS[name].exhibits(measured, decode=lambda space, z, labels=None: np.repeat(white[None], len(z), 0))
        decoded = [
            each for each in given if isinstance(each, PictureSheet) and name in ("reconstruction", "smoothness")
        ]
        assert all(each.pictures[-1].min() == 255 for each in decoded)

    def test_the_python_of_its_files_gives_its_arrays(self, measured, name):
        files = TOPICS[name].files(measured)
        found = {"evidence": measured}
        exec(files.python, found)
        for key, array in files.arrays.items():
            assert np.array_equal(found[key], array), key
        assert len({len(column) for column in files.table.values()}) == 1

    def test_its_exhibits_ask_for_no_more_than_its_parts(self, measured, name):
        fresh = Evidence.of(measured.space)
        for part in TOPICS[name].parts(fresh):
            fresh.measure(*part)
        before = set(fresh.found)
        list(TOPICS[name].exhibits(fresh))
        new = {part[0] for part in set(fresh.found) - before}
        assert new <= {
            "predictions", "mixed_neighbours", "judges_real_images", "effects", "picture_units",
        }  # fmt: skip


def test_a_topic_of_one_sampler_shows_the_one_that_is_asked_for(measured):
    usual, mixture = (list(TOPICS["collapse"].exhibits(measured, sampler=name)) for name in ("", "mixture"))
    assert (usual[-1].key, mixture[-1].key) == ("samplers_normal", "samplers_mixture")


def test_every_finding_has_a_topic_that_shows_it(measured):
    assert {finding.topic for finding in findings(measured)} <= set(TOPICS)


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def own_store(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))

    def test_it_writes_the_page_and_prints_the_numbers(self, tmp_path, capsys):
        checkpoint.save(tmp_path / "tiny.pt", tiny())
        assert main([str(tmp_path / "tiny.pt"), "--out", str(tmp_path / "report.html"), "--json"]) == 0
        out, progress = capsys.readouterr()
        assert json.loads(out)["checkpoint"] == "tiny"
        assert "%" in progress
        assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")

    def test_a_mistake_is_one_sentence(self, tmp_path, capsys):
        assert main([str(tmp_path / "none.pt"), "--json"]) == 1
        assert "none.pt" in capsys.readouterr().err
        checkpoint.save(tmp_path / "tiny.pt", tiny())
        with pytest.raises(SystemExit):
            main([str(tmp_path / "tiny.pt")])
        assert "--out" in capsys.readouterr().err


def test_plain_values_are_what_json_can_say():
    value = {"a": np.float32(0.5), "b": [np.nan, np.inf, 1], "c": np.arange(2), "d": None, "e": np.bool_(True)}
    assert plain(value) == {"a": 0.5, "b": [None, None, 1], "c": [0, 1], "d": None, "e": True}
    assert cell(0.123456) == "0.123"


def test_every_part_that_can_be_measured_has_a_name(measured):
    kept = {part[0] for part in results.parts_to_keep(measured)}
    assert kept | set(JUDGE) == set(report.NAMES)
