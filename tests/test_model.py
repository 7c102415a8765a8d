import pytest
import torch

from latent.errors import ArgumentError
from latent.model import Autoencoder, AutoencoderConfig

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 64, 64), (2, 5, 9), (3, 33, 47), (1, 1, 1)]


@pytest.mark.parametrize("kind", ["ae", "vae"])
@pytest.mark.parametrize("image_shape", SHAPES)
def test_every_image_shape_comes_back_within_0_and_1(image_shape, kind):
    model = Autoencoder(AutoencoderConfig(kind, 3, image_shape, width=4, hidden=8)).eval()
    x = torch.rand(2, *image_shape)
    x_hat, mu, logvar = model(x)
    assert x_hat.shape == x.shape
    assert mu.shape == (2, 3)
    assert x_hat.min() >= 0
    assert x_hat.max() <= 1
    assert (logvar is None) == (kind == "ae")


@pytest.mark.parametrize("latent_dim", [1, 2, 128])
def test_the_code_has_as_many_numbers_as_asked_for(latent_dim):
    model = Autoencoder(AutoencoderConfig(latent_dim=latent_dim, width=4, hidden=8)).eval()
    z = model.encode(torch.rand(3, 1, 28, 28))
    assert z.shape == (3, latent_dim)
    assert model.decode(z).shape == (3, 1, 28, 28)


def test_noise_moves_the_code_by_the_standard_deviation_of_the_posterior():
    model = Autoencoder(AutoencoderConfig("vae", 3, width=4, hidden=8)).eval()
    x, noise = torch.rand(2, 1, 28, 28), torch.randn(2, 3)
    mu, logvar = model.posterior(x)
    x_hat, _, _ = model(x, noise)
    torch.testing.assert_close(x_hat, model.decode(mu + noise * logvar.exp().sqrt()))


def test_the_configuration_goes_to_plain_values_and_back():
    config = AutoencoderConfig("vae", 5, (3, 32, 32), width=8, hidden=7)
    assert AutoencoderConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "wrong", [{"kind": "gan"}, {"latent_dim": 0}, {"latent_dim": 2.5}, {"image_shape": (28, 28)}, {"width": -1}]
)
def test_a_value_no_network_can_have_is_refused_by_name(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        AutoencoderConfig(**wrong)


def test_unknown_fields_are_refused():
    with pytest.raises(ArgumentError, match="depth"):
        AutoencoderConfig.from_dict({**AutoencoderConfig().to_dict(), "depth": 3})
