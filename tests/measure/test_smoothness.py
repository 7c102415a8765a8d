import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.measure.smoothness import (
    KINDS,
    Paths,
    evenly_along,
    mean_over_largest,
    neighbour_graph,
    pairs_of_one_class,
    paths,
    perceptual_path_length,
    random_pairs,
    shortest_paths,
)

RNG = np.random.default_rng(0)
TURN = np.linspace(0, 1.9 * np.pi, 400)
HORSESHOE = (np.stack([np.cos(TURN), np.sin(TURN)], axis=1) * 5).astype(np.float32)  # open at the right


def drawn(z):
    """A decoder whose picture is its code."""
    return z[:, None, :].astype(np.float32)


def seen(pictures):
    """A judge whose features are the pixels."""
    return pictures.reshape(len(pictures), -1)


def measured(z=HORSESHOE, decode=drawn, features=seen, **options):
    between = Paths.of(z, decode, features, **options)
    return {kind: between.along(kind) for kind in KINDS}


def straight(n_pairs):
    """The straight paths that are measured between so many pairs."""
    return paths("linear", HORSESHOE, random_pairs(len(HORSESHOE), n_pairs, 0), 16)


def test_a_way_through_codes_stays_on_the_data_where_a_straight_one_leaves_it():
    found = measured(n_pairs=100)
    assert list(found) == ["linear", "spherical", "through codes"]
    assert found["through codes"].off_data.max() == 0
    assert found["linear"].off_data.mean() > 0.6
    assert found["spherical"].off_data.mean() < found["linear"].off_data.mean()
    assert np.allclose(found["linear"].roughness, 1, atol=1e-4), "features that are the code change straight and evenly"
    assert found["through codes"].roughness.mean() > 1.5, "a detour is longer"


def test_every_way_joins_the_same_two_codes():
    found = measured(n_pairs=30, n_steps=7, seed=4)
    pairs = random_pairs(len(HORSESHOE), 30, 4)
    for kind, each in found.items():
        codes = paths(kind, HORSESHOE, pairs, 7)
        assert codes.shape == (30, 7, 2), kind
        assert np.allclose(codes[:, [0, -1]], HORSESHOE[pairs], atol=1e-5), kind
        assert any(np.array_equal(each.smoothest, path) for path in codes), kind


def test_steps_are_even_where_the_picture_follows_the_code_and_uneven_where_it_jumps():
    def jumping(z):
        return (z[:, :1, None] > 0).astype(np.float32)

    even, jump = measured(n_pairs=50), measured(decode=jumping, n_pairs=50)
    assert np.allclose(even["linear"].evenness, 1, atol=1e-4)
    crossing = np.ptp(np.sign(straight(50)[:, :, 0]), axis=1) > 0
    assert np.allclose(jump["linear"].evenness[crossing], 1 / 15), "fifteen steps, one of which is all of the change"
    assert np.all(jump["linear"].evenness[~crossing] == 1)
    assert 0 < crossing.sum() < 50
    assert np.allclose(jump["linear"].roughness[crossing], 15), "one jump has the greatest path length"
    assert np.isnan(jump["linear"].roughness[~crossing]).all(), "nothing changes"


def test_path_length_tends_to_a_limit_with_finer_steps_but_where_the_picture_jumps():
    def curved(z):
        return np.sin(z)[:, None, :]

    def jumping(z):
        return np.round(z)[:, None, :]

    smooth, jumps = (
        [measured(decode=decode, n_pairs=40, n_steps=n)["linear"].path_length.mean() for n in (17, 65, 257)]
        for decode in (curved, jumping)
    )
    assert smooth[2] == pytest.approx(smooth[1], rel=0.02)
    assert jumps[2] > 3 * jumps[1] > 9 * jumps[0]


def test_path_length_worked_out_by_hand():
    steps = np.array([[[0.0, 0], [3, 4], [3, 4]]])  # a step of 5, and none: 25 and 0, over a half squared
    assert perceptual_path_length(steps).tolist() == [50.0]


def test_the_decoder_that_jumps_to_the_nearest_real_image_is_the_roughest(space, evidence):
    from latent.neighbours import nearest

    some = space.z[:2000]

    def jumping(z):
        return space.decode(some[nearest(np.asarray(z, np.float32), some)[1][:, 0]])

    features = lambda pictures: evidence.judge()(pictures).features  # noqa: E731
    own, jump = (Paths.of(some, decode, features, n_pairs=25).along("linear") for decode in (space.decode, jumping))
    assert jump.path_length.mean() > 2 * own.path_length.mean()
    assert jump.evenness.mean() < 0.5 * own.evenness.mean()


def test_paths_of_a_conditional_model_keep_one_class_and_are_decoded_as_it():
    labels, asked = np.arange(len(HORSESHOE)) % 4, []

    def decode(z, given):
        asked.append(given)
        return drawn(z)

    found = Paths.of(HORSESHOE, decode, seen, labels=labels, n_pairs=20, n_steps=5)
    found.along("linear")
    assert np.array_equal(labels[found.pairs[:, 0]], labels[found.pairs[:, 1]])
    assert np.all(found.pairs[:, 0] != found.pairs[:, 1])
    assert np.array_equal(np.concatenate(asked), np.repeat(labels[found.pairs[:, 0]], 5))
    assert len(np.unique(np.concatenate(asked))) == 4
    with pytest.raises(ArgumentError, match="class"):
        pairs_of_one_class(np.arange(5), 3, 0)


def test_evenness_of_steps_worked_out_by_hand():
    assert mean_over_largest(np.array([[1.0, 2, 3], [2, 2, 2], [0, 0, 0]])).tolist() == [2 / 3, 1, 1]


def test_the_smoothest_and_the_roughest_path_are_those_of_extreme_path_length():
    found = measured(decode=lambda z: np.sin(z)[:, None, :], n_pairs=60)["linear"]
    codes = straight(60)
    assert np.array_equal(found.smoothest, codes[np.nanargmin(found.roughness)])
    assert np.array_equal(found.roughest, codes[np.nanargmax(found.roughness)])


def test_out_of_distribution_is_beyond_the_distance_of_all_real_neighbours():
    z = np.array([*np.arange(6.0), *np.arange(100.0, 106)], np.float32)[:, None]
    found = Paths.of(z, lambda z: z, seen, n_pairs=40)
    off = found.along("linear").off_data
    far = np.abs(z[found.pairs[:, 0], 0] - z[found.pairs[:, 1], 0]) > 50
    assert off[far].min() > 0.8
    assert off[~far].max() == 0
    assert 0 < far.sum() < 40


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
