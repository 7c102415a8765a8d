import numpy as np
import pytest

from latent import inference
from latent.errors import ArgumentError
from latent.measure.dimensions import (
    Dimensions,
    PropertyCorrelations,
    Reconstruction,
    active,
    class_information,
    correlations,
    effective_rank,
    kl_by_dimension,
    pca_errors,
)
from latent.space import LatentSpace

RNG = np.random.default_rng(0)
N = 4000
LABELS = RNG.integers(10, size=N)


def column(*columns):
    return np.stack(columns, axis=1).astype(np.float32)


def test_a_planted_dead_dimension_is_named_though_its_codes_vary_most():
    weights = RNG.normal(size=(5, 20)).astype(np.float32)
    weights[3] = 0

    def decode(z):
        return 1 / (1 + np.exp(-z @ weights))[:, None]

    z = (RNG.normal(size=(500, 5)) * [1, 1, 1, 9, 0.5]).astype(np.float32)
    found = Dimensions.of(z, LABELS[:500], decode)
    assert found.inactive == [3]
    assert found.active.tolist() == [True, True, True, False, True]
    assert found.variance.argmax() == 3
    assert found.kl is None


def test_a_dimension_of_a_vae_is_active_where_its_mean_varies_and_the_image_shows_it():
    effect, variance = np.array([1, 1, 0.001, 0.5]), np.array([1, 0.005, 1, 0.02])
    assert active(effect, variance).tolist() == [True, False, False, True]
    assert active(effect).tolist() == [True, True, False, True], "a plain code has no unit"
    assert not active(np.zeros(3)).any()


def test_where_no_dimension_does_anything_all_are_dead():
    found = Dimensions.of(RNG.normal(size=(50, 2)).astype(np.float32), LABELS[:50], lambda z: np.zeros((len(z), 4)))
    assert found.inactive == [0, 1]


def test_information_of_dimensions_that_tell_all_one_bit_and_nothing():
    z = column(LABELS, LABELS // 5, -(LABELS // 5) + 1e-3 * RNG.normal(size=N), RNG.normal(size=N), np.ones(N))
    found = class_information(z, LABELS)
    shares = np.bincount(LABELS) / N
    assert found[0] == pytest.approx(-(shares * np.log2(shares)).sum(), abs=0.01)
    assert found[1] == pytest.approx(1, abs=0.01)
    assert found[2] == pytest.approx(1, abs=0.06)
    assert found[3] < 0.01, "the bias is taken off"
    assert found[4] == 0


def test_information_of_two_gaussians_is_the_integral():
    labels = RNG.integers(2, size=20_000)
    z = (RNG.normal(size=20_000) + 2 * labels)[:, None]
    x = np.linspace(-8, 10, 4001)
    one, two = (np.exp(-np.square(x - mean) / 2) / np.sqrt(2 * np.pi) for mean in (0, 2))
    both = (one + two) / 2
    truth = sum(np.trapezoid(p / 2 * np.log2(p / both), x) for p in (one, two))
    assert class_information(z, labels)[0] == pytest.approx(truth, abs=0.015)


def test_kl_is_0_for_the_prior_and_agrees_with_torchs():
    import torch
    from torch.distributions import Normal, kl_divergence

    assert kl_by_dimension(np.zeros((9, 2)), np.zeros((9, 2))).tolist() == [0, 0]
    mu, logvar = RNG.normal(size=(2, 100, 3))
    posterior = Normal(torch.from_numpy(mu), torch.from_numpy(np.exp(logvar / 2)))
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).mean(dim=0).numpy()
    assert np.allclose(kl_by_dimension(mu, logvar), expected)


def test_the_log_variances_are_those_of_a_vae_and_none_of_an_autoencoder(tiny_space):
    import torch

    from tests.support.models import tiny

    vae = LatentSpace.of("vae", tiny("vae"))
    found = inference.log_variances(vae.model, vae.images[:300])
    with torch.no_grad():
        _, expected = vae.model.posterior(torch.from_numpy(vae.images[:300] / np.float32(255))[:, None])
    assert np.allclose(found, expected.numpy(), atol=1e-6)
    assert inference.log_variances(tiny_space.model, vae.images[:3]) is None


def test_correlations_agree_with_numpy_and_are_0_with_what_never_changes():
    a, b = RNG.normal(size=(200, 3)) + 1000, RNG.normal(size=(200, 2))
    a[:, 0] += 3 * b[:, 1]
    assert np.allclose(correlations(a, b), np.corrcoef(a.T, b.T)[:3, 3:])
    assert np.allclose(correlations(a, a), np.corrcoef(a.T))
    assert not correlations(np.full((200, 1), 0.1, np.float32), b).any()


def test_effective_rank_counts_directions():
    white = np.linalg.qr(RNG.normal(size=(100, 4)) - 0.0)[0]
    white = np.linalg.qr(white - white.mean(axis=0))[0]
    assert effective_rank(white) == pytest.approx(4)
    assert effective_rank(white[:, :1] @ np.ones((1, 4))) == pytest.approx(1, abs=1e-4)
    # Singular values of 3 and 1: shares of 3/4 and 1/4.
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert effective_rank(white[:, :2] * [3, 1]) == pytest.approx(expected)
    assert effective_rank(np.ones((10, 3))) == 0
    assert effective_rank(RNG.normal(size=(10, 1))) == pytest.approx(1)


