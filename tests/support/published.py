"""Small untrained networks in the styles that people publish, each with an ``image``, an ``encode`` and a ``decode``.

`tests.support.unusual` has those of unusual architecture; `tests.support.authors` builds some of the ones here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support import authors
from tests.support.authors import AUTHORS, ConvCode, mlp
from tests.support.unusual import Plain

GREY, LARGE, SMALL_COLOUR, COLOUR = (1, 28, 28), (1, 32, 32), (3, 32, 32), (3, 64, 64)


class Halves(Plain):
    """An encoder and a decoder of images (channels, height, width); ``flat`` where they work on rows of pixels."""

    def __init__(self, image: tuple[int, int, int], encoder: nn.Module, decoder: nn.Module, flat: bool = False) -> None:
        super().__init__()
        self.image, self.flat = image, flat
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1) if self.flat else x)

    def decode(self, z: Tensor) -> Tensor:
        y = self.decoder(z)
        return y.view(-1, self.image[0], self.image[1], self.image[2]) if self.flat else y


class Filled(nn.Module):
    """A dense layer that becomes a map."""

    def __init__(self, n: int, *shape: int) -> None:
        super().__init__()
        self.shape = shape
        self.fc = nn.Linear(n, math.prod(shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.fc(z).view(-1, self.shape[0], self.shape[1], self.shape[2])


class TwoHeads(nn.Module):
    """A VAE: what its body gives goes into a mean and ``spread``, the log-variance or the deviation by softplus."""

    def __init__(
        self, image: tuple[int, int, int], body: nn.Module, mean: nn.Module, spread: nn.Module, decoder: nn.Module,
        softplus: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.image, self.softplus = image, softplus
        self.body, self.mean, self.spread, self.decoder = body, mean, spread, decoder

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.mean(h), self.spread(h)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.encode(x)
        deviation = F.softplus(spread) + 1e-6 if self.softplus else torch.exp(0.5 * spread)
        return self.decode(mean + torch.randn_like(mean) * deviation)


class Pictures(nn.Module):
    """Rows of pixels as images."""

    def __init__(self, *image: int) -> None:
        super().__init__()
        self.image = image

    def forward(self, y: Tensor) -> Tensor:
        return y.view(-1, self.image[0], self.image[1], self.image[2])


class Standardised(Plain):
    """The mean and deviation of the training images are buffers of the network."""

    image = SMALL_COLOUR

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.25, 0.24, 0.26]).view(1, 3, 1, 1))
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(512, 12))
        self.decoder = nn.Sequential(Filled(12, 8, 8, 8), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 4))

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder((x - self.mean) / self.std)

    def decode(self, z: Tensor) -> Tensor:
        return torch.clamp(self.decoder(z) * self.std + self.mean, 0.0, 1.0)


class Tied(authors.Tied):
    """The decoder is the encoder transposed."""

    image = GREY

    def encode(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(x.flatten(1))))

    def decode(self, z: Tensor) -> Tensor:
        h = F.relu(F.linear(z, self.fc2.weight.t(), self.biases[0]))
        return torch.sigmoid(F.linear(h, self.fc1.weight.t(), self.biases[1])).view(-1, 1, 28, 28)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Embedded(authors.Embedded):
    """The class through a table, on both sides."""

    image = GREY

    def __init__(self) -> None:
        super().__init__(7)

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.mu(F.relu(self.enc1(torch.cat([x.flatten(1), self.label_emb(label)], dim=1))))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        h = F.relu(self.dec1(torch.cat([z, self.label_emb(label)], dim=1)))
        return torch.sigmoid(self.dec2(h)).view(-1, 1, 28, 28)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.decode(self.encode(x, label), label)


class OneHot(authors.Conditional):
    """The class one-hot behind the image and the code."""

    image = GREY

    def __init__(self) -> None:
        super().__init__(label_first=False)

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.mu(F.relu(self.encode1(torch.cat([x.flatten(1), F.one_hot(label, 10).float()], dim=1))))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        h = F.relu(self.decode1(torch.cat([z, F.one_hot(label, 10).float()], dim=1)))
        return torch.sigmoid(self.decode2(h)).view(-1, 1, 28, 28)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.decode(self.encode(x, label), label)


class Planes(Plain):
    """The class as ten planes of ones and zeros beside the image, and beside the map of the code."""

    image = GREY

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(11, 8, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1568, 6))
        self.lift = Filled(6, 4, 7, 7)
        self.up = nn.Sequential(nn.ConvTranspose2d(14, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1))

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        planes = F.one_hot(label, 10).float()[:, :, None, None].expand(-1, -1, 28, 28)
        return self.down(torch.cat([x, planes], dim=1))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        planes = F.one_hot(label, 10).float().view(-1, 10, 1, 1).repeat(1, 1, 7, 7)
        return torch.sigmoid(self.up(torch.cat([self.lift(z), planes], dim=1)))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.decode(self.encode(x, label), label)


class Sine(nn.Module):
    """The activation of SIREN (Sitzmann et al. 2020)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30.0 * x)


