"""Disentanglement of codes whose factors are known."""

import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.measure.disentanglement import Disentanglement, binned, lasso, mutual_information

RNG = np.random.default_rng(0)
FACTORS = RNG.uniform(-1, 1, (4000, 3))
NAMED = dict(zip("abc", FACTORS.T))
MIX = np.array([[2, 2, -1], [-1, 2, 2], [2, -1, 2]]) / 3  # a rotation in which no axis keeps its place


def test_a_dimension_for_each_property_is_1_and_a_rotation_of_them_is_not():
    pure, mixed = Disentanglement.of(FACTORS, NAMED), Disentanglement.of(FACTORS @ MIX, NAMED)
    assert pure.mig > 0.9
    assert pure.sap > 0.9
    assert min(pure.disentanglement, pure.completeness, pure.informativeness) > 0.9
    assert mixed.mig < 0.3
    assert mixed.completeness < 0.6
    assert mixed.informativeness == pytest.approx(pure.informativeness, abs=0.02), "all is still there"


def test_units_signs_and_order_of_dimensions_do_not_count():
    one = Disentanglement.of(FACTORS @ MIX, NAMED)
    other = Disentanglement.of((FACTORS @ MIX * [100, -0.01, 1])[:, [2, 0, 1]], NAMED)
    for name in ("mig", "sap", "disentanglement", "completeness", "informativeness"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-3), name


def test_mutual_information_is_that_of_scikit_learn():
    from sklearn.metrics import mutual_info_score

    rows = binned(FACTORS @ MIX), binned(FACTORS)
    found, entropies = mutual_information(*rows)
    theirs = mutual_info_score(rows[0][:, 0], rows[1][:, 1]) / np.log(2)
    assert found[0, 1] == pytest.approx(theirs - 19 * 19 / (2 * 4000) / np.log(2), abs=2e-3), "less Miller's bias"
    assert entropies == pytest.approx(np.log2(20), abs=1e-3)


def test_the_lasso_is_that_of_scikit_learn():
    from sklearn.linear_model import Lasso

    x = (FACTORS @ MIX - (FACTORS @ MIX).mean(axis=0)) / (FACTORS @ MIX).std(axis=0)
    y = (FACTORS[:, 0] - FACTORS[:, 0].mean()) / FACTORS[:, 0].std()
    found = lasso(x.T @ x / len(x), (x.T @ y / len(x))[:, None], 0.1)[:, 0]
    assert found == pytest.approx(Lasso(alpha=0.1, fit_intercept=False).fit(x, y).coef_, abs=1e-3)


def test_intervals_hold_what_other_images_give():
    found = Disentanglement.of(FACTORS[:2000] @ MIX, {name: values[:2000] for name, values in NAMED.items()})
    other = Disentanglement.of(FACTORS[2000:] @ MIX, {name: values[2000:] for name, values in NAMED.items()})
    for name in ("mig", "sap"):
        low, high = found.intervals[name]
        assert low < getattr(found, name) < high
        assert abs(getattr(other, name) - getattr(found, name)) < 2 * (high - low), name


def test_what_has_nothing_to_measure_is_refused():
    with pytest.raises(ArgumentError, match="vary"):
        Disentanglement.of(FACTORS, {"a": np.zeros(4000)})
    with pytest.raises(ArgumentError, match="each of 4000"):
        Disentanglement.of(FACTORS, {"a": np.arange(10.0)})
