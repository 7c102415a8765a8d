"""Codes of a file on a plane, counted block by block: the counts and the plane are those of all codes at once."""

import tracemalloc

import numpy as np
import pytest

from latent import density, encoded
from latent.density import Density
from latent.encoded import Encoded
from latent.errors import ArgumentError, CodesError
from latent.streaming import Histogram, Moments


def saved(folder, z):
    """A finished file of these codes."""
    path = folder / f"{len(z)}.npy"
    np.save(path, z)
    moments = Moments.of(z)
    histogram = Histogram.over(moments)
    return Encoded(path, "tiny.pt", "", len(z), z.shape[1], {}, moments, histogram)


def stretched(n, latent_dim, seed=0):
    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.standard_normal((latent_dim, latent_dim)))[0]
    return (rng.standard_normal((n, latent_dim)) * 0.7 ** np.arange(latent_dim) @ turned + 100).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(encoded, "NUMBERS_A_BLOCK", 700)


def test_the_plane_and_its_share_of_the_variance_are_those_of_scikit_learn(tmp_path, small_blocks):
    from sklearn.decomposition import PCA

    z = stretched(3000, 6)
    pca = PCA(2).fit(z.astype(np.float64))
    found = Density.of(saved(tmp_path, z))
    assert np.allclose(np.abs(found.plane.axes), np.abs(pca.components_), atol=1e-4)
    assert found.explained == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-5)
    assert found.exact
    assert f"{pca.explained_variance_ratio_[0]:.0%}" in found.plane.names[0]


def test_the_counts_are_those_of_numpy_over_all_places(tmp_path, small_blocks):
    z = stretched(3000, 6)
    found = Density.of(saved(tmp_path, z), cells=(5, 8))
    places = found.plane.project(z)
    columns, rows = found.edges
    assert np.array_equal(found.counts, np.histogram2d(places[:, 1], places[:, 0], [rows, columns])[0])
    assert found.counts.sum() == found.n == 3000
    assert not found.outside


def test_rows_of_nan_are_not_counted_and_codes_far_out_are_said(tmp_path, small_blocks):
    z = stretched(3000, 3)
    z[7] = np.nan
    z[11] += 1000
    found = Density.of(saved(tmp_path, z))
    assert (found.n, found.outside, found.counts.sum()) == (2999, 1, 2998)


def test_a_space_of_two_dimensions_is_counted_as_it_is(tmp_path):
    z = stretched(500, 2)
    found = Density.of(saved(tmp_path, z))
    assert np.array_equal(found.plane.project(z), z)
    assert found.explained == pytest.approx(1)


def test_codes_that_are_all_the_same_lie_in_one_cell(tmp_path):
    found = Density.of(saved(tmp_path, np.ones((50, 3), np.float32)))
    assert found.counts.max() == found.n == 50


def test_the_plane_of_very_many_dimensions_is_of_a_sample_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(density, "EXACT", 5)
    z = stretched(3000, 6)
    found = Density.of(saved(tmp_path, z))
    assert not found.exact
    assert found.explained == pytest.approx((1 + 0.7**2) / (0.49 ** np.arange(6)).sum(), abs=0.03)


def test_a_window_has_the_counts_of_numpy_and_names_its_codes_where_they_are_few(tmp_path, small_blocks, monkeypatch):
    z = stretched(3000, 6)
    z[1234] = np.nan
    file = saved(tmp_path, z)
    found = Density.of(file, cells=(5, 8))
    places = found.plane.project(z)
    low, high = np.nanquantile(places, (0.4, 0.6), axis=0)
    inside = np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))
    assert 50 < len(inside) < 500
    columns, rows = (np.linspace(low[axis], high[axis], cells + 1) for axis, cells in ((0, 8), (1, 5)))
    counts = np.histogram2d(places[inside, 1], places[inside, 0], [rows, columns])[0]
    for most in (len(inside), len(inside) - 1):
        monkeypatch.setattr(density, "MOST_DOTS", most)
        window = found.window(file, low, high)
        assert np.array_equal(window.counts, counts)
        named = inside[: len(inside) * (most == len(inside))]
        assert np.array_equal(window.rows, named)
        assert np.array_equal(window.places, places[named])


def test_memory_does_not_grow_with_the_number_of_codes(tmp_path, monkeypatch):
    monkeypatch.setattr(density, "MOST_DOTS", 1000)
    monkeypatch.setattr(encoded, "NUMBERS_A_BLOCK", 2**14)
    peaks = []
    for n in (20_000, 20_001, 200_000):  # the first warms up what is made once
        file = saved(tmp_path, np.random.default_rng(0).standard_normal((n, 4), np.float32))
        tracemalloc.start()
        found = Density.of(file)
        found.window(file, found.low, found.high)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 100_000


def test_one_dimension_and_unfinished_files_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="at least 2"):
        Density.of(saved(tmp_path, np.zeros((5, 1), np.float32)))
    np.save(tmp_path / "begun.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(CodesError, match="incomplete"):
        Density.of(Encoded(tmp_path / "begun.npy", "", "", 5, 3, {}))
