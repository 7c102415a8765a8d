import numpy as np
import pytest

from latent import data
from latent.clustering import N_SEEDS, Match, over_seeds
from latent.components import principal_components
from latent.errors import ArgumentError
from latent.measure import knowledge
from latent.measure.knowledge import Knowledge, linear_probe, neighbour_vote

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 1500)
CENTRES = 1.5 * RNG.normal(size=(10, 6))
FEATURES = (CENTRES[LABELS] + RNG.normal(size=(1500, 6))).astype(np.float32)  # groups that overlap
NOISE = RNG.normal(size=(1500, 40)).astype(np.float32)


def test_what_says_nothing_is_told_by_chance():
    for measure in (linear_probe, neighbour_vote):
        assert measure(NOISE, LABELS) == pytest.approx(0.1, abs=0.03)


def test_what_says_everything_is_told_without_error():
    knowledge = Knowledge.of(np.eye(10)[LABELS] + 0.01 * NOISE[:, :10], LABELS)
    assert (knowledge.probe, knowledge.neighbours, knowledge.clusters) == (1, 1, 1)
    assert knowledge.nmi == pytest.approx(1)


def test_neighbours_know_what_a_line_cannot_tell():
    angle = RNG.uniform(0, 2 * np.pi, 1000)
    ring = np.repeat([0, 1], 500)
    features = (1 + ring)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert neighbour_vote(features, ring) > 0.98
    assert linear_probe(features, ring) < 0.65


def test_the_probe_is_close_to_the_best_linear_classifier():
    # For groups of equal round spread the best there is, is linear: the nearest of the true centres.
    best = np.linalg.norm(FEATURES[:, None] - CENTRES, axis=2).argmin(axis=1) == LABELS
    assert 0.6 < best.mean() < 0.95
    assert linear_probe(FEATURES, LABELS) == pytest.approx(best.mean(), abs=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_vote_is_held_by_the_five_nearest_of_the_other_folds(seed):
    from sklearn.model_selection import StratifiedKFold

    right = 0
    for others, held_out in StratifiedKFold(5, shuffle=True, random_state=seed).split(FEATURES, LABELS):
        away = np.linalg.norm(FEATURES[held_out, None] - FEATURES[others], axis=2)
        voters = LABELS[others][np.argsort(away, axis=1)[:, :5]]
        right += sum(np.bincount(vote).argmax() == label for vote, label in zip(voters, LABELS[held_out]))
    assert neighbour_vote(FEATURES, LABELS, seed) == pytest.approx(right / 1500)


def test_the_probe_looks_at_standardised_features_and_the_vote_at_distances_as_they_are():
    stretched = FEATURES * np.float32([1, 1, 1, 1, 1, 100]) + 50
    assert linear_probe(stretched, LABELS) == pytest.approx(linear_probe(FEATURES, LABELS), abs=0.003)
    assert neighbour_vote(stretched, LABELS) < neighbour_vote(FEATURES, LABELS) - 0.1
    assert neighbour_vote(1e-9 * FEATURES, LABELS) == neighbour_vote(FEATURES, LABELS)


def test_a_penalty_that_does_not_favour_few_dimensions():
    twenty_times = np.tile(FEATURES, 20)
    assert linear_probe(twenty_times, LABELS) == pytest.approx(linear_probe(FEATURES, LABELS), abs=0.002)


def test_dead_dimensions_change_nothing():
    wide = np.concatenate([FEATURES, np.full((1500, 300), 0.1, np.float32)], axis=1)
    assert linear_probe(wide, LABELS) == pytest.approx(linear_probe(FEATURES, LABELS), abs=0.001)
    assert neighbour_vote(wide, LABELS) == neighbour_vote(FEATURES, LABELS)
    dead = Knowledge.of(np.concatenate([wide[:, 6:], NOISE[:, :1]], axis=1), LABELS)
    assert max(dead.probe, dead.neighbours) < 0.2


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_features_that_are_all_the_same_are_told_by_chance():
    knowledge = Knowledge.of(np.ones((1500, 3)), LABELS)
    assert max(knowledge.probe, knowledge.neighbours, knowledge.clusters) < 0.15
    assert knowledge.nmi == 0


def test_thousands_of_dimensions_know_what_the_few_behind_them_know():
    mixed = FEATURES[:600] @ RNG.normal(size=(6, 1100)).astype(np.float32)
    many, few = (Knowledge.of(features, LABELS[:600]) for features in (mixed, FEATURES[:600]))
    assert many.neighbours == pytest.approx(few.neighbours, abs=0.06)
    assert many.probe == pytest.approx(few.probe, abs=0.03)


def test_knowledge_is_its_parts_and_follows_the_seed():
    knowledge = Knowledge.of(FEATURES, LABELS, seed=1)
    n = len(np.unique(LABELS))
    matches = [Match.of(each.labels, LABELS) for each in over_seeds(FEATURES, n, range(1, 1 + N_SEEDS))]
    accuracies = [each.accuracy for each in matches]
    assert knowledge == Knowledge(
        linear_probe(FEATURES, LABELS, 1), neighbour_vote(FEATURES, LABELS, 1), accuracies[0], matches[0].nmi,
        min(accuracies), max(accuracies), len(LABELS),
    )  # fmt: skip
    assert knowledge != Knowledge.of(FEATURES, LABELS, seed=2)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_the_probe_of_real_pixels_converges():
    images, labels = data.evaluation_digits()
    assert 0.85 < linear_probe(knowledge.pixels(images[:2000]), labels[:2000]) < 0.95


def test_codes_know_more_than_as_many_principal_components_of_the_pixels(space):
    components = principal_components(knowledge.pixels(space.images), space.latent_dim)
    codes, yardstick = (Knowledge.of(features[:3000], space.labels[:3000]) for features in (space.z, components))
    assert codes.probe > yardstick.probe
    assert codes.neighbours > yardstick.neighbours
    assert codes.clusters > yardstick.clusters
    assert codes.nmi > yardstick.nmi


def test_pixels_are_the_images_in_the_unit_range():
    images = RNG.integers(0, 256, (4, 3, 5, 3), dtype=np.uint8)
    features = knowledge.pixels(images)
    assert features.shape == (4, 45)
    assert features.dtype == np.float32
    assert np.array_equal(np.rint(features * 255), images.reshape(4, 45))


@pytest.mark.parametrize("measure", [linear_probe, neighbour_vote, Knowledge.of])
@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (FEATURES, LABELS[:-1]),
        (FEATURES[:20], np.zeros(20, int)),
        (FEATURES[:20], np.repeat([0, 1], [16, 4])),
        (np.full((1500, 2), np.nan), LABELS),
        (FEATURES[0], LABELS),
    ],
)
def test_what_cannot_be_probed_is_refused(measure, features, labels):
    with pytest.raises(ArgumentError):
        measure(features, labels)


def test_large_images_are_compared_in_fewer_pixels_which_still_tell_their_classes():
    random = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = random.integers(0, 120, (120, 96, 80, 3), np.uint8)
    images[labels == 1, :48] += 100
    seen = knowledge.pixels(images)
    _, height, width = knowledge.compared_shape((3, 96, 80))
    assert seen.shape == (120, height * width * 3)
    assert 3500 < seen.shape[1] <= knowledge.MOST_PIXELS
    assert abs(width / height - 80 / 96) < 0.03
    assert linear_probe(seen, labels) == 1
    assert seen.mean() == pytest.approx(images.mean() / 255, rel=0.01)
    assert np.array_equal(knowledge.pixels(images[:, :64, :64, 0]).reshape(120, 64, 64) * 255, images[:, :64, :64, 0])
