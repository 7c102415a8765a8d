"""Results beside model files: those that are shipped are what is measured anew, and the page takes them."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st

from latent import clustering, results
from latent.measure import evidence as evidence_module
from latent.measure import kept, scores
from latent.measure.evidence import KEPT_RECORDS, SEED, Evidence, subject_of
from latent.neighbours import nearest_others
from latent.page import cached
from latent.space import LatentSpace
from tests.support.exhaustive import few_of
from tests.support.models import CHECKPOINTS
from tests.support.page import facts, opened

WHOLE = CHECKPOINTS / "ae-2.pt"  # of which everything is measured anew; of all, some
SHIPPED = sorted(CHECKPOINTS.glob("*.pt"))
LEAST_KEPT = 0.25  # of the nearest neighbours that t-SNE keeps; it comes out another on every kind of processor


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))


def equal(a, b):
    """Whether two values are alike, numbers but for what another processor rounds otherwise."""
    if isinstance(a, np.ndarray) and a.dtype.kind == "u" and a.ndim == 3:  # pictures
        return a.shape == b.shape and np.abs(a.astype(int) - b).max() <= 2
    if isinstance(a, np.ndarray) and a.dtype.kind in "ui":  # classes and clusters: one near a border may change
        return (a.shape == b.shape and np.sum(a != b) <= 0.01 * a.size) or np.allclose(a, b, rtol=0.01, atol=5)
    if isinstance(a, (np.ndarray, float)):
        return np.allclose(a, b, rtol=5e-3, atol=2e-3, equal_nan=True)
    if hasattr(a, "__dataclass_fields__"):
        return all(equal(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    if isinstance(a, (tuple, list)):  # intervals
        return len(a) == len(b) and all(equal(*pair) for pair in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b


def shipped(path):
    return kept.read(kept.beside(path), subject_of(LatentSpace.open(path)), KEPT_RECORDS)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_model_has_results_of_itself_and_they_are_complete(path):
    space = LatentSpace.open(path)
    fresh, found = Evidence.of(space), Evidence.with_kept(space).kept
    assert kept.beside(path).stat().st_size <= kept.LARGEST
    assert set(results.parts_to_keep(fresh)) <= found.keys()
    assert {part[1] for part in found if part[0] == "score"} == set(scores.SCORES)


@pytest.mark.exhaustive
def test_all_results_of_one_model_are_what_is_measured_anew(monkeypatch):
    """But for t-SNE, which takes as long as all else: what is shipped is held to the neighbours that it keeps."""
    evidence, found = Evidence.of(LatentSpace.open(WHOLE)), shipped(WHOLE)
    places = found["tsne",]
    monkeypatch.setattr(Evidence, "tsne", lambda evidence, progress=None: places)
    anew = results.measure(evidence)
    assert found.keys() == anew.keys()
    different = [part for part in found if part[0] not in ("tsne", "score") and not equal(anew[part], found[part])]
    assert different == []
    timeless = [name for name in scores.SCORES if name != "seconds"]
    assert all(equal(float(anew["score", name]), float(found["score", name])) for name in timeless)
    assert places.shape == (10_000, 2)
    _, near = nearest_others(evidence.space.z[:2000], 10)
    _, on_map = nearest_others(places[:2000], 10)
    shared = (near[:, :, None] == on_map[:, None, :]).any(axis=2).mean()
    assert shared > LEAST_KEPT


@pytest.mark.parametrize("path", few_of(SHIPPED, [CHECKPOINTS / "vae-16.pt"]), ids=lambda path: path.stem)
def test_some_results_of_every_model_are_what_is_measured_anew(path):
    found, fresh = shipped(path), Evidence.of(LatentSpace.open(path))
    for part in (("judges_real_images",), ("sampler", "learned", SEED), ("reconstruction",)):
        assert equal(fresh.measure(*part), found[part]), part
    assert found["score", "latent_dim"] == fresh.space.latent_dim


def test_results_are_void_where_the_images_or_the_measures_are_others(monkeypatch):
    space = LatentSpace.open(CHECKPOINTS / "ae-2.pt")
    assert Evidence.with_kept(space).has("tsne")
    assert not Evidence.with_kept(space.judged_by(space.dataset.select(np.arange(1000)))).kept
    mirrored = np.ascontiguousarray(space.images[:, :, ::-1])
    assert not Evidence.with_kept(space.judged_by(replace(space.dataset, images=mirrored))).kept
    assert not Evidence.with_kept(space.judged_by(replace(space.dataset, labels=space.labels[::-1]))).kept
    assert not Evidence.with_kept(replace(space, checkpoint=replace(space.checkpoint, sha256="0" * 64))).kept
    monkeypatch.setattr(evidence_module, "VERSION", evidence_module.VERSION + 1)
    assert not Evidence.with_kept(space).kept


def test_results_beside_another_model_are_not_taken(tmp_path):
    shutil.copy(CHECKPOINTS / "ae-8.pt", tmp_path / "mine.pt")
    shutil.copy(kept.beside(CHECKPOINTS / "ae-2.pt"), tmp_path / "mine.results")
    assert not Evidence.with_kept(LatentSpace.open(tmp_path / "mine.pt")).kept
    shutil.copy(kept.beside(CHECKPOINTS / "ae-8.pt"), tmp_path / "mine.results")
    assert Evidence.with_kept(LatentSpace.open(tmp_path / "mine.pt")).kept


@pytest.mark.exhaustive
def test_the_command_writes_what_is_then_taken_and_says_why_it_cannot(tiny_file, monkeypatch, capsys):
    monkeypatch.setattr(results, "parts_to_keep", lambda evidence: [("judges_real_images",), ("reconstruction",)])
    monkeypatch.setattr(scores, "SCORES", {"latent_dim": scores.SCORES["latent_dim"]})
    damaged = tiny_file.with_name("damaged.pt")
    damaged.write_bytes(b"PK damaged")
    assert results.main([str(damaged), str(tiny_file)]) == 1
    out, err = capsys.readouterr()
    assert "damaged.pt" in err
    assert "tiny.results" in out
    space = LatentSpace.open(tiny_file)
    taken = Evidence.with_kept(space)
    assert taken.has("reconstruction")
    assert taken.reconstruction().mse == pytest.approx(float(space.errors.mean()), rel=1e-5)
    assert not kept.beside(damaged).exists()


def test_what_is_kept_already_is_measured_again_only_anew(tiny_file, monkeypatch):
    parts = [("health",)]
    monkeypatch.setattr(results, "parts_to_keep", lambda evidence: parts)
    monkeypatch.setattr(scores, "SCORES", {"latent_dim": scores.SCORES["latent_dim"]})
    results.keep(tiny_file)
    measured = []
    own = Evidence.measure
    monkeypatch.setattr(Evidence, "measure", lambda each, *part: measured.append(each.has(*part)) or own(each, *part))
    parts.append(("judges_real_images",))
    results.keep(tiny_file)
    assert measured == [True, False]
    assert Evidence.with_kept(LatentSpace.open(tiny_file)).has("judges_real_images")
    measured.clear()
    results.keep(tiny_file, anew=True)
    assert measured == [False, False]


def test_the_page_measures_nothing_that_is_kept(monkeypatch):
    st.cache_resource.clear()  # other tests open the same model where no results lie beside it
    st.cache_data.clear()
    for name in ("fit",):
        monkeypatch.setattr(clustering, name, lambda *given, **options: pytest.fail("clusters were computed"))
    measured = []
    monkeypatch.setattr(Evidence, "fitted_sampler", lambda *given: measured.append(given))
    assert facts(opened("Clusters", checkpoint="ae-8"))["Accuracy"]
    assert not opened("Sampler lab", checkpoint="ae-8").exception
    assert not opened("Diagnose", checkpoint="ae-8").exception
    assert not opened("Map", checkpoint="ae-8", map_projection="t-SNE").exception
    assert not measured


def test_an_upload_of_the_same_bytes_takes_the_results_of_a_file_from_nobody(tmp_path, monkeypatch):
    """Whoever comes first, and each goes by the name that the own session has for it."""
    st.cache_resource.clear()
    shutil.copy(CHECKPOINTS / "ae-2.pt", tmp_path / "lent.pt")
    space = LatentSpace.open(tmp_path / "lent.pt")
    monkeypatch.setattr(evidence_module, "VERSION", "of this test")  # of no store and no file
    about = subject_of(space)
    uploaded = replace(space, name="mine (uploaded)", checkpoint=replace(space.checkpoint, path=None))
    assert not cached.evidence_of(uploaded).kept
    assert not cached.evidence_of(space).kept
    kept.beside(tmp_path / "lent.pt").write_bytes(kept.to_bytes({("health",): 1}, about))
    assert cached.evidence_of(space).has("health"), "results that were written while the page is open"
    assert not cached.evidence_of(uploaded).kept
    assert cached.evidence_of(space).space.name == "lent"
    assert cached.evidence_of(uploaded).space.name == "mine (uploaded)"
    assert cached.evidence_of(uploaded).found is cached.evidence_of(space).found, "what is measured is shared"
    st.cache_resource.clear()


def test_where_the_reference_classifier_cannot_be_read_no_results_are_taken_and_nothing_breaks(tmp_path, monkeypatch):
    space = LatentSpace.open(CHECKPOINTS / "ae-2.pt")
    assert Evidence.with_kept(space).kept
    for path in (tmp_path / "missing.pt", tmp_path):
        monkeypatch.setattr(evidence_module, "JUDGE_FILE", path)
        assert not Evidence.with_kept(space).kept
