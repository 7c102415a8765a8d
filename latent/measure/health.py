"""Health: whether a model does what an autoencoder does at all, looked at before anything else is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Codes, Labels, Pictures
from latent.measure.intervals import Interval, mean_interval

N_IMAGES = 1000  # that are looked at, evenly over all
REACHES = (1.0, 30.0, 1000.0)  # times N(0, 1) or the codes' own spread: how far the decoder is tried
VISIBLE = 1e-3  # root mean square per pixel, a quarter of a grey level: images that differ by less look the same


@dataclass(frozen=True)
class Health:
    """What a model does with some images, pixels in [0, 1].

    ``mse`` the mean squared error per pixel of reconstructions, ``mean_image_mse`` that of drawing the mean image every
    time, ``gain`` the 95% interval of their paired difference. Root mean squares per pixel about the mean image:
    ``image_spread`` of images, ``reconstruction_spread`` of reconstructions, ``prior_spread`` of what is decoded from
    codes drawn from N(0, 1), ``most_spread`` the largest of codes drawn ever farther out. ``code_spread`` the largest
    standard deviation of a dimension, in latent units. ``agreement`` the correlation of pixels about the mean image
    with those of reconstructions about theirs; 0 where nothing varies. A decoder-only file has NaN where images are
    needed.
    """

    mse: float
    mean_image_mse: float
    gain: Interval
    image_spread: float
    reconstruction_spread: float
    prior_spread: float
    most_spread: float
    code_spread: float
    agreement: float

    @classmethod
    def of(
        cls,
        images: NDArray[np.uint8],
        z: Codes,
        labels: Labels,
        decode: Callable[[Codes, Labels], Pictures],
        *,
        has_encoder: bool = True,
        seed: int = 0,
    ) -> Health:
        """Of ``images`` (n, …) uint8, their codes ``z`` (n, latent_dim) and classes ``labels`` (n,).

        Without an encoder, ``z`` are codes to decode. The seed draws the random codes.
        """
        drawn = random_spreads(z, labels, decode, seed)
        if not has_encoder:
            unknown = np.nan
            return cls(unknown, unknown, (unknown, unknown), unknown, unknown, drawn[0], max(drawn), unknown, unknown)
        x, x_hat = images / np.float32(255), decode(z, labels)
        mean_image = x.mean(axis=0)
        own, of_mean = squared_errors(x, x_hat), squared_errors(x, mean_image)
        return cls(
            mse=float(own.mean()),
            mean_image_mse=float(of_mean.mean()),
            gain=mean_interval(of_mean - own),
            image_spread=spread(x),
            reconstruction_spread=spread(x_hat),
            prior_spread=drawn[0],
            most_spread=max(drawn),
            code_spread=float(z.std(axis=0, dtype=np.float64).max()),
            agreement=correlation(x - mean_image, x_hat - x_hat.mean(axis=0)),
        )


def random_spreads(z: Codes, labels: Labels, decode: Callable[[Codes, Labels], Pictures], seed: int) -> list[float]:
    """How much images differ that are decoded from N(0, 1), then from ever wider distributions about the codes.

    Of one class where the model is conditional, whose images differ with the class too.
    """
    n = min(len(z), 200)
    noise = np.random.default_rng(seed).standard_normal((n, z.shape[1]), dtype=np.float32)
    one_class = np.full(n, labels[0])
    scale, mean = np.maximum(z.std(axis=0), 1).astype(np.float32), z.mean(axis=0)
    wide = [decode((mean + reach * scale * noise).astype(np.float32), one_class) for reach in REACHES]
    return [spread(decode(noise, one_class)), *map(spread, wide)]


def spread(images: NDArray[Any]) -> float:
    """The root mean square per pixel of images (n, …) about their mean image."""
    return float(np.sqrt(np.square(images - images.mean(axis=0)).mean(dtype=np.float64)))


def squared_errors(x: NDArray[Any], x_hat: NDArray[Any]) -> NDArray[np.float64]:
    """The mean squared error per pixel of each image, (n,)."""
    return np.square(x - x_hat).reshape(len(x), -1).mean(axis=1, dtype=np.float64)


def correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The correlation of all numbers of two arrays that are about 0; 0 where one of them is constant."""
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.vdot(a, b)) / lengths if lengths > 0 else 0.0
