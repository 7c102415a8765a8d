import numpy as np
import pytest

from latent import interpolation
from latent.errors import ArgumentError
from latent.interpolation import lerp, path, slerp

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 8))


@pytest.mark.parametrize("between", [lerp, slerp])
def test_a_path_ends_at_its_ends(between):
    z = between(A, B, [0, 0.3, 1])
    assert z.shape == (3, 8)
    assert z.dtype == np.float32
    assert np.allclose(z[0], A, atol=1e-6)
    assert np.allclose(z[2], B, atol=1e-6)


def test_lerp_is_straight_and_even():
    steps = np.diff(lerp(A, B, np.linspace(0, 1, 5)), axis=0)
    assert np.allclose(steps, (B - A) / 4, atol=1e-6)


def test_slerp_keeps_equal_norms_and_equal_angles():
    b = B * np.linalg.norm(A) / np.linalg.norm(B)
    z = np.float64(slerp(A, b, np.linspace(0, 1, 9)))
    norms = np.linalg.norm(z, axis=1)
    assert np.allclose(norms, np.linalg.norm(A), rtol=1e-5)
    cosines = np.einsum("ij,ij->i", z[1:], z[:-1]) / norms[0] ** 2
    assert np.allclose(cosines, cosines[0], atol=1e-5)


@pytest.mark.parametrize("b", [A, 3 * A, np.zeros(8), A + 1e-12, -A, -2 * A])
def test_slerp_is_finite_where_the_arc_is_not_defined(b):
    z = slerp(A, b, np.linspace(0, 1, 7))
    assert np.isfinite(z).all()
    assert np.allclose(z[0], A, atol=1e-5)
    assert np.allclose(z[-1], b, atol=1e-5)


def test_slerp_between_opposite_codes_does_not_pass_the_origin():
    norms = np.linalg.norm(slerp(A, -A, np.linspace(0, 1, 9)), axis=1)
    assert np.allclose(norms, np.linalg.norm(A), rtol=1e-5)


def test_slerp_in_one_dimension_is_finite():
    z = slerp([1.0], [-1.0], [0, 0.5, 1])
    assert np.isfinite(z).all()
    assert z[0] == 1
    assert z[-1] == pytest.approx(-1)


def test_a_path_includes_both_ends_and_names_its_kinds():
    assert np.allclose(path(A, B, 3), lerp(A, B, [0, 0.5, 1]))
    assert np.allclose(path(A, B, 3, "spherical"), slerp(A, B, [0, 0.5, 1]))
    with pytest.raises(ArgumentError, match="spherical"):
        path(A, B, 3, "cubic")
    with pytest.raises(ArgumentError, match="at least 2"):
        path(A, B, 1)


def test_codes_of_different_lengths_are_refused():
    with pytest.raises(ArgumentError, match="same length"):
        lerp(A, B[:3], [0])


def test_arithmetic():
    a, b, c = np.float32([[1, 2], [3, 5], [10, 20]])
    assert interpolation.average(a, b).tolist() == [2, 3.5]
    assert interpolation.difference(a, b).tolist() == [-2, -3]
    assert interpolation.total(a, b).tolist() == [4, 7]
    assert interpolation.analogy(a, b, c).tolist() == [8, 17]
    assert np.array_equal(interpolation.analogy(a, a, c), c)
