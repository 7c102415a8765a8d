import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.neighbours import CHUNK, Support, nearest, verdict

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((700, 5)).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 30])
def test_the_nearest_are_those_of_a_plain_search(offset):
    queries = RNG.standard_normal((CHUNK + 3, 5)).astype(np.float32) + offset
    rows = ROWS + offset
    indices, distances = nearest(queries, rows, 4)
    table = np.linalg.norm(queries[:, None].astype(np.float64) - rows[None], axis=2)
    by_hand = np.sort(table, axis=1)[:, :4]
    assert np.allclose(distances, np.take_along_axis(table, indices, axis=1), rtol=1e-4)
    assert np.allclose(distances, by_hand, atol=1e-3)
    assert (np.diff(distances, axis=1) >= -1e-3).all()


@pytest.mark.parametrize("k", [0, 701])
def test_a_number_of_neighbours_that_cannot_be_is_refused(k):
    with pytest.raises(ArgumentError, match="from 1 to 700"):
        nearest(ROWS[:2], ROWS, k)


def test_support_of_the_real_codes_themselves_is_spread_evenly():
    support = Support.of(ROWS)
    fresh = np.random.default_rng(1).standard_normal((4000, 5)).astype(np.float32)
    quantiles = support.quantile(fresh)  # unseen codes of the same distribution
    assert 0.4 < np.median(quantiles) < 0.65
    assert 0.02 < (quantiles > 0.95).mean() < 0.12


def test_support_falls_as_a_code_leaves_the_data():
    support = Support.of(ROWS)
    away = np.array([1, 3, 4, 5, 8])[:, None] * np.ones(5) / np.sqrt(5)
    quantiles = support.quantile(away.astype(np.float32))
    assert (np.diff(quantiles) >= 0).all()
    assert verdict(quantiles[0]) == "on the data"
    assert verdict(quantiles[-1]) == "off the data"


def test_verdicts_end_where_they_say():
    assert [verdict(q) for q in (0, 0.95, 0.951, 0.9995, 1)] == [
        "on the data", "on the data", "at the edge", "at the edge", "off the data",
    ]  # fmt: skip