class SqueezeExcite(nn.Module):
    """Channels scaled by what their means say (Hu et al. 2018)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(n, n // 2), nn.Linear(n // 2, n)

    def forward(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * s[:, :, None, None]


class LastChannels(nn.Module):
    """LayerNorm over the channels of a map and a dense layer, as in ConvNeXt (Liu et al. 2022)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(n, n, 7, padding=3, groups=n), nn.LayerNorm(n, eps=1e-6)
        self.wide, self.narrow = nn.Linear(n, 2 * n), nn.Linear(2 * n, n)
        self.scale = nn.Parameter(torch.full((n,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.narrow(F.gelu(self.wide(h)))).permute(0, 3, 1, 2)


class PerceiverLike(Plain):
    """Learnt queries look at the patches; positions are sines and cosines."""

    image = GREY

    def __init__(self) -> None:
        super().__init__()
        self.queries, self.to_patches = nn.Parameter(torch.randn(2, 16)), nn.Linear(49, 16)
        self.keys, self.values, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(32, 6)
        place = torch.arange(16.0)[:, None] / 10000 ** (torch.arange(0, 16, 2) / 16)
        self.register_buffer("places", torch.cat([place.sin(), place.cos()], dim=1))
        self.lift, self.out = nn.Linear(6, 16), nn.Linear(16, 49)

    def encode(self, x: Tensor) -> Tensor:
        t = F.unfold(x, 7, stride=7).transpose(1, 2)
        t = self.to_patches(t) + self.places
        weights = torch.softmax(self.queries @ self.keys(t).transpose(1, 2) / 4, dim=-1)
        return self.head((weights @ self.values(t)).flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        t = self.out(F.silu(self.lift(z)[:, None] + self.places))
        return torch.sigmoid(F.fold(t.transpose(1, 2), (28, 28), 7, stride=7))


def dense(activation: Callable[[], nn.Module], norm: bool = False, last: nn.Module | None = None) -> Halves:
    last = last or nn.Sigmoid()
    return Halves(
        GREY, mlp([784, 40, 8], activation, norm=norm), mlp([8, 40, 784], activation, last, norm=norm), flat=True
    )


def dropped() -> Halves:
    encoder = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(784, 32), nn.Tanh(), nn.Linear(32, 6))
    decoder = nn.Sequential(
        nn.Linear(6, 64), nn.ReLU(), nn.Unflatten(1, (4, 4, 4)), nn.Dropout2d(0.2), nn.ConvTranspose2d(4, 1, 7, 7),
        nn.Sigmoid(),
    )  # fmt: skip
    return Halves(GREY, encoder, decoder)


def code_of(network: ConvCode) -> Halves:
    """A `ConvCode` of `tests.support.authors` in two halves."""
    c, side = network.shape
    return Halves(GREY, network.encoder, nn.Sequential(network.fc, nn.Unflatten(1, (c, side, side)), network.decoder))


def author(name: str, image: tuple[int, int, int] = GREY, flat: bool = False) -> Halves:
    """A network of `tests.support.authors`."""
    network = AUTHORS[name].build()
    return Halves(image, network.encoder, network.decoder, flat)


def two_heads(softplus: bool = False) -> TwoHeads:
    body = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.Softplus())
    decoder = nn.Sequential(mlp([5, 32, 784], nn.SiLU, nn.Sigmoid()), Pictures(*GREY))
    return TwoHeads(GREY, body, nn.Linear(32, 5), nn.Linear(32, 5), decoder, softplus)


def beta() -> TwoHeads:
    """As in beta-VAE (Higgins et al. 2017): four convolutions of kernel 4 on 64 × 64, ten dimensions."""
    body = nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(16, 16, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 64), nn.ReLU(),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 256), nn.ReLU(), nn.Unflatten(1, (16, 4, 4)),
        nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip
    return TwoHeads(COLOUR, body, nn.Linear(64, 10), nn.Linear(64, 10), decoder)


