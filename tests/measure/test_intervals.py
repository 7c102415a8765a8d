"""Intervals against closed forms, and against what really happens with other seeds."""

import numpy as np
import pytest

from latent.measure.intervals import apart, jackknife, leave_out, mean_interval, share_interval

RNG = np.random.default_rng(0)


def test_the_interval_of_a_mean_is_that_of_scipy():
    from scipy.stats import norm

    values = RNG.normal(3, 2, 400)
    expected = norm.interval(0.95, values.mean(), values.std(ddof=1) / 20)
    assert mean_interval(values) == pytest.approx(expected)
    assert mean_interval(values[:1]) == (-np.inf, np.inf)


@pytest.mark.parametrize(("k", "n"), [(0, 50), (13, 50), (50, 50), (4999, 5000)])
def test_the_interval_of_a_share_is_wilsons(k, n):
    from scipy.stats import binomtest

    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert share_interval(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-8)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = RNG.normal(size=2000)
    without = np.array([values[rows].mean() for rows in leave_out(2000)])
    low, high = jackknife(float(values.mean()), without)
    sums = values.reshape(-1, 20).mean(axis=0)  # of the groups
    assert (high - low) / 2 == pytest.approx(2.093 * sums.std(ddof=1) / np.sqrt(20))


def test_groups_are_left_out_one_at_a_time():
    rows = leave_out(10, 5)
    assert [sorted(set(range(10)) - set(each.tolist())) for each in rows] == [[i, i + 5] for i in range(5)]


def test_values_are_ranked_only_where_intervals_part():
    assert apart((0, 1), (2, 3))
    assert apart((2, 3), (0, 1))
    assert not apart((0, 2), (1, 3))
    assert not apart((0, 5), (1, 2))
