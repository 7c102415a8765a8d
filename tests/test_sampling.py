import numpy as np
import pytest

from latent import sampling
from latent.errors import ArgumentError

RNG = np.random.default_rng(0)
MIX = np.array([[2.0, 0, 0], [1.5, 0.5, 0], [0, 0, 0.1]])
Z = (RNG.normal(size=(5000, 3)) @ MIX.T + [1, -2, 3]).astype(np.float32)
TWO_CLUSTERS = np.concatenate([RNG.normal(-5, 0.3, (500, 2)), RNG.normal(5, 0.3, (500, 2))]).astype(np.float32)
N = 20_000


@pytest.mark.parametrize("name", [*sampling.SAMPLERS])
def test_the_same_seed_gives_the_same_codes_and_another_seed_others(name):
    distribution = sampling.fit(name, Z)
    a, b, c = (sampling.sample(distribution, 50, seed=seed) for seed in (1, 1, 2))
    assert a.shape == (50, 3)
    assert a.dtype == np.float32
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("name", [*sampling.SAMPLERS])
def test_every_distribution_has_a_help_text_and_draws_a_single_code(name):
    assert len(sampling.SAMPLERS[name].help) > 40
    assert sampling.sample(sampling.fit(name, Z), 1).shape == (1, 3)


def test_normal_has_mean_0_and_std_1_whatever_the_data():
    z = sampling.sample(sampling.fit("normal", Z), N)
    assert np.allclose(z.mean(axis=0), 0, atol=0.03)
    assert np.allclose(z.std(axis=0), 1, atol=0.03)


def test_learned_has_the_mean_and_std_of_the_data_but_not_its_correlation():
    z = sampling.sample(sampling.fit("learned", Z), N)
    assert np.allclose(z.mean(axis=0), Z.mean(axis=0), atol=0.06)
    assert np.allclose(z.std(axis=0), Z.std(axis=0), rtol=0.03)
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.05 < 0.8 < np.corrcoef(Z.T)[0, 1]


def test_gaussian_has_the_covariance_of_the_data():
    z = sampling.sample(sampling.fit("gaussian", Z), N)
    assert np.allclose(np.cov(z.T), np.cov(Z.T), atol=0.15)
    assert np.allclose(z.mean(axis=0), Z.mean(axis=0), atol=0.06)


def test_gaussian_stands_a_dead_dimension():
    dead = Z.copy()
    dead[:, 1] = 7
    z = sampling.sample(sampling.fit("gaussian", dead), 100)
    assert np.allclose(z[:, 1], 7, atol=1e-3)


LONG = sampling.MANY_DIMENSIONS + 1  # of codes for which a full covariance is too large


def test_gaussian_of_very_long_codes_stays_among_the_directions_that_they_have():
    directions = RNG.normal(size=(3, LONG)).astype(np.float32)
    z = (RNG.normal(size=(3000, 3)) @ directions + 5).astype(np.float32)
    drawn = sampling.sample(sampling.fit("gaussian", z), 3000)
    assert np.allclose(drawn.std(axis=0), z.std(axis=0), rtol=0.2)
    among, *_ = np.linalg.lstsq(directions.T, (drawn - z.mean(axis=0)).T, rcond=None)
    assert np.allclose(directions.T @ among, (drawn - z.mean(axis=0)).T, atol=1e-2)


def test_mixture_of_very_long_codes_finds_both_clusters_and_leaves_the_gap_empty():
    centres = np.repeat([[-5.0], [5.0]], 400, axis=0)
    z = (centres + RNG.normal(0, 0.3, (800, LONG))).astype(np.float32)
    means = sampling.sample(sampling.fit("mixture", z), 200).mean(axis=1)
    assert np.allclose(np.abs(means), 5, atol=0.5)
    assert 0.3 < (means > 0).mean() < 0.7


def test_uniform_fills_the_range_of_the_data_by_default():
    z = sampling.sample(sampling.fit("uniform", Z), N)
    assert np.allclose(z.min(axis=0), Z.min(axis=0), atol=0.02)
    assert np.allclose(z.max(axis=0), Z.max(axis=0), atol=0.02)


def test_uniform_takes_a_range():
    z = sampling.sample(sampling.fit("uniform", Z, low=-1, high=[1, 2, 3]), N)
    assert np.allclose(z.min(axis=0), -1, atol=0.01)
    assert np.allclose(z.max(axis=0), [1, 2, 3], atol=0.01)


def test_mixture_finds_both_clusters_and_leaves_the_gap_empty():
    z = sampling.sample(sampling.fit("mixture", TWO_CLUSTERS), 1000)
    sides = z.mean(axis=1)
    assert np.abs(sides).min() > 2
    assert 0.4 < (sides > 0).mean() < 0.6
    gaussian = sampling.sample(sampling.fit("gaussian", TWO_CLUSTERS), 1000)
    assert np.abs(gaussian.mean(axis=1)).min() < 1


def test_a_mixture_has_as_many_components_as_make_unseen_codes_likeliest():
    corners = np.repeat(np.array(list(np.ndindex(2, 2, 2))) * 10.0, 200, axis=0)
    eight = (corners + RNG.normal(size=corners.shape)).astype(np.float32)
    assert len(sampling.Mixture.fitted(eight).components) == 8
    assert len(sampling.Mixture.fitted(Z).components) == 1
    assert len(sampling.Mixture.fitted(Z, n_components=4).components) == 4


