"""What the package computes, beside bare PyTorch, NumPy and the peers."""

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.comparison import Row, compare, peer
from latent import images, sampling, traversal
from latent.inference import BATCH_SIZE
from latent.space import LatentSpace
from latent.statistics import QUANTILES, LatentStatistics, histograms

N_COMPONENTS = 10  # pythae's default


def encoding(checkpoint: Path) -> list[Row]:
    """Codes of all test digits."""
    space = LatentSpace.open(checkpoint)
    x = torch.from_numpy(space.images.copy())

    def bare() -> torch.Tensor:
        with torch.inference_mode():
            parts = x.split(BATCH_SIZE)
            return torch.cat([space.model.encode(part[:, None].float().div_(255)) for part in parts])

    return [compare("encode 10,000 images", "bare torch loop", 1.10, lambda: space.encode(space.images), bare)]


def decoding(checkpoint: Path) -> list[Row]:
    """Pictures of a few codes, and of many."""
    space = LatentSpace.open(checkpoint)
    z = torch.from_numpy(space.z.copy())

    def bare(n: int) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([space.model.decode(part) for part in z[:n].split(BATCH_SIZE)])

    few = compare("decode 100 codes", "bare torch", 1.15, lambda: space.decode(space.z[:100]), lambda: bare(100))
    many = compare("decode 10,000 codes", "bare torch", 1.15, lambda: space.decode(space.z), lambda: bare(10_000))
    return [few, many]


def describing(checkpoint: Path) -> list[Row]:
    """Statistics of the codes."""
    z = LatentSpace.open(checkpoint).z

    def with_numpy() -> None:
        z.mean(axis=0), z.std(axis=0), z.min(axis=0), z.max(axis=0)
        np.quantile(z, QUANTILES, axis=0)
        for column in z.T:
            np.histogram(column, 40)

    name = "statistics, quantiles and histograms"
    return [compare(name, "numpy on the same array", 1.2, lambda: (LatentStatistics.of(z), histograms(z)), with_numpy)]


def mixing(checkpoint: Path) -> list[Row]:
    """A mixture fitted to the digits, and pictures of draws from it, against pythae with the same network."""
    samplers = quietly("pythae.samplers")
    space = LatentSpace.open(checkpoint)
    model = in_pythae(space.model)
    x = torch.from_numpy(space.images[:, None].copy()).float().div_(255)

    def ours() -> None:
        mixture = sampling.Mixture.fitted(space.encode(space.images), N_COMPONENTS)
        space.decode(sampling.sample(mixture, 10_000))

    def pythae() -> None:
        sampler = samplers.GaussianMixtureSampler(
            model, samplers.GaussianMixtureSamplerConfig(n_components=N_COMPONENTS)
        )
        with torch.inference_mode():
            sampler.fit(x)
            sampler.sample(10_000)

    return [compare("mixture: fit and 10,000 samples", "pythae's sampler, same network", 1.0, ours, pythae, pairs=3)]


def quietly(module: str) -> Any:
    """A module of pythae's, which otherwise logs every step."""
    with contextlib.redirect_stderr(io.StringIO()):
        found = peer(module, "pythae")
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("pythae"):
            logging.getLogger(name).setLevel(logging.ERROR)
    return found


def in_pythae(network: Any) -> Any:
    """The same network as one of pythae's models."""
    quietly("pythae.models")
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = network.encoder

        def forward(self, x: torch.Tensor) -> Any:
            return ModelOutput(embedding=self.layers(x)[:, : network.config.latent_dim])  # the mean, of a VAE

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = network.decoder

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.layers(z))

    config = AEConfig(input_dim=network.config.image_shape, latent_dim=network.config.latent_dim)
    return AE(config, Encoder(), Decoder()).train(network.training)


def sweeping(checkpoint: Path) -> list[Row]:
    """A strip of pictures along a dimension, as a PNG."""
    matplotlib = peer("matplotlib", "matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    space = LatentSpace.open(checkpoint)
    z = traversal.traverse(space.z[0], 0, np.linspace(-3, 3, 10))

    def ours() -> bytes:
        return images.sheet(space.decode(z), 10, zoom=4).png()

    def figure() -> bytes:
        pictures, buffer = space.decode(z), io.BytesIO()
        drawn, axes = pyplot.subplots(1, len(pictures), figsize=(12, 1.5))
        for axis, picture in zip(axes, pictures):
            axis.imshow(picture, cmap="gray")
            axis.axis("off")
        drawn.savefig(buffer, format="png")
        pyplot.close(drawn)
        return buffer.getvalue()

    return [compare("a sweep strip as PNG", "matplotlib figure, as the guide's notebook", 0.2, ours, figure)]
