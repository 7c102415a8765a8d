import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.measure.smoothness import (
    KINDS,
    Paths,
    evenly_along,
    mean_over_largest,
    neighbour_graph,
    paths,
    random_pairs,
    shortest_paths,
)

RNG = np.random.default_rng(0)
TURN = np.linspace(0, 1.9 * np.pi, 400)
HORSESHOE = (np.stack([np.cos(TURN), np.sin(TURN)], axis=1) * 5).astype(np.float32)  # open at the right


def drawn(z):
    """A decoder whose picture is its code."""
    return z[:, None, :].astype(np.float32)


def nearness(pictures):
    """A judge that is sure of pictures near the horseshoe."""
    return np.exp(-np.abs(np.linalg.norm(pictures[:, 0], axis=1) - 5))


def measured(z=HORSESHOE, decode=drawn, confidence=nearness, **options):
    between = Paths.of(z, decode, confidence, **options)
    return {kind: between.along(kind) for kind in KINDS}


def straight(n_pairs):
    """The straight paths that are measured between so many pairs."""
    return paths("linear", HORSESHOE, random_pairs(len(HORSESHOE), n_pairs, 0), 16)


def test_a_way_through_codes_stays_on_the_data_where_a_straight_one_leaves_it():
    found = measured(n_pairs=100)
    assert list(found) == ["linear", "spherical", "through codes"]
    assert found["through codes"].off_data.max() == 0
    assert found["linear"].off_data.mean() > 0.7
    assert found["through codes"].confidence.min() > 0.95
    assert found["linear"].confidence.mean() < 0.5
    assert found["spherical"].confidence.min() > 0.95, "an arc about the centre is the horseshoe itself"


def test_every_way_joins_the_same_two_codes():
    found = measured(n_pairs=30, n_steps=7, seed=4)
    pairs = random_pairs(len(HORSESHOE), 30, 4)
    for kind, each in found.items():
        codes = paths(kind, HORSESHOE, pairs, 7)
        assert codes.shape == (30, 7, 2), kind
        assert np.allclose(codes[:, [0, -1]], HORSESHOE[pairs], atol=1e-5), kind
        assert any(np.array_equal(each.surest, path) for path in codes), kind


def test_steps_are_even_where_the_picture_follows_the_code_and_uneven_where_it_jumps():
    def jumping(z):
        return (z[:, :1, None] > 0).astype(np.float32)

    even, jump = measured(n_pairs=50), measured(decode=jumping, confidence=lambda x: np.ones(len(x)), n_pairs=50)
    assert np.allclose(even["linear"].evenness, 1, atol=1e-4)
    crossing = np.ptp(np.sign(straight(50)[:, :, 0]), axis=1) > 0
    assert np.allclose(jump["linear"].evenness[crossing], 1 / 15), "fifteen steps, one of which is all of the change"
    assert np.all(jump["linear"].evenness[~crossing] == 1)
    assert 0 < crossing.sum() < 50


def test_evenness_of_steps_worked_out_by_hand():
    assert mean_over_largest(np.array([[1.0, 2, 3], [2, 2, 2], [0, 0, 0]])).tolist() == [2 / 3, 1, 1]


def test_the_best_and_the_worst_way_are_those_the_judge_is_surest_and_least_sure_of():
    found, codes = measured(n_pairs=60)["linear"], straight(60)
    lowest = nearness(drawn(codes.reshape(-1, 2))).reshape(60, -1).min(axis=1)
    assert np.array_equal(found.surest, codes[lowest.argmax()])
    assert np.array_equal(found.least_sure, codes[lowest.argmin()])
    # A straight way between neighbours stays near the horseshoe; one across passes its centre.
    lengths = np.linalg.norm(codes[:, 0] - codes[:, -1], axis=1)
    assert lengths[lowest.argmax()] < np.median(lengths) < lengths[lowest.argmin()]


def test_off_the_data_is_beyond_the_distance_of_real_neighbours():
    z = np.array([[0.0], [1.0], [2.0], [50.0], [51.0]], np.float32)  # neighbours at 1: farther is off the data
    pairs = np.array([[0, 2], [2, 3]])
    found = Paths(z, pairs, 1.0, lambda z: z, lambda x: np.ones(len(x)), n_steps=25).along("linear")
    assert found.off_data[0] == 0
    inner = paths("linear", z, pairs, 25)[1, 1:-1, 0]
    assert found.off_data[1] == np.mean((inner > 3) & (inner < 49)) > 0.9


def test_points_are_even_along_a_line_of_uneven_stops():
    stops = np.array([[0, 0], [3, 0], [3, 1]], np.float32)
    assert evenly_along(stops, 5).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]
    assert np.allclose(evenly_along(stops[[0, 0]], 3), 0), "two codes that are the same"


def test_a_path_visits_real_codes_and_is_the_shortest():
    from scipy.sparse.csgraph import floyd_warshall

    z = RNG.normal(size=(60, 3)).astype(np.float32)
    graph = neighbour_graph(z, 4)
    table = floyd_warshall(graph, directed=False)
    pairs = random_pairs(60, 20, 0)
    for (start, end), stops in zip(pairs, shortest_paths(graph, pairs)):
        assert (stops[0], stops[-1]) == (start, end)
        length = np.linalg.norm(np.diff(z[stops], axis=0), axis=1).sum()
        assert length == pytest.approx(table[start, end], rel=1e-5)


def test_far_clusters_and_copies_are_still_connected():
    clusters = np.concatenate([RNG.normal(100 * centre, 1, (30, 2)) for centre in range(4)] + [np.zeros((20, 2))])
    z = clusters.astype(np.float32)
    graph = neighbour_graph(z, 3)
    stops = next(shortest_paths(graph, np.array([[0, 119]])))
    assert sorted(set(stops // 30)) == [0, 1, 2, 3], "it passes every cluster in between"
    steps = np.linalg.norm(np.diff(z[stops], axis=0), axis=1)
    assert (steps > 50).sum() == 3, "clusters are joined where they are nearest"


def test_pairs_follow_the_seed_and_never_join_a_code_with_itself():
    pairs = random_pairs(3, 500, 1)
    assert np.all(pairs[:, 0] != pairs[:, 1])
    assert set(pairs.ravel().tolist()) == {0, 1, 2}
    assert np.array_equal(pairs, random_pairs(3, 500, 1))
    assert not np.array_equal(pairs, random_pairs(3, 500, 2))


@pytest.mark.parametrize("options", [{"z": HORSESHOE[:1]}, {"n_steps": 2}, {"n_pairs": 0}])
def test_what_makes_no_way_is_refused(options):
    with pytest.raises(ArgumentError):
        measured(**options)


def test_an_unknown_kind_of_way_is_refused():
    with pytest.raises(ArgumentError, match="linear"):
        paths("crooked", HORSESHOE, np.array([[0, 1]]), 3)
