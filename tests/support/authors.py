"""Autoencoders as other people write them: test inputs for the reader, each trained for a moment on shipped digits.

Every author names, orders and joins layers differently; what they do is known here, so the reading can be judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import data
from latent.data import evaluation_digits

UNIT: tuple[Callable, Callable] = (lambda x: x, lambda y: y)
SYMMETRIC: tuple[Callable, Callable] = (lambda x: 2 * x - 1, lambda y: (y + 1) / 2)
STANDARDISED: tuple[Callable, Callable] = (lambda x: (x - 0.1307) / 0.3081, lambda y: y * 0.3081 + 0.1307)


@dataclass
class Author:
    """A network, how it wants its pixels, and the side of its images."""

    build: Callable[[], nn.Module]
    pixels: tuple[Callable, Callable] = UNIT
    side: int = 28
    logits: bool = False
    conditional: bool = False
    epochs: int = 4  # fewer where a convolution is slow and is known by what it does well before


def mlp(
    sizes: list[int], activation: Callable[[], nn.Module], last: nn.Module | None = None, norm: bool = False
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (n_in, n_out) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(n_in, n_out))
        if index < len(sizes) - 2:
            layers += [nn.BatchNorm1d(n_out)] * norm + [activation()]
    return nn.Sequential(*layers, *([last] if last else []))


class Flat(nn.Module):
    """encoder and decoder, flat."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, decoder_first: bool = False) -> None:
        super().__init__()
        if decoder_first:
            self.decoder, self.encoder = decoder, encoder
        else:
            self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x.flatten(1))).view_as(x)