def spatial_heads() -> TwoHeads:
    network = authors.SpatialHeads()
    return TwoHeads(GREY, network.enc, network.conv_mu, network.conv_logvar, network.dec)


def shuffled() -> Halves:
    """Pixels into channels and back."""
    encoder = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(16, 8, 3, padding=1), nn.GELU("tanh"), nn.Conv2d(8, 2, 1))
    decoder = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.GELU("tanh"), nn.Conv2d(8, 16, 1), nn.PixelShuffle(4))
    return Halves(GREY, encoder, nn.Sequential(decoder, nn.Sigmoid()))


def separable() -> Halves:
    """Depthwise and pointwise convolutions, as in MobileNet."""

    def block(n_in: int, n_out: int, stride: int) -> list[nn.Module]:
        return [
            nn.Conv2d(n_in, n_in, 3, stride, 1, groups=n_in, bias=False), nn.BatchNorm2d(n_in), nn.ReLU6(),
            nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out), nn.Hardswish(),
        ]  # fmt: skip

    encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *block(8, 8, 2), *block(8, 4, 1), nn.Conv2d(4, 4, 1))
    up = nn.Upsample(scale_factor=2, mode="nearest")
    decoder = nn.Sequential(*block(4, 8, 1), up, *block(8, 8, 1), up, nn.Conv2d(8, 3, 3, padding=1), nn.Sigmoid())
    return Halves(SMALL_COLOUR, encoder, decoder)


def dilated() -> Halves:
    encoder = nn.Sequential(
        nn.Conv2d(1, 6, 3, 2, padding=2, dilation=2), nn.LeakyReLU(0.1), nn.Conv2d(6, 6, 3, 2, padding=4, dilation=4),
        nn.Flatten(), nn.Linear(294, 8),
    )  # fmt: skip
    decoder = nn.Sequential(
        Filled(8, 6, 7, 7), nn.ConvTranspose2d(6, 6, 3, 2, padding=2, dilation=2, output_padding=1), nn.LeakyReLU(0.1),
        nn.Upsample((28, 28), mode="bilinear"), nn.Conv2d(6, 1, 3, padding="same", dilation=3), nn.Sigmoid(),
    )  # fmt: skip
    return Halves(GREY, encoder, decoder)


def with_prelu() -> Halves:
    encoder = nn.Sequential(
        nn.Conv2d(1, 4, 5, 2, 2), nn.PReLU(), nn.Conv2d(4, 4, 5, 2, 2), nn.PReLU(4), nn.LPPool2d(2, 7)
    )
    decoder = nn.Sequential(nn.ConvTranspose2d(4, 4, 7), nn.PReLU(4), nn.ConvTranspose2d(4, 1, 4, 4), nn.Sigmoid())
    return Halves(GREY, encoder, decoder)


def squeezed() -> Halves:
    encoder = nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1), SqueezeExcite(8), nn.Mish(), nn.Conv2d(8, 4, 4, 2, 1), SqueezeExcite(4)
    )
    decoder = nn.Sequential(
        nn.ConvTranspose2d(4, 8, 4, 2, 1), SqueezeExcite(8), nn.Mish(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid()
    )
    return Halves(SMALL_COLOUR, encoder, decoder)


def last_channels() -> Halves:
    encoder = nn.Sequential(
        nn.Conv2d(1, 8, 4, 4), LastChannels(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6)
    )
    decoder = nn.Sequential(Filled(6, 8, 7, 7), LastChannels(8), nn.ConvTranspose2d(8, 1, 4, 4), nn.Sigmoid())
    return Halves(GREY, encoder, decoder)


def normalised_weights() -> Halves:
    """Weight and spectral normalisation, which are computed at every run."""
    weight, spectral = nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm
    return Halves(
        GREY, nn.Sequential(spectral(nn.Linear(784, 24)), nn.ReLU(), nn.Linear(24, 6)),
        nn.Sequential(weight(nn.Linear(6, 24)), nn.Softsign(), weight(nn.Linear(24, 784)), nn.Sigmoid()), flat=True,
    )  # fmt: skip


def ends_wrapped() -> Halves:
    """Circular padding, where the left of an image goes on at its right."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 6, 3, 2, 1, padding_mode="circular"),
        nn.Hardtanh(),
        nn.Conv2d(6, 3, 3, 2, 1, padding_mode="circular"),
    )
    decoder = nn.Sequential(
        nn.Upsample(scale_factor=4, mode="bicubic"),
        nn.Conv2d(3, 1, 3, padding=1, padding_mode="circular"),
        nn.Sigmoid(),
    )
    return Halves(GREY, encoder, decoder)


class SizesAsked(Plain):
    """Values are rearranged by the sizes of others."""

    image = GREY

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.code, self.fc = nn.Conv2d(1, 8, 4, 4), nn.Linear(392, 5), nn.Linear(5, 392)
        self.out = nn.ConvTranspose2d(8, 1, 4, 4)

    def encode(self, x: Tensor) -> Tensor:
        h = F.relu(self.maps(x))
        return self.code(h.view(h.size(0), -1))

    def decode(self, z: Tensor) -> Tensor:
        h = self.fc(z).view(z.size(0), 8, 7, 7)
        return torch.sigmoid(self.out(F.relu(h)))


class Squeezed(SizesAsked):
    """All axes of length 1 are dropped, that of the images too where there is one alone."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Conv2d(8, 5, 7)

    def encode(self, x: Tensor) -> Tensor:
        return self.code(F.relu(self.maps(x))).squeeze()

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.out(F.relu(self.fc(z).view(-1, 8, 7, 7))))


