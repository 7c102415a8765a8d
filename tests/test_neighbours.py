import numpy as np
import pytest

from latent import neighbours
from latent.errors import ArgumentError
from latent.neighbours import nearest, nearest_others, squared_distances

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 6)).astype(np.float32)
QUERIES = RNG.normal(size=(70, 6)).astype(np.float32)


def every_distance(queries, rows):
    return np.linalg.norm(queries[:, None].astype(np.float64) - rows, axis=2)


@pytest.mark.parametrize("block", [1, 700, 10**7])
def test_neighbours_are_those_of_all_distances_sorted_whatever_the_block(block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    distances, indices = nearest(QUERIES, ROWS, 4)
    table = every_distance(QUERIES, ROWS)
    assert np.array_equal(indices, np.argsort(table, axis=1)[:, :4])
    assert np.allclose(distances, np.sort(table, axis=1)[:, :4], atol=1e-12)


def test_others_leave_out_the_row_itself_but_not_its_copy():
    rows = np.concatenate([ROWS, ROWS[:1]])
    distances, indices = nearest_others(rows, 2)
    assert (indices[0, 0], indices[-1, 0]) == (300, 0)
    assert distances[0, 0] == distances[-1, 0] == 0
    table = every_distance(rows, rows)
    np.fill_diagonal(table, np.inf)
    assert np.allclose(distances, np.sort(table, axis=1)[:, :2], atol=1e-12)


def test_far_from_the_origin_neighbours_are_still_found_and_copies_are_at_distance_0():
    far = ROWS + np.float32(1000)
    distances, indices = nearest(far, far, 1)
    assert indices[:, 0].tolist() == list(range(300))
    assert not distances.any()
    _, found = nearest_others(far, 3)
    table = every_distance(far, far)
    np.fill_diagonal(table, np.inf)
    assert np.array_equal(found, np.argsort(table, axis=1)[:, :3])


def test_all_rows_can_be_asked_for():
    assert np.sort(nearest(QUERIES, ROWS, 300)[1], axis=1).tolist() == [list(range(300))] * 70
    assert nearest_others(ROWS[:3], 2)[1].tolist() != [[0, 0]] * 3


def test_blocks_of_squared_distances_cover_every_query_once(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 1000)
    parts = list(squared_distances(QUERIES, ROWS))
    assert len(parts) > 10
    assert np.allclose(np.concatenate([block for _, block in parts]), every_distance(QUERIES, ROWS) ** 2, rtol=1e-4)
    assert [query for part, _ in parts for query in range(70)[part]] == list(range(70))


@pytest.mark.parametrize(("k", "width"), [(0, 6), (301, 6), (1, 5)])
def test_what_has_no_neighbours_is_refused(k, width):
    with pytest.raises(ArgumentError):
        nearest(QUERIES[:, :width], ROWS, k)
    with pytest.raises(ArgumentError, match="from 1 to 2"):
        nearest_others(ROWS[:3], 3)