class Conv(nn.Module):
    """encoder and decoder, on maps."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Heads(nn.Module):
    """A VAE with two heads; ``swapped`` lists the log-variance first, ``deep`` gives each head two layers."""

    def __init__(self, activation: Callable, swapped: bool = False, deep: bool = False) -> None:
        super().__init__()
        self.act = activation
        self.a = nn.Linear(784, 200)
        head = (
            (lambda: nn.Sequential(nn.Linear(200, 50), nn.ReLU(), nn.Linear(50, 8)))
            if deep
            else (lambda: nn.Linear(200, 8))
        )
        if swapped:
            self.h2, self.h1 = head(), head()
        else:
            self.h1, self.h2 = head(), head()
        self.b, self.c = nn.Linear(8, 200), nn.Linear(200, 784)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.a(x.flatten(1)))
        mu, logvar = self.h1(h), self.h2(h)
        self.kl = kl(mu, logvar)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu
        return torch.sigmoid(self.c(self.act(self.b(z)))).view_as(x)


class DoubleHead(nn.Module):
    """A VAE with one head of twice the length, its halves or its even and odd places."""

    def __init__(self, interleaved: bool) -> None:
        super().__init__()
        self.interleaved = interleaved
        self.enc, self.dec = mlp([784, 200, 16], nn.ReLU), mlp([8, 200, 784], nn.ReLU, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        h = self.enc(x.flatten(1))
        mu, logvar = (h[:, 0::2], h[:, 1::2]) if self.interleaved else h.chunk(2, dim=1)
        self.kl = kl(mu, logvar)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu
        return self.dec(z).view_as(x)


class Conditional(nn.Module):
    """A label, one-hot, joins the image and the code, behind or before them."""

    def __init__(self, label_first: bool) -> None:
        super().__init__()
        self.label_first = label_first
        self.encode1, self.mu, self.sigma = nn.Linear(794, 200), nn.Linear(200, 6), nn.Linear(200, 6)
        self.decode1, self.decode2 = nn.Linear(16, 200), nn.Linear(200, 784)

    def join(self, x: Tensor, label: Tensor) -> Tensor:
        return torch.cat([label, x] if self.label_first else [x, label], dim=1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = F.relu(self.encode1(self.join(x.flatten(1), label)))
        mu, logvar = self.mu(h), self.sigma(h)
        self.kl = kl(mu, logvar)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu
        return torch.sigmoid(self.decode2(F.relu(self.decode1(self.join(z, label))))).view_as(x)


class ConvHeads(nn.Module):
    """A convolutional VAE with normalisations: blocks, two heads, a way in and a last layer."""

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()

        def down(n_in: int, n_out: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 2, 1), nn.BatchNorm2d(n_out), nn.LeakyReLU(slope))

        def up(n_in: int, n_out: int) -> nn.Sequential:
            return nn.Sequential(
                nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, output_padding=1), nn.BatchNorm2d(n_out), nn.LeakyReLU(slope)
            )

        self.encoder = nn.Sequential(down(1, 8), down(8, 16), down(16, 32))
        self.fc_mu, self.fc_var = nn.Linear(32 * 16, 8), nn.Linear(32 * 16, 8)
        self.decoder_input = nn.Linear(8, 32 * 16)
        self.decoder = nn.Sequential(up(32, 16), up(16, 8))
        self.final_layer = nn.Sequential(up(8, 8), nn.Conv2d(8, 1, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(x).flatten(1)
        mu, logvar = self.fc_mu(h), self.fc_var(h)
        self.kl = kl(mu, logvar)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu
        return self.final_layer(self.decoder(self.decoder_input(z).view(-1, 32, 4, 4)))


class SpatialHeads(nn.Module):
    """A VAE whose code is a map: two convolutions are its heads."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())
        self.conv_mu, self.conv_logvar = nn.Conv2d(16, 4, 3, 1, 1), nn.Conv2d(16, 4, 3, 1, 1)
        self.dec = nn.Sequential(
            nn.ConvTranspose2d(4, 16, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 3, 2, 1, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.enc(x)
        mu, logvar = self.conv_mu(h), self.conv_logvar(h)
        self.kl = kl(mu.flatten(1), logvar.flatten(1))
        return self.dec(mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu)


class Functional(nn.Module):
    """Convolutions listed first, their normalisations after them; pools and upsampling are nowhere in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(16), nn.BatchNorm2d(4)
        self.conv4, self.conv5 = nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.relu(self.conv4(F.interpolate(x, scale_factor=2)))
        return torch.sigmoid(self.conv5(F.interpolate(x, scale_factor=2)))


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1).mean()


def narrow_code() -> nn.Module:
    """Three convolutions to a map of 3 × 3, dense layers on both sides of the code."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 0), nn.ReLU(), nn.Flatten(), nn.Linear(288, 128), nn.ReLU(), nn.Linear(128, 6),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 288), nn.ReLU(), nn.Unflatten(1, (32, 3, 3)),
        nn.ConvTranspose2d(32, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 3, 2, 1, output_padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 3, 2, 1, output_padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return Conv(encoder, decoder)


def pooled() -> nn.Module:
    """Two pools down, two transposed convolutions of kernel 2 up."""
    return Conv(
        nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Conv2d(16, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
        ),
        nn.Sequential(nn.ConvTranspose2d(4, 16, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(16, 1, 2, stride=2), nn.Sigmoid()),
    )  # fmt: skip


def all_convolution() -> nn.Module:
    """A kernel of 7 makes the map a vector."""
    return Conv(
        nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 7),
        ),
        nn.Sequential(
            nn.ConvTranspose2d(64, 32, 7), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
        ),
    )  # fmt: skip


def upsampled() -> nn.Module:
    """Pools on the way to a dense code, upsampling on the way back."""
    return Conv(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(784, 10),
        ),
        nn.Sequential(
            nn.Linear(10, 784), nn.ReLU(), nn.Unflatten(1, (16, 7, 7)), nn.Upsample(scale_factor=2),
            nn.Conv2d(16, 8, 3, 1, 1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 1, 3, 1, 1), nn.Sigmoid(),
        ),
    )  # fmt: skip


def unshrunk() -> nn.Module:
    """Kernels of 5 without strides or padding: a code larger than the image."""
    return Conv(
        nn.Sequential(nn.Conv2d(1, 10, 5), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.ReLU()),
        nn.Sequential(nn.ConvTranspose2d(20, 10, 5), nn.ReLU(), nn.ConvTranspose2d(10, 1, 5), nn.Sigmoid()),
    )


def generator_like() -> nn.Module:
    """Kernels of 4 without biases, on images of 32, as in generative adversarial networks."""

    def down(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2)]

    def up(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]

    return Conv(
        nn.Sequential(*down(1, 8), *down(8, 16), *down(16, 32), nn.Conv2d(32, 10, 4, 1, 0)),
        nn.Sequential(
            nn.ConvTranspose2d(10, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(), *up(32, 16), *up(16, 8),
            nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh(),
        ),
    )  # fmt: skip


AUTHORS: dict[str, Author] = {
    "tanh": Author(lambda: Flat(mlp([784, 128, 12], nn.Tanh), mlp([12, 128, 784], nn.Tanh, nn.Sigmoid()))),
    "sigmoid": Author(lambda: Flat(mlp([784, 128, 12], nn.Sigmoid), mlp([12, 128, 784], nn.Sigmoid, nn.Sigmoid()))),
    "ELU": Author(lambda: Flat(mlp([784, 100, 12], nn.ELU), mlp([12, 100, 784], nn.ELU, nn.Sigmoid()))),
    "GELU, raw logits": Author(lambda: Flat(mlp([784, 100, 12], nn.GELU), mlp([12, 100, 784], nn.GELU)), logits=True),
    "normalised, decoder first": Author(
        lambda: Flat(mlp([784, 128, 64, 8], nn.ReLU, norm=True), mlp([8, 64, 128, 784], nn.ReLU, nn.Sigmoid(), norm=True), True)
    ),
    "standardised, linear": Author(
        lambda: Flat(mlp([784, 128, 10], nn.ReLU), mlp([10, 128, 784], nn.ReLU)), STANDARDISED
    ),
    "symmetric, tanh, LeakyReLU 0.2": Author(
        lambda: Flat(mlp([784, 128, 10], lambda: nn.LeakyReLU(0.2)), mlp([10, 128, 784], lambda: nn.LeakyReLU(0.2), nn.Tanh())),
        SYMMETRIC,
    ),
    "normalised pixels": Author(
        lambda: Flat(nn.Sequential(nn.BatchNorm1d(784), *mlp([784, 100, 10], nn.ReLU)), mlp([10, 100, 784], nn.ReLU, nn.Sigmoid()))
    ),
    "one layer, ReLU code": Author(
        lambda: Flat(nn.Sequential(nn.Linear(784, 32), nn.ReLU()), nn.Sequential(nn.Linear(32, 784), nn.Sigmoid()))
    ),
    "ReLU there, tanh back": Author(lambda: Flat(mlp([784, 128, 12], nn.ReLU), mlp([12, 128, 784], nn.Tanh, nn.Sigmoid()))),
    "SELU, normalised": Author(lambda: Flat(mlp([784, 200, 20], nn.SELU, norm=True), mlp([20, 200, 784], nn.SELU, nn.Sigmoid(), norm=True))),
    "two heads": Author(lambda: Heads(F.relu)),
    "two heads, the log-variance first": Author(lambda: Heads(torch.tanh, swapped=True)),
    "two deep heads": Author(lambda: Heads(F.relu, deep=True)),
    "one head, halves": Author(lambda: DoubleHead(False)),
    "one head, interleaved": Author(lambda: DoubleHead(True)),
    "conditional": Author(lambda: Conditional(False), conditional=True),
    "conditional, the label first": Author(lambda: Conditional(True), conditional=True),
    "narrow code": Author(narrow_code, epochs=2),
    "pooled": Author(pooled, epochs=2),
    "upsampled": Author(upsampled),
    "unshrunk": Author(unshrunk, epochs=1),
    "spatial heads": Author(SpatialHeads),
    "functional": Author(Functional, epochs=2),
    "all convolution": Author(all_convolution),
    "convolutional heads": Author(ConvHeads, SYMMETRIC, side=32, epochs=2),
    "generator-like": Author(generator_like, SYMMETRIC, side=32),
}  # fmt: skip


def digits(side: int, start: int, n: int) -> tuple[Tensor, Tensor]:
    images, labels = evaluation_digits()  # all of them, also where a test gives the page a few
    fitted = data.fit(images[start : start + n], (1, side, side))
    one_hot = F.one_hot(torch.tensor(labels[start : start + n]).long(), 10).float()
    return torch.tensor(fitted)[:, None].float() / 255, one_hot


def trained(author: Author, n: int = 5000) -> nn.Module:
    """The author's network after a few epochs on the last of the shipped digits: enough to tell right from wrong."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = author.build()
        x, label = digits(author.side, 5000, n)
        scale, _ = author.pixels
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(author.epochs):
            for batch in torch.randperm(n).split(50):
                target = scale(x[batch])
                y = network(target, label[batch]) if author.conditional else network(target)
                error = (
                    F.binary_cross_entropy_with_logits(y, target) * 3 if author.logits else 100 * F.mse_loss(y, target)
                )
                loss = error + 0.01 * getattr(network, "kl", 0.0)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return network.eval()


@torch.inference_mode()
def true_error(author: Author, network: nn.Module, n: int = 1000) -> float:
    """Mean squared error a pixel of what the author does, pixels in [0, 1], on the first shipped digits."""
    x, label = digits(author.side, 0, n)
    scale, unscale = author.pixels
    y = network(scale(x), label) if author.conditional else network(scale(x))
    return float(F.mse_loss(unscale(torch.sigmoid(y) if author.logits else y).clamp(0, 1), x))


@cache
def network_of(name: str) -> nn.Module:
    return trained(AUTHORS[name])