def test_the_likelihood_of_components_is_that_of_another_implementation():
    from scipy.stats import multivariate_normal

    found = sampling.GaussianComponents.fitted(TWO_CLUSTERS, 2)
    density = sum(
        weight * multivariate_normal(mean, factor @ factor.T).pdf(TWO_CLUSTERS)
        for weight, mean, factor in zip(found.weights, found.means, found.factors)
    )
    assert found.log_likelihood(TWO_CLUSTERS) == pytest.approx(np.log(density).mean(), rel=1e-3)


def test_components_are_about_as_likely_as_those_of_scikit_learn():
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 2 * np.pi, 1000)
    ring = (np.stack([np.cos(turn), np.sin(turn)], axis=1) + 0.1 * rng.normal(size=(1000, 2))).astype(np.float32)
    theirs = GaussianMixture(8, n_init=3, random_state=0).fit(ring[:700]).score(ring[700:])
    ours = sampling.GaussianComponents.fitted(ring[:700], 8).log_likelihood(ring[700:])
    assert ours == pytest.approx(theirs, abs=0.1)
    assert len(sampling.Mixture.fitted(ring).components) > 4, "one Gaussian does not follow a ring"


def test_no_sampler_but_the_prior_depends_on_the_unit_of_a_dimension():
    units = np.array([100, 0.01], np.float32)
    for name in ("learned", "uniform", "mixture", "around"):
        one, other = (sampling.sample(sampling.fit(name, z), 300) for z in (TWO_CLUSTERS, TWO_CLUSTERS * units))
        assert np.allclose(one, other / units, atol=1e-2), name


def test_classes_are_a_gaussian_for_every_label_as_frequent_as_it():
    labels = np.repeat([0, 1], [300, 700])
    codes = np.concatenate([RNG.normal(-5, 0.3, (300, 2)), RNG.normal(5, [0.3, 2], (700, 2))]).astype(np.float32)
    z = sampling.sample(sampling.fit("classes", codes, labels=labels), N)
    right = z[:, 0] > 0
    assert right.mean() == pytest.approx(0.7, abs=0.02)
    for drawn, digit in ((z[right], 1), (z[~right], 0)):
        assert np.allclose(drawn.std(axis=0), codes[labels == digit].std(axis=0), rtol=0.03)


def test_classes_without_labels_are_one_gaussian_and_a_class_of_one_code_is_left_out():
    one, gaussian = (sampling.sample(sampling.fit(name, Z), N) for name in ("classes", "gaussian"))
    assert np.allclose(np.cov(one.T), np.cov(gaussian.T), atol=0.2)
    lonely = sampling.fit("classes", Z, labels=np.arange(len(Z)) == 0)
    assert len(lonely.components) == 1


def test_around_moves_real_codes_half_as_far_as_to_their_neighbours():
    distribution = sampling.fit("around", Z[:500])
    z, codes = (sampling.sample(distribution, N, scale=scale) for scale in (1.0, 0.0))
    assert set(map(bytes, codes)) <= set(map(bytes, Z[:500])), "without noise they are real codes"
    assert len(np.unique(codes, axis=0)) == 500
    # In standard deviations of each dimension, by which neighbours are found.
    scaled = Z[:500] / Z[:500].std(axis=0)
    every = np.linalg.norm(scaled[:, None] - scaled, axis=2)
    moved = np.sqrt(np.square((z - codes) / Z[:500].std(axis=0)).sum(axis=1).mean())
    assert moved == pytest.approx(0.5 * np.median(np.sort(every, axis=1)[:, 1]), rel=0.02)
    noise = z - codes
    assert np.allclose(np.corrcoef(noise.T), np.corrcoef(Z[:500].T), atol=0.03), "the noise has the data's shape"


def test_codes_that_are_all_the_same_are_what_every_fitted_distribution_returns():
    still = np.full((50, 3), 2, np.float32)
    for name in ("learned", "gaussian", "uniform", "classes", "around", "mixture"):
        assert np.allclose(sampling.sample(sampling.fit(name, still), 10), 2, atol=1e-3), name


@pytest.mark.parametrize("name", ["normal", "learned", "gaussian", "uniform"])
def test_scale_stretches_about_the_centre(name):
    distribution = sampling.fit(name, Z)
    one, two, none = (sampling.sample(distribution, 500, scale=scale) for scale in (1.0, 2.0, 0.0))
    centre = none[0]
    assert np.allclose(none, centre)
    assert np.allclose(two - centre, 2 * (one - centre), atol=1e-4)


def test_scale_0_of_a_mixture_gives_the_means_of_its_components():
    distribution = sampling.Mixture.fitted(TWO_CLUSTERS, n_components=2)
    z = sampling.sample(distribution, 100, scale=0.0)
    assert len(np.unique(z.round(3), axis=0)) == 2
    assert np.allclose(np.abs(z), 5, atol=0.1)


@pytest.mark.parametrize(
    ("name", "options"), [("gan", {}), ("uniform", {"low": 2, "high": 1}), ("uniform", {"low": np.nan})]
)
def test_what_makes_no_distribution_is_refused(name, options):
    with pytest.raises(ArgumentError):
        sampling.fit(name, Z, **options)


@pytest.mark.parametrize(("n", "scale"), [(0, 1.0), (1, np.inf), (1, np.nan)])
def test_what_makes_no_sample_is_refused(n, scale):
    with pytest.raises(ArgumentError):
        sampling.sample(sampling.fit("normal", Z), n, scale=scale)
