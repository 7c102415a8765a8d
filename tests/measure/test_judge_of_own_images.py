"""Evidence of a model of other images: judged by a classifier trained for them, or by a random network."""

from dataclasses import replace

import numpy as np
import pytest

from latent import report
from latent.errors import ArgumentError
from latent.measure import fidelity, findings, gates, judge, scores
from latent.measure.evidence import REAL, RECONSTRUCTIONS, SEED, Evidence
from latent.measure.originals import JUDGE
from latent.measure.topics import TOPICS
from latent.space import LatentSpace
from tests.support.bars import bars
from tests.support.models import tiny

N = 240
N_TAUGHT = 80


@pytest.fixture(scope="module", autouse=True)
def own_store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_CACHE", str(tmp_path_factory.mktemp("store")))
        patch.setattr(judge, "STEPS", 60)
        yield


def space_of(images):
    """An untrained model of these images."""
    saved = tiny("ae", latent_dim=3, image_shape=(3, 24, 40))
    return LatentSpace.of("bars", replace(saved, recipe={"dataset": images.name}), images)


@pytest.fixture(scope="module")
def labelled():
    return Evidence.of(space_of(bars(N)))


@pytest.fixture(scope="module")
def unlabelled():
    return Evidence.of(space_of(replace(bars(N), labels=None, classes=())))


def test_nothing_is_trained_before_somebody_asks(labelled):
    assert not labelled.has_judge
    assert "still to be trained" in labelled.refusal
    parts = labelled.parts()
    assert JUDGE in parts
    assert {part[0] for part in parts}.isdisjoint({"sampler", "smoothness", "predictions"})
    assert labelled.seen_again(False).judged is None
    shares = []
    assert labelled.judge(shares.append).names_classes
    assert shares[-1] == 1
    assert labelled.refusal == ""
    assert JUDGE not in labelled.parts()
    assert Evidence.of(labelled.space).has_judge, "a later evidence finds the judge in the store"


def test_nobody_is_judged_on_what_it_learned(labelled):
    taught = labelled.judge().taught
    known, held_out = labelled.halves()
    assert len(taught) == N_TAUGHT
    assert sorted([*taught, *known, *held_out]) == list(range(N))
    expected = fidelity.frechet_distance(
        labelled.judge()(labelled.space.images[held_out]).features,
        labelled.judge()(labelled.space.images[known]).features,
    )
    assert labelled.sampler(REAL, SEED).fidelity.frechet == pytest.approx(expected)
    read = labelled.predictions()
    own = np.delete(read.originals != read.reconstructions, taught)
    assert np.array_equal(read.taught, taught)
    assert read.changed == own.mean()


def test_samplers_are_measured_by_the_judge_of_the_set(labelled):
    found = labelled.sampler(RECONSTRUCTIONS, SEED).fidelity
    assert found.class_counts.shape == (3,)
    assert found.class_counts.sum() == len(labelled.halves()[0])
    assert np.isfinite([found.frechet, found.entropy, found.confidence, found.coverage]).all()
    assert scores.sampler_distance(labelled) == labelled.sampler(scores.SAMPLER, SEED).fidelity.frechet


def test_without_classes_a_random_network_measures_distances_and_names_nothing(unlabelled):
    assert unlabelled.has_judge
    assert unlabelled.refusal == ""
    assert not unlabelled.names_classes
    parts = {part[0] for part in unlabelled.parts()}
    assert {"sampler", "smoothness"} <= parts
    assert parts.isdisjoint({"predictions", "knowledge", "neighbours"})
    found = unlabelled.sampler("learned", SEED).fidelity
    assert found.class_counts.shape == (0,)
    assert np.isnan([found.entropy, found.confidence]).all()
    assert np.isfinite([found.frechet, found.coverage, found.near_copies]).all()
    with pytest.raises(ArgumentError, match="no classes"):
        unlabelled.predictions()


@pytest.mark.parametrize(
    ("which", "said", "unsaid"),
    [
        ("labelled", "a reference classifier (", "random convolutional"),
        ("unlabelled", "a random convolutional network. These images have no classes.", "redicted class"),
    ],
)
@pytest.mark.exhaustive
def test_the_report_says_which_judge_it_is(which, said, unsaid, request, monkeypatch):
    monkeypatch.setattr(gates, "closed", lambda looked: [])  # behind which an untrained model stands
    evidence = request.getfixturevalue(which)
    for _ in report.gather(evidence):
        pass
    page = report.page(evidence)
    assert said in page
    assert unsaid not in page
    assert "No classifier scores" not in page
    for word in ("digit", "10,000", "ten classes"):
        assert word not in page
    collapse = [each for each in findings.findings(evidence) if each.topic == "collapse"]
    assert bool(collapse) == (which == "labelled")
    table = TOPICS["collapse"].files(evidence).table
    assert ("class" in table) == (which == "labelled")
