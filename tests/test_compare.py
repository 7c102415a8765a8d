"""Two runs side by side: a turned copy is the same run, and the command says so in words, JSON and HTML."""

import json
import re
from dataclasses import replace
from html import escape

import numpy as np
import pytest
import torch

from latent import checkpoint, compare, data, dataset, store
from latent.compare import Comparison
from latent.errors import ArgumentError
from latent.measure import dimensions, scores
from latent.measure.evidence import Evidence
from latent.model import Signature
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS, tiny


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "store"))
    store.store_of_process.cache_clear()
    scores.kept_scores.cache_clear()


def turned(saved, seed=0):
    """The checkpoint of the same autoencoder whose codes are turned: z R for a random rotation R."""
    dim = saved.config.latent_dim
    rotation = torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]).float()
    names = [name for name, tensor in saved.state.items() if name.startswith("encoder") and tensor.ndim <= 2]
    weight, bias = names[-2:]
    first = next(name for name, tensor in saved.state.items() if name.startswith("decoder") and tensor.ndim == 2)
    state = dict(saved.state)
    state[weight] = rotation.T @ state[weight].float()
    state[bias] = state[bias].float() @ rotation
    state[first] = state[first].float() @ rotation
    return replace(saved, state=state)


@pytest.fixture(scope="module")
def shipped():
    return checkpoint.load(CHECKPOINTS / "ae-8.pt")


@pytest.fixture(scope="module")
def comparison(shipped, tmp_path_factory) -> Comparison:
    """A shipped run against its turned copy, on 2,000 of the digits."""
    path = tmp_path_factory.mktemp("turned") / "turned.pt"
    checkpoint.save(path, turned(shipped))
    spaces = (LatentSpace.of("ae-8", shipped), LatentSpace.open(path))
    return Comparison.of(*(space.judged_by(space.dataset.select(np.arange(2000))) for space in spaces))


def test_a_turned_copy_has_other_codes_and_draws_the_same(comparison):
    rows = np.arange(50)
    a, b = comparison.reconstructions(rows)
    assert np.abs(comparison.a.space.z - comparison.b.space.z).mean() > 0.5
    assert np.abs(a - b).max() < 1e-3


def test_a_turned_copy_shares_everything(comparison):
    found = comparison.alignment
    assert found.overlap > 0.85  # not all: turned dimensions have other effects, by which they count
    assert found.cka > 0.98
    assert (found.r2_a_to_b, found.r2_b_to_a) == (pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-6))


def test_stitching_with_a_turned_copy_is_exact(comparison):
    rows = comparison.alignment.held_out[:200]
    assert np.abs(comparison.stitched(rows) - comparison.reconstructions(rows)[1]).max() < 1e-3
    assert comparison.stitching.stitched == pytest.approx(comparison.stitching.own, rel=1e-4)
    assert comparison.stitching.n == len(comparison.alignment.held_out) == 1000


@pytest.mark.exhaustive
def test_an_untrained_run_shares_little_and_cannot_be_stitched_for_free(comparison):
    other = LatentSpace.of("untrained", tiny(latent_dim=8), comparison.a.space.dataset)
    found = Comparison(Evidence.of(other), comparison.a)
    assert found.alignment.overlap < 0.5
    assert found.stitching.stitched > 2 * found.stitching.own


def test_better_finds_the_digits_that_differ_most():
    a, b = (LatentSpace.open(CHECKPOINTS / f"{name}.pt") for name in ("ae-8", "ae-2"))
    a, b = (space.judged_by(space.dataset.select(np.arange(500))) for space in (a, b))
    comparison = Comparison.of(a, b)
    gain = b.errors - a.errors
    assert gain[comparison.better("a", 10)].tolist() == sorted(gain, reverse=True)[:10]
    assert gain[comparison.better("b", 10)].tolist() == sorted(gain)[:10]