class QuantisedOneHot(Plain):
    """A VQ-VAE whose codebook is multiplied by one-hot rows, as in van den Oord's own code."""

    image = GREY

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.book = nn.Conv2d(1, 5, 4, 4), nn.Embedding(10, 5)
        self.out = nn.ConvTranspose2d(5, 1, 4, 4)

    def encode(self, x: Tensor) -> Tensor:
        h = self.maps(x).permute(0, 2, 3, 1).contiguous()
        rows, book = h.view(-1, 5), self.book.weight
        far = (rows**2).sum(1, keepdim=True) + (book**2).sum(1) - 2 * rows @ book.t()
        nearest = far.argmin(1).unsqueeze(1)
        one_hot = torch.zeros(nearest.shape[0], 10, device=x.device).scatter_(1, nearest, 1)
        return (one_hot @ book).view(h.shape).permute(0, 3, 1, 2).contiguous()

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.out(z))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "tanh": lambda: dense(nn.Tanh), "SELU, normalised": lambda: dense(nn.SELU, norm=True),
    "GELU, logits clamped": lambda: dense(nn.GELU, last=nn.Hardsigmoid()), "sine": lambda: dense(Sine),
    "dropout": dropped, "two heads": two_heads, "deviation by softplus": lambda: two_heads(softplus=True),
    "beta-VAE": beta, "heads of maps": spatial_heads,
    "pooled": lambda: author("pooled"), "upsampled": lambda: author("upsampled"),
    "narrow code": lambda: author("narrow code"), "residual maps": lambda: author("residual, projected"),
    "bottleneck of 1 × 1": lambda: author("generator-like", LARGE),
    "residual, dense": lambda: author("residual, dense", flat=True), "reflected": lambda: author("reflected"),
    "GroupNorm": lambda: code_of(ConvCode(lambda n, side: nn.GroupNorm(4, n), 8)),
    "InstanceNorm": lambda: code_of(ConvCode(lambda n, side: nn.InstanceNorm2d(n, affine=True), 8)),
    "LayerNorm": lambda: code_of(ConvCode(lambda n, side: nn.LayerNorm([n, side, side]), 8)),
    "tied": Tied, "class by table": Embedded, "class one-hot": OneHot, "class as planes": Planes,
    "standardised": Standardised, "shuffled": shuffled, "separable": separable, "dilated": dilated,
    "PReLU": with_prelu, "squeeze-excite": squeezed, "last channels": last_channels, "queries": PerceiverLike,
    "normalised weights": normalised_weights, "circular": ends_wrapped,
    "sizes asked": SizesAsked, "all axes of 1 dropped": Squeezed, "one-hot codebook": QuantisedOneHot,
}  # fmt: skip
CONDITIONAL = {"class by table", "class one-hot", "class as planes"}


def network(name: str) -> nn.Module:
    """A network of this style, in evaluation mode, its statistics not those of a new one; the same each time."""
    torch.manual_seed(0)
    made = NETWORKS[name]()
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return made.eval()
