"""The evidence of a space: what is measured, once, and what cannot be."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from latent import sampling
from latent.errors import ArgumentError
from latent.measure import dimensions, fidelity, judge
from latent.measure.evidence import CODES, PCA, REAL, RECONSTRUCTIONS, Evidence
from latent.measure.judgement import Seen
from latent.measure.measured import MOST_FOUND
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS, tiny


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path))


def small(space, n=600):
    """The same space with few images, so that everything of it is measured quickly."""
    return space.judged_by(space.dataset.select(np.arange(n)))


def test_a_sampler_is_measured_on_the_half_that_it_was_not_fitted_to(space):
    few = Evidence.of(small(space))
    known, held_out = fidelity.halves(600)
    z = sampling.sample(sampling.fit("learned", few.space.z[known]), 300, seed=3)
    seen, real = (Seen(judge.judge(pictures)) for pictures in (space.decode(z), space.images[held_out]))
    expected = fidelity.Reference.of(real, few.space.z[known], few.space.z[held_out]).measure(seen, z)
    found = few.sampler("learned", 3)
    assert found.fidelity.frechet == pytest.approx(expected.frechet, rel=1e-3)
    assert found.fidelity.coverage == expected.coverage
    assert found.fidelity.novelty == pytest.approx(expected.novelty)
    assert np.array_equal(found.z, z[: len(found.z)])


def test_every_part_is_measured_once_whoever_asks(space, monkeypatch):
    few, calls = Evidence.of(small(space)), []
    of = fidelity.Reference.of
    monkeypatch.setattr(fidelity.Reference, "of", lambda *given: calls.append(1) or of(*given))
    asking = [threading.Thread(target=few.sampler, args=("normal", 0)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert few.has("sampler", "normal", 0)
    assert not few.has("sampler", "learned", 0)
    assert few.sampler("normal", 0) is few.sampler("normal", 0)
    assert calls == [1]


@pytest.mark.exhaustive
def test_memory_of_many_seeds_is_bounded_and_what_is_used_stays(space):
    few = Evidence.of(small(space, 60))
    reference = few.reference()
    for seed in range(MOST_FOUND + 10):
        few.sampler("normal", seed)
    assert len(few.found) == MOST_FOUND
    assert few.reference() is reference


@pytest.mark.exhaustive
def test_parts_cover_all_that_there_is_to_say_and_each_can_be_measured(space):
    few = Evidence.of(small(LatentSpace.open(CHECKPOINTS / "ae-2.pt"), 400))
    parts = few.parts()
    assert len(set(parts)) == len(parts)
    assert {part[0] for part in parts} == {
        "health", "reconstruction", "pca_errors", "dimensions", "property_correlations", "disentanglement",
        "neighbours", "knowledge", "sampler", "predictions", "smoothness",
    }  # fmt: skip
    assert [part[1] for part in parts if part[0] == "sampler"] == [REAL, RECONSTRUCTIONS, *sampling.SAMPLERS]
    assert not any(few.complete(part[0]) for part in parts)
    for part in parts:
        few.measure(*part)
        assert few.has(*part)
    assert all(few.complete(part[0]) for part in parts)
    assert not few.complete("nothing")


def test_the_mixture_of_a_shipped_space_comes_as_near_as_reconstructions(evidence):
    found = {name: each.frechet for name, each in evidence.fidelities().items()}
    assert found[REAL] < found["mixture"] < 1.2 * found[RECONSTRUCTIONS]
    assert found["learned"] > 5 * found["mixture"]


@pytest.mark.exhaustive
def test_a_seed_moves_the_frechet_distance_as_its_interval_says(space):
    few = Evidence.of(small(space, 1200))
    found = [few.sampler("learned", seed).fidelity for seed in range(5)]
    values = np.array([each.frechet for each in found])
    low, high = found[0].interval("frechet")
    assert values.std(ddof=1) == pytest.approx((high - low) / 2 / 2.09, rel=0.8)
    assert np.mean((low < values) & (values < high)) >= 0.6


def test_what_the_codes_know_is_kept_on_disk_and_is_more_than_components_know(space):
    few = Evidence.of(small(space, 2000))
    codes = few.knowledge(CODES)
    again = Evidence.of(replace(few.space))
    assert again.knowledge(CODES) == codes
    assert codes.neighbours > 0.9
    assert codes.probe > codes.clusters


def test_models_of_no_file_and_other_numbers_of_images_are_not_taken_for_each_other(space):
    first, second = (Evidence.of(small(LatentSpace.of("tiny", tiny(seed=seed)), 500)) for seed in (0, 1))
    assert first.knowledge(CODES) != second.knowledge(CODES)
    assert Evidence.of(small(space, 500)).knowledge(PCA) != Evidence.of(small(space, 400)).knowledge(PCA)


def test_neighbours_are_mostly_of_the_same_digit_and_4_and_9_overlap(evidence):
    shares = evidence.neighbours()
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.diag(shares).min() > 0.88
    assert shares[4].argsort()[-2] == 9


def test_neighbour_classes_worked_out_by_hand():
    z = np.array([[0.0], [1.0], [10.0], [12.0], [13.5]])
    found = dimensions.neighbour_classes(z, np.array([0, 1, 1, 1, 3]), k=1)
    assert found[0].tolist() == [0, 1, 0, 0]
    assert found[1].tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    assert np.isnan(found[2]).all()


def test_the_judge_is_not_asked_about_another_data_set(space):
    fashion = replace(space.checkpoint, recipe={**space.checkpoint.recipe, "dataset": "FashionMNIST"})
    other = Evidence.of(replace(small(space), checkpoint=fashion))
    assert "trained on FashionMNIST" in other.refusal
    with pytest.raises(ArgumentError, match="FashionMNIST"):
        other.sampler("learned", 0)
    with pytest.raises(ArgumentError, match="FashionMNIST"):
        other.smoothness("linear")
    assert {part[0] for part in other.parts()}.isdisjoint({"sampler", "smoothness", "predictions"})


def test_the_judge_is_not_asked_where_it_does_not_recognise_the_images(space):
    unlike = replace(space, images=np.zeros_like(space.images))
    assert "accuracy below 95%" in Evidence.of(unlike).refusal
    assert Evidence.of(small(space)).refusal == ""


def test_of_very_many_dimensions_those_of_the_largest_effect_are_diagnosed():
    wide = LatentSpace.of("wide", tiny(latent_dim=100))
    few = Evidence.of(small(wide, 300))
    chosen = few.diagnosed_dimensions()
    assert len(chosen) == 64
    effect = few.effects()
    assert effect[chosen].min() >= np.delete(effect, chosen).max()
    assert few.dimensions().dimensions.tolist() == chosen.tolist()
    assert set(few.dimensions().inactive) <= set(chosen.tolist())


def test_a_variational_space_has_its_kl(space):
    vae = Evidence.of(small(LatentSpace.open(CHECKPOINTS / "vae-16.pt")))
    assert vae.dimensions().kl.min() > 0.1
    assert Evidence.of(small(space)).dimensions().kl is None


def test_the_log_likelihood_is_bounded_where_the_file_says_by_which_loss_it_was_trained(space):
    vae = Evidence.of(small(LatentSpace.open(CHECKPOINTS / "vae-16.pt"), 40))
    found = vae.likelihood_bounds()
    assert ("likelihood_bounds",) in vae.parts()
    assert found.likelihood == "normal pixels of variance 0.05", "trained with a weight of 0.1"
    assert found.mean_image.mean() < found.elbo.mean() < found.importance_weighted.mean()
    untold = replace(vae.space, checkpoint=replace(vae.space.checkpoint, recipe={}))
    for other in (space, untold):
        assert ("likelihood_bounds",) not in Evidence.of(small(other, 40)).parts()
        assert Evidence.of(small(other, 40)).likelihood_bounds() is None