class TestOtherSizesAndHalves:
    @pytest.mark.exhaustive
    def test_pictures_of_another_size_are_compared_on_the_same_digits(self):
        small, coloured = (
            LatentSpace.of(str(shape), tiny(latent_dim=4, image_shape=shape)) for shape in ((1, 28, 28), (3, 20, 24))
        )
        comparison = Comparison.of(small, coloured)
        rows = np.arange(5)
        a, b = comparison.reconstructions(rows)
        assert a.shape == (5, 28, 28)
        assert b.shape == comparison.stitched(rows).shape == (5, 20, 24, 3)
        assert np.isfinite(comparison.stitching.stitched)

    @pytest.mark.exhaustive
    def test_a_decoder_alone_has_scores_and_no_codes(self, tiny_space, monkeypatch):
        decoder = replace(tiny_space)
        signature = replace(tiny_space.signature, has_encoder=False)
        monkeypatch.setattr(type(decoder.model), "signature", property(lambda model: signature), raising=False)
        assert isinstance(decoder.signature, Signature)
        comparison = Comparison.of(decoder, decoder)
        assert not comparison.encodes
        with pytest.raises(ArgumentError, match="decoder-only"):
            _ = comparison.alignment
        numbers = comparison.numbers()
        assert numbers["shared"] is numbers["stitching"] is numbers["a"]["mse"] is None
        assert numbers["a"]["parameters"] > 0
        assert "no encoder" in compare.as_text(numbers)


class TestScores:
    def test_the_better_one_is_the_one_shown_better(self):
        mse, probe, size = (scores.SCORES[name] for name in ("mse", "probe", "parameters"))
        assert mse.winner(0.001, 0.002) == "a"
        assert probe.winner(0.5, 0.6) == "b"
        assert mse.winner(0.001, 0.001 + 1e-9) == ""
        assert mse.winner(np.nan, 0.1) == size.winner(1, 2) == ""
        assert mse.text(np.nan) == "–"

    @pytest.mark.exhaustive
    def test_a_score_is_measured_once_and_known_without_the_file(self, tiny_space, monkeypatch):
        evidence, key = Evidence.of(tiny_space), scores.key_of(tiny_space)
        assert scores.known(key, "probe") is None
        measured = scores.score(evidence, "probe")
        monkeypatch.setattr(Evidence, "knowledge", lambda *given: pytest.fail("measured again"))
        store.store_of_process.cache_clear()
        assert scores.score(Evidence.of(tiny_space), "probe") == scores.known(key, "probe") == measured

    def test_spaces_are_compared_by_the_same_sampler_whatever_else_was_measured(self, space):
        few = Evidence.of(space.judged_by(space.dataset.select(np.arange(600))))
        around = few.sampler("around", 0).fidelity.frechet
        key = scores.key_of(few.space)
        assert scores.known(key, "frechet") is None
        found = scores.score(few, "frechet")
        assert found == few.sampler("mixture", 0).fidelity.frechet != around
        assert scores.known(key, "frechet") == found
        assert scores.known(scores.key_of(space), "frechet") is None  # of other images

    def test_what_cannot_be_judged_has_no_distance(self, space):
        fashion = replace(space.checkpoint, recipe={"dataset": "FashionMNIST"})
        assert np.isnan(scores.score(Evidence.of(replace(space, checkpoint=fashion)), "frechet"))

    @pytest.mark.exhaustive
    def test_the_saved_error_is_taken_only_where_it_is_of_these_digits(self):
        saved = tiny()
        assert scores.score(Evidence.of(LatentSpace.of("mnist", saved)), "mse") == 0.1
        fashion = LatentSpace.of("fashion", replace(saved, recipe={**saved.recipe, "dataset": "FashionMNIST"}))
        assert scores.score(Evidence.of(fashion), "mse") == pytest.approx(fashion.errors.mean())

    def test_our_own_file_says_its_kind_size_and_error(self, tiny_file, tmp_path):
        sha256 = checkpoint.fingerprint(tiny_file)
        images = dataset.shipped()
        assert scores.kind_and_size(tiny_file, sha256, images) == ("ae", 2)
        assert scores.known((sha256, "", images.sha256), "latent_dim") == 2
        assert scores.known((sha256, "", images.sha256), "mse") == 0.1
        others = images.select(np.arange(100))
        assert scores.kind_and_size(tiny_file, sha256, others) == ("ae", 2)
        assert scores.known((sha256, "", others.sha256), "mse") is None
        stranger = tmp_path / "stranger.pt"
        torch.save({"fc.weight": torch.zeros(3, 784)}, stranger)
        assert scores.kind_and_size(stranger, "other", images) is None

    def test_spaces_of_no_file_are_not_confused(self):
        one, two = (Evidence.of(LatentSpace.of("", tiny(latent_dim=dim))) for dim in (2, 3))
        assert [scores.score(each, "latent_dim") for each in (one, two)] == [2, 3]

    def test_the_curve_of_pca_falls_and_is_kept(self, tiny_space, monkeypatch):
        curve = Evidence.of(tiny_space).pca_curve(8)
        assert len(curve) == 9
        assert (np.diff(curve) < 0).all()
        monkeypatch.setattr(dimensions, "pca_errors", lambda *given: pytest.fail("measured again"))
        assert np.array_equal(Evidence.of(tiny_space).pca_curve(8), curve)


