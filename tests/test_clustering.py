from itertools import permutations

import numpy as np
import pytest

from latent import clustering
from latent.clustering import METHODS, Match
from latent.components import principal_components
from latent.errors import ArgumentError

RNG = np.random.default_rng(0)
SIZES = [50, 100, 150]
BLOB = np.repeat([0, 1, 2], SIZES)


def blobs(latent_dim):
    """Three groups of codes, far apart in latent units but with a shift and a scale of their own."""
    middles = np.zeros((3, latent_dim))
    middles[:, 0] = [-20, 0, 25]
    return (0.01 * (middles[BLOB] + RNG.normal(size=(300, latent_dim))) + 3).astype(np.float32)


def same_partition(a, b):
    return len(np.unique(np.stack([a, b]), axis=1).T) == len(np.unique(a)) == len(np.unique(b))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("latent_dim", [1, 2, 16, 128, 1100])
def test_groups_that_lie_apart_are_found_in_any_number_of_dimensions(method, latent_dim):
    # Beyond 16 dimensions copies of two, as noise in so many would hide a distance in one.
    z = blobs(latent_dim) if latent_dim <= 16 else np.repeat(blobs(2), latent_dim // 2, axis=1)
    clusters = clustering.fit(method, z, 3)
    assert same_partition(clusters.labels, BLOB)
    assert sorted(clusters.sizes) == SIZES
    assert clusters.centres.shape == (3, z.shape[1])
    for cluster in range(3):
        assert np.allclose(clusters.centres[cluster], z[clusters.labels == cluster].mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_distances_and_members_are_those_of_the_centres(method):
    z = RNG.normal(size=(500, 4)).astype(np.float32) * 30 + 7
    clusters = clustering.fit(method, z, 7)
    assert len(clusters) == 7
    assert np.allclose(clusters.distances, np.linalg.norm(z - clusters.centres[clusters.labels], axis=1), rtol=1e-4)
    for cluster in range(7):
        members = np.flatnonzero(clusters.labels == cluster)
        assert clusters.sizes[cluster] == len(members)
        assert clusters.typical[cluster] == members[clusters.distances[members].argmin()]
        assert clusters.strangest[cluster] == members[clusters.distances[members].argmax()]


def test_k_means_puts_every_code_to_the_nearest_centre():
    z = RNG.normal(size=(1000, 3)).astype(np.float32)
    clusters = clustering.fit("k-means", z, 12)
    away = np.linalg.norm(z[:, None] - clusters.centres, axis=2)
    assert (away.argmin(axis=1) == clusters.labels).mean() > 0.995  # it stops when centres hardly move


def test_a_mixture_follows_long_groups_where_k_means_cuts_them():
    side = np.repeat([0, 1], 400)
    z = RNG.normal(size=(800, 2)) * [3, 0.3]
    z[:, 1] += 4 * side
    z = z @ [[0.8, 0.6], [-0.6, 0.8]]  # oblique
    assert same_partition(clustering.fit("mixture", z, 2).labels, side)
    assert Match.of(clustering.fit("k-means", z, 2).labels, side).accuracy < 0.7


def test_a_mixture_sees_32_principal_components_of_more_dimensions():
    z = RNG.normal(size=(600, 45)) * np.linspace(3, 1, 45)
    whole, reduced = (clustering.fit("mixture", x, 5).labels for x in (z, principal_components(z, 32)))
    assert Match.of(whole, reduced).accuracy > 0.99


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_clusters_and_another_seed_others(method):
    z = RNG.normal(size=(600, 5)).astype(np.float32)
    a, b, c = (clustering.fit(method, z, 10, seed) for seed in (1, 1, 2))
    assert np.array_equal(a.labels, b.labels)
    assert np.array_equal(a.centres, b.centres)
    assert not np.array_equal(a.labels, c.labels)


@pytest.mark.parametrize("method", METHODS)
def test_dead_dimensions_and_the_unit_of_codes_change_no_cluster(method):
    z = blobs(5)
    wide = np.concatenate([z, np.full((300, 9), 7, np.float32)], axis=1)
    for same in (wide, 1e-15 * z, 1e15 * z):
        assert same_partition(clustering.fit(method, same, 3).labels, BLOB)
    assert np.allclose(clustering.fit(method, wide, 3).centres[:, 5:], 7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_no_cluster_is_empty_even_where_there_are_fewer_different_codes(method):
    assert len(clustering.fit(method, np.full((20, 3), 4.0), 5)) == 1
    two = clustering.fit(method, np.repeat([[1.0], [5.0]], [3, 9], axis=0), 5)
    assert sorted(two.sizes) == [3, 9]
    assert np.allclose(sorted(two.centres.ravel()), [1, 5])
    assert np.array_equal(np.unique(two.labels), [0, 1])


@pytest.mark.parametrize("method", METHODS)
def test_there_can_be_one_cluster_and_as_many_as_codes(method):
    z = 100 * RNG.permutation(8).reshape(8, 1)
    assert np.allclose(clustering.fit(method, z, 1).centres, 350)
    assert len(clustering.fit(method, z, 8)) == 8
    assert np.allclose(clustering.fit(method, z, 8).distances, 0, atol=1e-3)


@pytest.mark.parametrize(
    ("method", "z", "n_clusters"),
    [
        ("ward", np.zeros((5, 2)), 2),
        ("k-means", np.zeros((5, 2)), 0),
        ("mixture", np.zeros((5, 2)), 6),
        ("k-means", np.zeros(5), 2),
        ("mixture", np.full((5, 2), np.nan), 2),
    ],
)
def test_what_makes_no_clusters_is_refused(method, z, n_clusters):
    with pytest.raises(ArgumentError):
        clustering.fit(method, z, n_clusters)


def entropy(counts):
    shares = counts[counts > 0] / counts.sum()
    return -(shares * np.log(shares)).sum()


@pytest.mark.parametrize("k", [1, 3, 10, 14])
def test_the_table_and_its_measures_agree_with_their_definitions(k):
    digits = RNG.integers(0, 10, 400)
    clusters = np.where(RNG.random(400) < 0.6, digits % k, RNG.integers(0, k, 400))
    match = Match.of(clusters, digits)
    assert match.table.shape == (k, 10)
    assert all(match.table[c, d] == ((clusters == c) & (digits == d)).sum() for c in range(k) for d in range(10))
    assert match.classes.tolist() == [np.bincount(digits[clusters == c]).argmax() for c in range(k)]
    assert match.purity == pytest.approx((match.classes[clusters] == digits).mean())

    separate = entropy(match.table.sum(axis=1)), entropy(match.table.sum(axis=0))
    shared = sum(separate) - entropy(match.table.ravel())
    assert match.nmi == pytest.approx(2 * shared / sum(separate), abs=1e-9)

    def pairs(counts):
        return (counts * (counts - 1) / 2).sum()

    rows, columns, both = pairs(match.table.sum(axis=1)), pairs(match.table.sum(axis=0)), pairs(match.table)
    chance = rows * columns / pairs(np.array([400]))
    assert match.ari == pytest.approx((both - chance) / ((rows + columns) / 2 - chance), abs=1e-9)


@pytest.mark.parametrize("k", [2, 4])
def test_accuracy_is_the_best_that_any_one_to_one_naming_reaches(k):
    digits = RNG.integers(0, 10, 200)
    clusters = np.where(RNG.random(200) < 0.5, digits % k, RNG.integers(0, k, 200))
    best = max((np.array(names)[clusters] == digits).mean() for names in permutations(range(10), k))
    assert Match.of(clusters, digits).accuracy == pytest.approx(best)


def test_surplus_clusters_count_as_wrong():
    digits = np.repeat(np.arange(10), 30)
    halves = 2 * digits + (np.arange(300) % 3 == 0)  # of every digit 20 in one cluster and 10 in another
    match = Match.of(halves, digits)
    assert match.accuracy == pytest.approx(20 / 30)
    assert match.purity == 1


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_the_order_of_the_clusters_brings_the_matched_digits_to_the_diagonal(share):
    digits = RNG.integers(0, 10, 1000)
    names = RNG.permutation(10)
    clusters = np.where(RNG.random(1000) < share, names[digits], RNG.integers(0, 10, 1000))
    match = Match.of(clusters, digits)
    assert sorted(match.order) == list(range(10))
    assert np.trace(match.table[match.order]) == round(match.accuracy * 1000)
    assert np.array_equal(match.order, names) == (share == 0.6)


def test_in_the_order_of_the_clusters_surplus_ones_follow_the_matched_one_of_their_digit():
    digits = np.repeat(np.arange(10), 30)
    clusters = RNG.permutation(20)[2 * digits + (np.arange(300) % 3 == 0)]
    match = Match.of(clusters, digits)
    assert match.classes[match.order].tolist() == np.repeat(np.arange(10), 2).tolist()
    assert match.table.max(axis=1)[match.order].tolist() == 10 * [20, 10]


def test_names_of_clusters_do_not_matter():
    digits = RNG.integers(0, 10, 500)
    clusters = np.where(RNG.random(500) < 0.5, digits, RNG.integers(0, 12, 500))
    a, b = Match.of(clusters, digits), Match.of(RNG.permutation(12)[clusters], digits)
    assert (a.accuracy, a.purity) == (b.accuracy, b.purity)
    assert (a.nmi, a.ari) == pytest.approx((b.nmi, b.ari))


@pytest.mark.parametrize(
    ("clusters", "digits"),
    [([0, 1], [1]), ([], []), ([[0]], [[1]]), ([-1, 0], [1, 1]), ([0, 1], [-1, 1])],
)
def test_what_cannot_be_matched_is_refused(clusters, digits):
    with pytest.raises(ArgumentError):
        Match.of(np.array(clusters), np.array(digits))


@pytest.mark.parametrize("method", METHODS)
def test_the_clusters_of_real_codes_are_mostly_digits(space, method):
    clusters = clustering.fit(method, space.z)
    match = Match.of(clusters.labels, space.labels)
    assert match.accuracy > 0.5
    assert match.purity >= match.accuracy
    assert match.nmi > 0.5
    named = match.classes[clusters.labels] == space.labels
    assert named[clusters.typical].mean() > named.mean()
