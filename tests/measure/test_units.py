"""The same function in other units: every conclusion stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latent import checkpoint
from latent.compare import Comparison
from latent.measure import smoothness
from latent.measure.evidence import CODES, SEED, Evidence
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS

N = 600


def rescaled(factors):
    """A shipped model whose dimensions are multiplied by these, which the decoder undoes."""
    saved = checkpoint.load(CHECKPOINTS / "ae-16.pt")
    state = {key: value.float() if value.is_floating_point() else value for key, value in saved.state.items()}
    linear = [key for key in state if key.endswith("weight") and state[key].ndim == 2]
    code = [key for key in linear if key.startswith("encoder.")][-1]
    first = next(key for key in linear if key.startswith("decoder."))
    scale = np.ones(16, np.float32)
    scale[: len(factors)] = factors
    by = torch.from_numpy(scale)
    state[code] = state[code] * by[:, None]
    state[code.removesuffix("weight") + "bias"] = state[code.removesuffix("weight") + "bias"] * by
    state[first] = state[first] / by
    space = LatentSpace.of("rescaled", replace(saved, state=state, sha256=""))
    return Evidence.of(space.judged_by(space.dataset.select(np.arange(N))))


@pytest.fixture(scope="module")
def both():
    patch = pytest.MonkeyPatch()
    patch.setattr(smoothness, "N_PAIRS", 30)
    yield rescaled([1]), rescaled([100, 0.01, 1, -1])
    patch.undo()


def test_the_example_is_the_same_function(both):
    one, other = both
    assert np.allclose(one.space.decode(one.space.z[:50]), other.space.decode(other.space.z[:50]), atol=1e-3)
    assert other.space.z.std(axis=0).max() > 50 * one.space.z.std(axis=0).max()


def test_what_is_active_and_how_many_directions_there_are_stays(both):
    one, other = both
    assert one.active().tolist() == other.active().tolist() == [True] * 16
    assert one.dimensions().effect == pytest.approx(other.dimensions().effect, rel=1e-2)
    assert one.dimensions().effective_rank == pytest.approx(other.dimensions().effective_rank, rel=1e-2)
    assert [row.name for row in one.property_correlations().represented()] == [
        row.name for row in other.property_correlations().represented()
    ]
    assert one.disentanglement().mig == pytest.approx(other.disentanglement().mig, abs=2e-3)


def test_neighbours_clusters_and_probe_stay(both):
    one, other = both
    assert np.allclose(one.neighbours(), other.neighbours(), atol=0.02)
    mine, theirs = one.knowledge(CODES), other.knowledge(CODES)
    assert mine.neighbours == pytest.approx(theirs.neighbours, abs=0.01)
    assert mine.probe == pytest.approx(theirs.probe, abs=0.01)
    assert mine.clusters == pytest.approx(theirs.clusters, abs=0.02)
    labels = [each.clusters("k-means", 10, 0).labels for each in both]
    assert [len(np.unique(each)) for each in labels] == [10, 10]


def test_the_codes_of_both_are_alike(both):
    alike = Comparison(*both).alignment
    assert alike.overlap > 0.98
    assert alike.cka > 0.999
    assert min(alike.r2_a_to_b, alike.r2_b_to_a) > 0.999


@pytest.mark.exhaustive
def test_samplers_that_are_fitted_and_paths_stay(both):
    for name in ("mixture", "around"):
        mine, theirs = (each.sampler(name, SEED).fidelity for each in both)
        assert mine.novelty == pytest.approx(theirs.novelty, rel=0.1), name
        assert mine.near_copies == pytest.approx(theirs.near_copies, abs=0.08), name
    for kind in ("linear", "through codes"):
        mine, theirs = (each.smoothness(kind) for each in both)
        assert mine.path_length == pytest.approx(theirs.path_length, rel=0.05), kind
        assert mine.off_data.mean() == pytest.approx(theirs.off_data.mean(), abs=0.02), kind