class Bars:
    """A drawing of bars: of their two properties dimension 0 makes the length, 2 the brightness, each turned round."""

    z = (RNG.normal(size=(800, 4)) * [2, 1, 0.1, 1]).astype(np.float32)

    @staticmethod
    def decode(z):
        length = 1 / (1 + np.exp(z[:, :1] / 2))
        bars = np.arange(40) / 40 < length
        return (bars * (0.5 - 2 * z[:, 2:3]))[:, None]

    @staticmethod
    def measure(pictures):
        rows = pictures[:, 0]
        return {"length": (rows != 0).mean(axis=1), "brightness": rows[:, 0]}


def correlated(properties=None, decode=Bars.decode):
    properties = Bars.measure(Bars.decode(Bars.z)) if properties is None else properties
    return PropertyCorrelations.of(Bars.z, properties, decode, Bars.measure)


def test_dimensions_stand_for_the_properties_that_they_were_made_to():
    found = {each.dimension: each for each in correlated().represented()}
    assert {dimension: each.name for dimension, each in found.items()} == {0: "length", 2: "brightness"}
    assert found[0].correlation < -0.95
    assert found[0].slope == pytest.approx(-1, abs=0.2)
    assert found[2].correlation == pytest.approx(-1, abs=0.01)
    assert found[2].slope == pytest.approx(-1, abs=0.1)


def test_the_clearest_meaning_comes_first():
    strengths = [abs(each.correlation) for each in correlated().represented()]
    assert strengths == sorted(strengths, reverse=True)
    assert len(strengths) == 2


def test_a_correlation_that_the_decoder_does_not_bear_out_is_no_meaning():
    deaf = correlated(decode=lambda z: Bars.decode(np.zeros_like(z)))
    assert np.abs(deaf.correlation).max() > 0.95
    assert not deaf.slope.any()
    assert deaf.represented() == []
    contrary = correlated(decode=lambda z: Bars.decode(-z))
    assert contrary.represented() == []


def test_a_property_that_never_changes_has_no_meaning_and_one_of_other_images_is_refused():
    still = correlated({"length": np.ones(800), "brightness": np.zeros(800)})
    assert not still.slope.any()
    assert still.represented() == []
    with pytest.raises(ArgumentError, match="800"):
        correlated({"length": np.ones(3), "brightness": np.ones(3)})


def test_errors_are_those_of_each_image_and_of_each_digit():
    images = RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8)
    x_hat = RNG.random((60, 5, 4)).astype(np.float32)
    labels = np.where(np.arange(60) % 9 == 4, 9, np.arange(60) % 9)
    found = Reconstruction.of(images, x_hat, labels)
    expected = [np.square(x - y / 255).mean() for x, y in zip(x_hat, images)]
    assert np.allclose(found.errors, expected)
    assert found.mse == pytest.approx(np.mean(expected))
    for digit in (*range(4), *range(5, 10)):
        assert found.by_class[digit] == pytest.approx(np.mean(np.array(expected)[labels == digit]))
    assert np.isnan(found.by_class[4]), "no image is of this class"
    assert len(found.by_class) == 10, "as many as there are labels"
    assert found.worst(5).tolist() == np.argsort(expected)[::-1][:5].tolist()
    assert found.best(5).tolist() == np.argsort(expected)[:5].tolist()
    assert (len(found.best()), len(found.worst())) == (32, 32)


def test_reconstructions_of_other_images_are_refused():
    with pytest.raises(ArgumentError, match="shape"):
        Reconstruction.of(np.zeros((3, 4, 4), np.uint8), np.zeros((3, 5, 5), np.float32), np.zeros(3, int))


def test_the_errors_of_components_start_at_the_mean_picture_and_fall_to_0_at_the_rank():
    factors, parts = RNG.random((300, 3)), RNG.random((3, 36))
    images = np.round(255 * factors @ parts / 3).astype(np.uint8).reshape(300, 6, 6)
    found = pca_errors(images, 5)
    assert found.shape == (6,)
    assert found[0] == pytest.approx((images / 255).reshape(300, -1).var(axis=0).mean(), rel=0.05)
    assert np.all(np.diff(found[:4]) < 0)
    assert found[3] < 1e-4 < found[2], "what rounding to bytes has added"


def test_more_components_than_there_are_add_nothing():
    images = np.random.default_rng(1).integers(0, 256, (40, 2, 2), dtype=np.uint8)
    found = pca_errors(images, 7)
    assert np.allclose(found[4:], 0, atol=1e-9)
    assert found.shape == (8,)


def test_sixteen_components_of_digits_have_the_error_that_is_known(space):
    # 0.0269 where the 60,000 training images fit the components; five thousand images do nearly as well.
    assert pca_errors(space.images, 16)[16] == pytest.approx(0.0269, abs=0.0006)


def test_a_shipped_space_uses_all_of_its_dimensions_and_each_knows_a_little(space):
    found = Dimensions.of(space.z, space.labels, space.decode)
    assert found.inactive == []
    assert 10 < found.effective_rank <= 16
    assert np.all((found.class_information > 0.01) & (found.class_information < 1))
    assert found.correlation.shape == (16, 16)
