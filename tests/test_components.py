import numpy as np
import pytest

from latent.components import ENOUGH_COMPONENTS, MANY_DIMENSIONS, centred, condensed, principal_components
from latent.errors import ArgumentError

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(400, 30)) * 0.7 ** np.arange(30) @ RNG.normal(size=(30, 50)) + 20).astype(np.float32)


def pairwise(x):
    return np.linalg.norm(x[:50, None] - x[None, 50:100], axis=2)


def test_centred_rows_lie_around_0_with_mean_variance_1_and_can_be_put_back():
    rows, mean, scale = centred(X)
    assert rows.dtype == np.float32
    assert np.allclose(rows.mean(axis=0), 0, atol=1e-5)
    assert rows.var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    assert np.allclose(rows * scale + mean, X, atol=1e-4)


@pytest.mark.parametrize("size", [1e-20, 1e25])
def test_centred_rows_are_the_same_whatever_the_size_of_the_numbers(size):
    assert np.allclose(centred(X * np.float32(size))[0], centred(X)[0], atol=1e-4)


def test_principal_components_are_those_of_the_exact_decomposition_up_to_their_sign():
    left, widths, _ = np.linalg.svd(np.float64(X) - np.float64(X).mean(axis=0), full_matrices=False)
    found = principal_components(X, 6)
    assert found.shape == (400, 6)
    assert found.dtype == np.float32
    assert np.allclose(np.abs(found), np.abs(left * widths)[:, :6], atol=1e-2)


def test_all_components_keep_every_distance():
    assert np.allclose(pairwise(principal_components(X, 50)), pairwise(X), rtol=1e-3)


def test_there_are_no_more_components_than_rows_or_columns():
    assert principal_components(X, 100).shape == (400, 50)
    assert principal_components(X[:7], 100).shape == (7, 7)
    assert not principal_components(np.full((9, 4), 3.0), 2).any()


def test_only_rows_of_very_many_dimensions_are_condensed():
    assert np.array_equal(condensed(X), X)
    many = X @ RNG.normal(size=(50, MANY_DIMENSIONS + 1)).astype(np.float32)
    assert condensed(many[:, 1:]).shape == (400, MANY_DIMENSIONS)
    assert condensed(many).shape == (400, ENOUGH_COMPONENTS)
    assert np.allclose(pairwise(condensed(many)), pairwise(many), rtol=1e-3)


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0)), [[1.0, np.nan]], [[np.inf, 1.0]]])
def test_what_is_no_table_of_finite_numbers_is_refused(x):
    with pytest.raises(ArgumentError):
        centred(x)


def test_less_than_one_component_is_refused():
    with pytest.raises(ArgumentError, match="at least 1"):
        principal_components(X, 0)