class TestCommand:
    @pytest.fixture(autouse=True)
    def measured_once(self, own_store, tmp_path_factory, monkeypatch):
        """The files of these tests are the same: on a fifth of the digits, and what one measures the next finds."""
        digits, labels = data.evaluation_digits()
        monkeypatch.setattr(data, "evaluation_digits", lambda: (digits[:2000], labels[:2000]))
        monkeypatch.setenv("LATENT_CACHE", str(tmp_path_factory.getbasetemp() / "compared"))

    @pytest.fixture
    def files(self, tmp_path):
        one, two = tmp_path / "one.pt", tmp_path / "two <b>.pt"
        checkpoint.save(one, tiny())
        checkpoint.save(two, replace(tiny(latent_dim=3, seed=1), history=[], recipe={}, scores={}))
        return [str(one), str(two)]

    def test_json_is_strict_and_has_the_documented_keys(self, files, capsys):
        assert compare.main([*files, "--json"]) == 0
        printed = capsys.readouterr()

        def refuse(constant):
            pytest.fail(f"{constant} is no JSON")

        found = json.loads(printed.out, parse_constant=refuse)
        assert set(found) == {"a", "b", "better", "shared", "stitching"}
        assert set(found["a"]) == set(scores.SCORES) | {
            "name", "path", "sha256", "kind", "conditional", "image_shape", "by_class", "std", "active",
            "intervals", "gates",
        }  # fmt: skip
        assert set(found["a"]["gates"]) == {"untrained"}
        assert found["b"]["seconds"] is None  # a file without a history
        assert (found["a"]["latent_dim"], found["b"]["latent_dim"]) == (2, 3)
        assert len(found["b"]["std"]) == len(found["b"]["active"]) == 3
        assert set(found["better"]) == set(scores.SCORES)
        assert set(found["shared"]) == {"overlap", "cka", "r2_there", "r2_back"}
        assert found["stitching"]["n"] == 1000  # half of the digits are held out
        assert "one: Test MSE" in printed.err  # progress

    def test_text_and_html_say_the_same(self, files, capsys, tmp_path):
        out = tmp_path / "page.html"
        assert compare.main([*files, "--out", str(out)]) == 0
        text, page = capsys.readouterr().out, out.read_text(encoding="utf-8")
        share = re.search(r"of the ten nearest: ([\d.]+%)", text).group(1)
        assert share in page
        (warning,) = [line for line in text.splitlines() if line.startswith("A, one: Not trained")]
        assert f"<p>{escape(warning)}</p>" in page
        assert "Linear probe" in text
        assert page.count("data:image/png;base64,") == 2
        assert "two &lt;b&gt;" in page
        assert "<b>" not in page
        assert not re.search(r"(src|href)=.?https?:", page)

    @pytest.mark.parametrize("content", [None, b"not a checkpoint"])
    def test_a_file_that_cannot_be_read_is_one_sentence(self, files, capsys, tmp_path, content):
        bad = tmp_path / "bad.pt"
        if content:
            bad.write_bytes(content)
        assert compare.main([files[0], str(bad), "--json"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "bad.pt" in printed.err
        assert len(printed.err.strip().splitlines()) == 1
