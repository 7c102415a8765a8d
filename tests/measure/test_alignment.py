import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from latent.errors import ArgumentError
from latent.measure.alignment import AffineMap, Alignment, Neighbours, explained, linear_cka, neighbour_overlap, stitch

RNG = np.random.default_rng(0)
Z = (RNG.normal(size=(1000, 6)) * [3, 2, 1, 1, 0.5, 0.2]).astype(np.float32)
ROTATION = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
NOISE = RNG.normal(size=(1000, 6)).astype(np.float32)


def test_a_rotated_shifted_copy_is_the_same_space():
    found = Alignment.of(Z, (2 * Z @ ROTATION + 5).astype(np.float32))
    assert found.overlap > 0.999
    assert found.cka == pytest.approx(1)
    assert (found.r2_a_to_b, found.r2_b_to_a) == (pytest.approx(1), pytest.approx(1))
    assert np.allclose(found.a_to_b.matrix, 2 * ROTATION, atol=1e-5)
    assert np.allclose(found.a_to_b.offset, 5, atol=1e-5)


def test_noise_is_another_space():
    found = Alignment.of(Z, NOISE)
    assert found.overlap == pytest.approx(10 / 999, abs=0.01)
    assert found.cka < 0.02
    assert max(found.r2_a_to_b, found.r2_b_to_a) < 0.05


def test_a_map_that_loses_dimensions_explains_one_way_only():
    found = Alignment.of(Z, Z[:, :2])
    assert found.r2_a_to_b == pytest.approx(1)
    variance = Z.var(axis=0)
    assert found.r2_b_to_a == pytest.approx(variance[:2].sum() / variance.sum(), abs=0.02)
    assert found.a_to_b.matrix.shape == (6, 2)


def test_the_r2_is_that_of_codes_the_map_has_not_seen():
    few_a, few_b = RNG.normal(size=(2, 24, 11))
    found = Alignment.of(few_a, few_b)  # twelve codes fit a map of eleven dimensions and an offset exactly
    assert found.r2_a_to_b < 0


def test_cka_agrees_with_its_definition_by_kernels():
    a, b = Z[:200], np.concatenate([Z[:200, :3], NOISE[:200]], axis=1)
    centring = np.eye(200) - 1 / 200
    kernel_a, kernel_b = (centring @ np.float64(z) @ z.T @ centring for z in (a, b))
    hsic = np.trace(kernel_a @ kernel_b) / np.sqrt(np.trace(kernel_a @ kernel_a) * np.trace(kernel_b @ kernel_b))
    assert linear_cka(a, b) == pytest.approx(hsic)
    assert 0.2 < hsic < 0.99


def test_overlap_of_four_codes_worked_out_by_hand():
    # On the line 0 1 5 6 neighbours are (1 0 3 2); with 1 and 5 exchanged they are (2 3 0 1).
    line = np.array([[0.0], [1.0], [5.0], [6.0]])
    assert neighbour_overlap(line, line[[0, 2, 1, 3]], 1) == 0
    assert neighbour_overlap(line, line[[1, 0, 2, 3]], 1) == 1
    assert neighbour_overlap(line, np.array([[0.0], [1.0], [2.5], [2.0]]), 1) == 1
    assert neighbour_overlap(line, np.array([[0.0], [1.0], [5.0], [1.5]]), 1) == 0.5


def test_stitching_a_space_with_its_rotated_copy_is_exact():
    def decode(z):
        return np.tanh(z)

    rotated = Z @ ROTATION.astype(np.float32)
    there = Alignment.of(rotated, Z).a_to_b
    assert np.allclose(stitch(rotated, there, decode), decode(Z), atol=1e-5)


def test_a_map_between_spaces_with_dead_dimensions_is_still_found():
    dead = Z.copy()
    dead[:, 4:] = 1
    there = AffineMap.fitted(dead, Z[:, :4])
    assert np.allclose(there(dead), Z[:, :4], atol=1e-4)
    assert np.abs(there.matrix[4:]).max() < 1e-9


def test_a_space_that_never_changes_shares_nothing_and_explains_nothing():
    still = np.ones((1000, 3))
    assert linear_cka(Z, still) == 0
    assert explained(still, still) == 0


@pytest.mark.parametrize("wrong", [Z[:-1], Z[0]])
def test_codes_of_other_images_are_refused(wrong):
    with pytest.raises(ArgumentError, match="same images"):
        Alignment.of(Z, wrong)


def test_neighbours_are_kept_lost_and_gained_as_another_library_finds_them():
    a, b = Z[:200], (Z + 0.7 * NOISE)[:200]
    found = Neighbours.of(a, b)
    sets = [NearestNeighbors(n_neighbors=10).fit(z).kneighbors(return_distance=False) for z in (a, b)]
    for row in range(0, 200, 17):
        kept, lost, gained = (set(rows.tolist()) for rows in found.of_image(row))
        in_a, in_b = set(sets[0][row].tolist()), set(sets[1][row].tolist())
        assert (kept, lost, gained) == (in_a & in_b, in_a - in_b, in_b - in_a)
        assert found.n_shared[row] == len(kept)
    assert found.n_shared.mean() / 10 == pytest.approx(neighbour_overlap(a, b))


def test_what_lies_elsewhere_in_the_other_space_has_changed_most():
    b = Z[:200].copy()
    b[[3, 90]] = b[[90, 3]]  # these two change places, all others stay
    found = Neighbours.of(Z[:200], b)
    order = found.most_changed(np.arange(200))
    assert set(order[:2].tolist()) == {3, 90}
    assert found.n_shared[order].tolist() == sorted(found.n_shared.tolist())
    assert found.most_changed(np.array([90, 7, 3])).tolist()[-1] == 7


def test_neighbours_that_stay_have_not_moved():
    found = Neighbours.of(Z[:100], Z[:100])
    assert (found.n_shared == 10).all()
    assert (found.moved <= 1).all()
