"""The network: a convolutional autoencoder, plain or variational, for images of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from latent.errors import ArgumentError

Kind = Literal["ae", "vae"]

COARSEST = 4  # halving stops at a grid of this many rows and columns: 28 -> 14 -> 7 -> 4, 64 -> 32 -> 16 -> 8 -> 4


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives, whoever made it.

    ``latent_dim`` the length of a code as the page sees it, flat; ``code_shape`` its shape inside the model, which is
    (channels, height, width) for a spatial code; ``image_shape`` (channels, height, width); ``n_classes`` of how many
    classes one has to be named, 0 where none has; ``has_encoder`` is false for a decoder alone; ``framed`` whether
    smaller images stand in the middle of what it takes, instead of being resized; ``says_spread`` whether the second
    value of `LatentModel.posterior` is known to be the logarithm of the variance.
    """

    kind: Kind
    latent_dim: int
    image_shape: tuple[int, int, int]
    code_shape: tuple[int, ...]
    n_classes: int = 0
    has_encoder: bool = True
    framed: bool = False
    says_spread: bool = False

    @property
    def conditional(self) -> bool:
        """Whether a class has to be named."""
        return self.n_classes > 0


class LatentModel(Protocol):
    """What the rest of the package asks of a model; ``label`` one-hot (n, n_classes), for a conditional one."""

    @property
    def signature(self) -> Signature: ...
    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor: ...
    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]: ...
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


LARGEST = 1_000_000  # channels, units or dimensions of a network


@dataclass(frozen=True)
class AutoencoderConfig:
    """All that is needed to build an `Autoencoder` again from its weights.

    ``kind`` "ae" (plain) or "vae" (Gaussian posterior); ``latent_dim`` the length of a code;
    ``image_shape`` (channels, height, width); ``width`` channels after the first halving of the
    image, doubled at every other; ``hidden`` units of the dense layers on either side of the code.

    Raises `ArgumentError` for a value no network can be built from.
    """

    kind: Kind = "ae"
    latent_dim: int = 16
    image_shape: tuple[int, int, int] = (1, 28, 28)
    width: int = 32
    hidden: int = 256

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ArgumentError(f"kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}.")
        for name in ("latent_dim", "width", "hidden"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
                raise ArgumentError(f"{name} must be a whole number from 1 to {LARGEST:,}, got {value!r}.")
        shape = self.image_shape
        if len(shape) != 3 or not all(isinstance(n, int) and n >= 1 for n in shape):
            raise ArgumentError(f"image_shape must be (channels, height, width), each at least 1; got {shape!r}.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AutoencoderConfig:
        """The config that `to_dict` wrote. Raises `ArgumentError` where a field is missing or unknown."""
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise ArgumentError(f"expected the fields {sorted(names)}, got {sorted(map(str, values))}.")
        return cls(**{**values, "image_shape": tuple(values["image_shape"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, so that a checkpoint needs no class to be read."""
        return {**asdict(self), "image_shape": list(self.image_shape)}

    def grids(self) -> list[tuple[int, int]]:
        """Height and width of the feature maps, from the image halved and halved again down to the coarsest one."""
        grids = [self.image_shape[1:]]
        while max(grids[-1]) > COARSEST:
            height, width = grids[-1]
            grids.append((-(-height // 2), -(-width // 2)))
        return grids


class Autoencoder(nn.Module):
    """Encoder and decoder between images ``x`` (n, channels, height, width) and codes ``z`` (n, latent_dim).

    Pixels are in [0, 1] on both sides. A variational one (Kingma & Welling 2014, arXiv:1312.6114) has a
    head of ``2 * latent_dim``: the mean and the log-variance of a diagonal Gaussian; its code is the mean.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        grids = config.grids()
        widths = [config.width * 2**level for level in range(len(grids) - 1)]  # channels of the halved grids
        head = config.latent_dim * (2 if config.kind == "vae" else 1)

        channels = [config.image_shape[0], *widths]
        down: list[nn.Module] = []
        for level, grid in enumerate(grids[:-1]):
            n_in, n_out = channels[level], channels[level + 1]
            conv = nn.Conv2d(n_in, n_out, kernel(grid), stride=2, padding=1, bias=False)
            down += [conv, nn.BatchNorm2d(n_out), nn.SiLU()]
        self.encoder = nn.Sequential(
            *down,
            nn.Flatten(),
            *dense_block(channels[-1] * grids[-1][0] * grids[-1][1], config.hidden),
            nn.Linear(config.hidden, head),
        )

        channels = [-(-config.width // 2), *widths]  # at full size a few features, which the last layer mixes
        up: list[nn.Module] = []
        for level, grid in reversed(list(enumerate(grids[:-1]))):
            n_in, n_out = channels[level + 1], channels[level]
            transposed = nn.ConvTranspose2d(n_in, n_out, kernel(grid), stride=2, padding=1, bias=False)
            up += [transposed, nn.BatchNorm2d(n_out), nn.SiLU()]
        self.decoder = nn.Sequential(
            *dense_block(config.latent_dim, config.hidden),
            *dense_block(config.hidden, config.hidden),
            *dense_block(config.hidden, channels[-1] * grids[-1][0] * grids[-1][1]),
            nn.Unflatten(1, (channels[-1], *grids[-1])),
            *up,
            nn.Conv2d(channels[0], config.image_shape[0], 3, padding=1),
            nn.Sigmoid(),
        )

    @property
    def signature(self) -> Signature:
        config = self.config
        sizes = config.latent_dim, config.image_shape, (config.latent_dim,)
        return Signature(config.kind, *sizes, says_spread=config.kind == "vae")

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """``mu`` and ``logvar``, both (n, latent_dim); ``logvar`` is None for a plain autoencoder."""
        head = self.encoder(x)
        if self.config.kind == "ae":
            return head, None
        mu, logvar = head.chunk(2, dim=1)
        return mu, logvar

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """``x`` (n, channels, height, width) in [0, 1] -> ``z`` (n, latent_dim); this model knows no labels."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """``z`` (n, latent_dim) -> ``x_hat`` (n, channels, height, width) in [0, 1]."""
        return self.decoder(z)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """``x_hat``, ``mu`` and ``logvar``, decoding ``mu + noise * exp(logvar / 2)`` where noise is given."""
        mu, logvar = self.posterior(x)
        z = mu if noise is None or logvar is None else mu + noise * torch.exp(0.5 * logvar)
        return self.decode(z), mu, logvar


def kernel(grid: tuple[int, int]) -> tuple[int, int]:
    """The kernel, with stride 2 and padding 1, that halves ``grid`` (height, width), rounded up, and doubles it back.

    4 for an even side, where it covers every pixel equally often; 3 for an odd one.
    """
    height, width = grid
    return 4 - height % 2, 4 - width % 2


def dense_block(n_in: int, n_out: int) -> list[nn.Module]:
    """A dense layer, normalised over the batch (Ioffe & Szegedy 2015, arXiv:1502.03167), then SiLU."""
    return [nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), nn.SiLU()]
