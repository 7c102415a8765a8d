import numpy as np
import pytest

from latent import projection
from latent.components import PrincipalAxes
from latent.errors import ArgumentError
from latent.projection import Plane, tsne
from latent.sampling import MANY_DIMENSIONS

RNG = np.random.default_rng(0)


def stretched(n, latent_dim):
    """Codes with known principal axes: the coordinate axes, ever shorter, away from the origin."""
    return (RNG.standard_normal((n, latent_dim)) * 0.7 ** np.arange(latent_dim) + 3).astype(np.float32)


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 16, MANY_DIMENSIONS + 1])
def test_what_lies_on_the_plane_comes_back_from_it(latent_dim):
    plane = Plane.of(stretched(2000, latent_dim))
    places = RNG.standard_normal((7, 2)).astype(np.float32)
    places[:, 1] *= latent_dim > 1
    assert np.allclose(plane.project(plane.lift(places)), places, atol=1e-5)
    assert plane.lift(places).shape == (7, latent_dim)


@pytest.mark.parametrize("latent_dim", [3, 16])
def test_the_plane_holds_the_widest_spread_that_scikit_learn_finds(latent_dim):
    from sklearn.decomposition import PCA

    z = stretched(3000, latent_dim)
    places, pca = Plane.of(z).project(z), PCA(2).fit(z)
    assert np.allclose(np.abs(places), np.abs(pca.transform(z)), atol=1e-3)
    assert f"{pca.explained_variance_ratio_[0]:.0%}" in Plane.of(z).names[0]


def test_a_space_of_two_dimensions_is_its_own_map():
    z = stretched(100, 2)
    plane = Plane.of(z)
    assert np.array_equal(plane.project(z), z)
    assert np.array_equal(plane.lift(z), z)
    assert plane.names == ("dimension 0", "dimension 1")


def test_tsne_keeps_neighbours_together_and_tells_how_far_it_is():
    centres = np.eye(4, 6) * 20
    groups = np.repeat(np.arange(4), 40)
    z = (centres[groups] + RNG.standard_normal((160, 6))).astype(np.float32)
    told = []
    places = tsne(z, lambda share, so_far: told.append((share, so_far)))
    shares = [share for share, _ in told]
    assert told[0][1] is None
    assert all(so_far.shape == (160, 2) for _, so_far in told[1:])
    assert np.array_equal(told[-1][1], places)
    assert places.shape == (160, 2)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert len(shares) > 5
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag(np.full(160, np.inf))
    assert (groups[distance.argmin(axis=1)] == groups).mean() > 0.99


def test_places_along_three_axes_are_those_of_scikit_learn_up_to_their_sides():
    from sklearn.decomposition import PCA

    z = stretched(2000, 16)
    axes, pca = PrincipalAxes.of(z, 3), PCA(3).fit(z)
    assert np.allclose(np.abs(axes.project(z)), np.abs(pca.transform(z)), atol=1e-3)
    assert np.allclose(axes.share, pca.explained_variance_ratio_, atol=1e-4)


def test_without_its_package_umap_says_what_to_install(monkeypatch):
    monkeypatch.setattr(projection, "has_umap", lambda: False)
    with pytest.raises(ArgumentError, match="pip install umap-learn"):
        projection.umap(stretched(20, 3))


@pytest.mark.exhaustive
def test_umap_keeps_two_groups_apart():
    pytest.importorskip("umap")
    z = np.concatenate([stretched(60, 5), stretched(60, 5) + 50])
    places = projection.umap(z)
    centres = places[:60].mean(axis=0), places[60:].mean(axis=0)
    assert places.shape == (120, 2)
    nearer = [np.linalg.norm(places - centre, axis=1) for centre in centres]
    assert ((nearer[1] < nearer[0]) == (np.arange(120) >= 60)).all()
