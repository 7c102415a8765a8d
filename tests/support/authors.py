"""Autoencoders as other people write them: test inputs for the reader, each trained for a moment on shipped digits.

Every author names, orders and joins layers differently; what they do is known here, so the reading can be judged.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, repeat

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import data
from latent.data import evaluation_digits

UNIT: tuple[Callable, Callable] = (lambda x: x, lambda y: y)
SYMMETRIC: tuple[Callable, Callable] = (lambda x: 2 * x - 1, lambda y: (y + 1) / 2)
AROUND_ZERO: tuple[Callable, Callable] = (lambda x: x - 0.5, lambda y: y + 0.5)
STANDARDISED: tuple[Callable, Callable] = (lambda x: (x - 0.1307) / 0.3081, lambda y: y * 0.3081 + 0.1307)


@dataclass
class Author:
    """A network, how it wants its pixels, and the side of its images."""

    build: Callable[[], nn.Module]
    pixels: tuple[Callable, Callable] = UNIT
    side: int = 28
    logits: bool = False
    conditional: bool = False
    framed: bool = False  # whether images are padded to their side, instead of resized
    state: Callable[[nn.Module], dict[str, Tensor]] = lambda network: network.state_dict()  # what is saved
    kind: Callable[[Tensor], Tensor] = lambda x: x  # what the digits are made into, to be the images it is trained on
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


class Dense(nn.Module):
    """A dense VAE, 784-128-64-8 and back: ``norm`` behind hidden layers, ``wrap`` around every layer."""

    def __init__(
        self, norm: Callable | None = None, act: Callable = nn.ReLU, wrap: Callable = lambda layer: layer
    ) -> None:
        super().__init__()

        def hidden(n_in: int, n_out: int) -> list[nn.Module]:
            return [wrap(nn.Linear(n_in, n_out)), *([norm(n_out)] if norm else []), act()]

        self.encoder = nn.Sequential(*hidden(784, 128), *hidden(128, 64))
        self.fc_mu, self.fc_logvar = wrap(nn.Linear(64, 8)), wrap(nn.Linear(64, 8))
        self.decoder = nn.Sequential(*hidden(8, 64), *hidden(64, 128), wrap(nn.Linear(128, 784)), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(x.flatten(1))
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        self.kl = kl(mu, logvar)
        return self.decoder(mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu).view_as(x)


class ConvCode(nn.Module):
    """Two convolutions of kernel 4 down to 7 × 7, a dense code of 8, and back; ``norm`` behind each but the last."""

    def __init__(
        self, norm: Callable | None = None, channels: int = 16, wrap: Callable = lambda layer: layer, side: int = 28
    ) -> None:
        super().__init__()
        self.shape = c, s = 2 * channels, side // 4
        n = (lambda n, s: [norm(n, s)]) if norm else (lambda n, s: [])
        self.encoder = nn.Sequential(
            wrap(nn.Conv2d(1, channels, 4, 2, 1)),
            *n(channels, 2 * s),
            nn.ReLU(),
            wrap(nn.Conv2d(channels, c, 4, 2, 1)),
            *n(c, s),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(c * s * s, 8),
        )
        self.fc = nn.Linear(8, c * s * s)
        self.decoder = nn.Sequential(
            wrap(nn.ConvTranspose2d(c, channels, 4, 2, 1)),
            *n(channels, 2 * s),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.fc(self.encoder(x)).view(-1, self.shape[0], self.shape[1], self.shape[1]))


class Seen(nn.Module):
    """A network that is shown its images another way, and whose pictures are turned back."""

    def __init__(self, network: nn.Module, view: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.view = network, view

    def forward(self, x: Tensor) -> Tensor:
        return self.view(self.network(self.view(x)))


class Tied(nn.Module):
    """The decoder is the encoder transposed, with biases of its own."""

    def __init__(self, biased: bool = True) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 128), nn.Linear(128, 12)
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(n)) for n in (128, 784)]) if biased else None

    def forward(self, x: Tensor) -> Tensor:
        z = self.fc2(F.relu(self.fc1(x.flatten(1))))
        first, second = self.biases if self.biases is not None else (None, None)
        h = F.relu(F.linear(z, self.fc2.weight.T, first))
        return torch.sigmoid(F.linear(h, self.fc1.weight.T, second)).view_as(x)


class Residual(nn.Module):
    """A block of two convolutions or dense layers with a way round them."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None, last: bool = True) -> None:
        super().__init__()
        self.body, self.last = body, last
        if shortcut is not None:
            self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        around = self.shortcut(x) if hasattr(self, "shortcut") else x
        h = around + self.body(x)
        return F.relu(h) if self.last else h


class Quantised(nn.Module):
    """A VQ-VAE: the nearest row of a table takes the place of each vector of the code."""

    def __init__(self, residual: bool = False) -> None:
        super().__init__()
        block = (
            [
                Residual(
                    nn.Sequential(
                        nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(8, 8, 1, bias=False)
                    ),
                    last=False,
                )
            ]
            if residual
            else []
        )
        self.encoder = nn.Sequential(nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 8, 4, 2, 1), *block)
        self.embedding = nn.Embedding(32, 8)
        nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(8, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid()
        )

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encode(x)
        flat = z.movedim(1, 3).reshape(-1, 8)
        rows = self.embedding(torch.cdist(flat, self.embedding.weight).argmin(dim=1))
        rows = rows.view(len(z), *z.shape[2:], 8).movedim(3, 1)
        self.kl = 10 * (F.mse_loss(rows, z.detach()) + 0.25 * F.mse_loss(z, rows.detach())) * 100
        return self.decoder(z + (rows - z).detach())


class DeepQuantised(Quantised):
    """The VQ-VAE of many notebooks: two halvings, a convolution and two residual blocks without biases, which begin with
    their activation, in either half; a convolution before the table."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

        def blocks() -> list[nn.Module]:
            bodies = [
                nn.Sequential(
                    nn.ReLU(), nn.Conv2d(24, 8, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(8, 24, 1, bias=False)
                )
                for _ in range(2)
            ]
            return [Residual(body, last=False) for body in bodies] + [nn.ReLU()]

        self.encoder = nn.Sequential(
            nn.Conv2d(1, 12, 4, 2, 1), nn.ReLU(), nn.Conv2d(12, 24, 4, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1),
            *blocks(),
        )  # fmt: skip
        self.before_table, self.embedding = nn.Conv2d(24, 8, 1), nn.Embedding(32, 8)
        nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
        self.decoder = nn.Sequential(
            nn.Conv2d(8, 24, 3, padding=1), *blocks(),
            nn.ConvTranspose2d(24, 12, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(12, 1, 4, 2, 1),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        return self.before_table(self.encoder(x))


class Embedded(nn.Module):
    """A label goes through a table; its row stands beside the code, and beside the image where ``both``."""

    def __init__(self, width: int, both: bool = True) -> None:
        super().__init__()
        self.label_emb = nn.Embedding(10, width)
        self.both = both
        self.enc1, self.mu, self.logvar = nn.Linear(784 + width * both, 128), nn.Linear(128, 6), nn.Linear(128, 6)
        self.dec1, self.dec2 = nn.Linear(6 + width, 128), nn.Linear(128, 784)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        row = self.label_emb(label.argmax(dim=1))
        h = F.relu(self.enc1(torch.cat([x.flatten(1), row], dim=1) if self.both else x.flatten(1)))
        mu, logvar = self.mu(h), self.logvar(h)
        self.kl = kl(mu, logvar)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu
        return torch.sigmoid(self.dec2(F.relu(self.dec1(torch.cat([z, row], dim=1))))).view_as(x)


class Fitted(nn.Module):
    """The last map is larger than the image, and brought to its side."""

    def __init__(self, fit: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
        )
        self.mu, self.up, self.fit = nn.Linear(512, 8), nn.Linear(8, 512), fit
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.fit(self.decoder(self.up(self.mu(self.encoder(x).flatten(1))).view(-1, 32, 4, 4))))


def mapped(pool: nn.Module | None = None, mode: str = "zeros", upsampling: str = "nearest") -> nn.Module:
    """Pools or strides down to maps, upsampling and convolutions back."""
    stride = 1 if pool else 2
    down = [pool] if pool else []
    up = nn.Upsample(scale_factor=2, mode=upsampling)
    return Conv(
        nn.Sequential(
            nn.Conv2d(1, 16, 3, stride, 1, padding_mode=mode), nn.ReLU(), *down,
            nn.Conv2d(16, 4, 3, stride, 1, padding_mode=mode), nn.ReLU(), *down,
        ),
        nn.Sequential(
            up, nn.Conv2d(4, 16, 3, 1, 1, padding_mode=mode), nn.ReLU(), up, nn.Conv2d(16, 1, 3, 1, 1, padding_mode=mode), nn.Sigmoid()
        ),
    )  # fmt: skip


def residual_maps(projected: bool) -> nn.Module:
    """Convolutional residual blocks, with normalisations; ``projected`` where each also halves the maps."""

    def body(n_in: int, n_out: int, stride: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1), nn.BatchNorm2d(n_out), nn.ReLU(), nn.Conv2d(n_out, n_out, 3, 1, 1), nn.BatchNorm2d(n_out)
        )  # fmt: skip

    if projected:
        blocks = [
            nn.Conv2d(1, 8, 3, 1, 1),
            nn.ReLU(),
            *[Residual(body(n, m, 2), nn.Conv2d(n, m, 1, 2)) for n, m in ((8, 16), (16, 16))],
        ]
    else:
        blocks = [
            nn.Conv2d(1, 16, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 4, 2, 1),
            nn.ReLU(),
            Residual(body(16, 16, 1)),
        ]
    return Conv(
        nn.Sequential(*blocks, nn.Flatten(), nn.Linear(784, 10)),
        nn.Sequential(nn.Linear(10, 784), nn.Unflatten(1, (16, 7, 7)), nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid()),
    )  # fmt: skip


class Denoising(nn.Module):
    """Three convolutions and two pools, one for all, down; two transposed convolutions of kernel 2 back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 16, 3, padding=1)
        self.conv3, self.pool = nn.Conv2d(16, 4, 3, padding=1), nn.MaxPool2d(2, 2)
        self.t_conv1, self.t_conv2 = nn.ConvTranspose2d(4, 16, 2, stride=2), nn.ConvTranspose2d(16, 1, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = F.relu(self.conv3(self.pool(F.relu(self.conv2(x)))))
        return torch.sigmoid(self.t_conv2(F.relu(self.t_conv1(x))))


class Listed(nn.Module):
    """Layers in lists; ``norm`` puts normalisations into a list of their own behind them."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        sizes = [784, 256, 64, 10]
        self.enc_layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(sizes))
        self.dec_layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(sizes[::-1]))
        self.norms = nn.ModuleList(nn.BatchNorm1d(n) for n in sizes[1:-1]) if norm else [nn.Identity()] * 2

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for layer, norm in zip(self.enc_layers, self.norms, strict=False):
            h = F.relu(norm(layer(h)))
        h = self.enc_layers[-1](h)
        for layer in self.dec_layers[:-1]:
            h = F.relu(layer(h))
        return torch.sigmoid(self.dec_layers[-1](h)).view_as(x)


class ConditionalMaps(nn.Module):
    """A label, one-hot, stands behind what the convolutions give, and behind the code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), nn.Flatten()
        )
        self.fc_mu, self.fc_logvar, self.fc = nn.Linear(1578, 8), nn.Linear(1578, 8), nn.Linear(18, 1568)
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = torch.cat([self.conv(x), label], dim=1)
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        self.kl = kl(mu, logvar)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2) if self.training else mu
        return self.deconv(F.relu(self.fc(torch.cat([z, label], dim=1))).view(-1, 32, 7, 7))


def behind_activations(
    act: Callable[[], nn.Module], norm: Callable[[int], nn.Module], last: Callable[[], nn.Module]
) -> nn.Module:
    """Dense layers with normalisations behind their activations."""

    def hidden(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Linear(n_in, n_out), act(), norm(n_out)]

    return Flat(
        nn.Sequential(*hidden(784, 256), *hidden(256, 64), nn.Linear(64, 10)),
        nn.Sequential(*hidden(10, 64), *hidden(64, 256), nn.Linear(256, 784), last()),
    )


def with_dropout(act: Callable[[], nn.Module], drop: Callable[[], nn.Module]) -> nn.Module:
    """Dense layers with dropout behind their activations, which leaves gaps in the numbers of a Sequential."""

    def hidden(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Linear(n_in, n_out), act(), drop()]

    return Flat(
        nn.Sequential(*hidden(784, 256), *hidden(256, 64), nn.Linear(64, 16)),
        nn.Sequential(*hidden(16, 64), *hidden(64, 256), nn.Linear(256, 784), nn.Sigmoid()),
    )


def three_levels() -> nn.Module:
    """Three pools down and three times upsampled, normalised, on images of 32."""

    def conv(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Conv2d(n_in, n_out, 3, 1, 1), nn.BatchNorm2d(n_out), nn.ReLU()]

    def down(n_in: int, n_out: int) -> list[nn.Module]:
        return [*conv(n_in, n_out), nn.MaxPool2d(2)]

    up = nn.Upsample(scale_factor=2)
    return Conv(
        nn.Sequential(*down(1, 8), *down(8, 16), *down(16, 16)),
        nn.Sequential(up, *conv(16, 16), up, *conv(16, 8), up, nn.Conv2d(8, 1, 3, 1, 1), nn.Sigmoid()),
    )


def tanh_maps() -> nn.Module:
    """Two convolutions with tanh, a dense code, no activation at the end."""
    return Conv(
        nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.Tanh(), nn.Conv2d(8, 16, 3, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(784, 10)),
        nn.Sequential(
            nn.Linear(10, 784), nn.Tanh(), nn.Unflatten(1, (16, 7, 7)), nn.ConvTranspose2d(16, 8, 3, 2, 1, 1), nn.Tanh(),
            nn.ConvTranspose2d(8, 1, 3, 2, 1, 1),
        ),
    )  # fmt: skip


def normalised_code() -> nn.Module:
    """A normalisation without scales is the last layer of the encoder."""
    return Flat(
        nn.Sequential(*mlp([784, 128, 16], nn.ReLU), nn.BatchNorm1d(16, affine=False)),
        mlp([16, 128, 784], nn.ReLU, nn.Sigmoid()),
    )


def residual_dense() -> nn.Module:
    def block(n: int) -> nn.Module:
        return Residual(nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n)), last=False)

    return Flat(
        nn.Sequential(nn.Linear(784, 96), nn.ReLU(), block(96), nn.ReLU(), nn.Linear(96, 10)),
        nn.Sequential(nn.Linear(10, 96), nn.ReLU(), block(96), nn.ReLU(), nn.Linear(96, 784), nn.Sigmoid()),
    )


def beside(make: Callable[[], nn.Module], first: bool = False) -> Callable[[nn.Module], dict[str, Tensor]]:
    """The network's weights with those of another one, untrained, before or behind them."""

    def state(network: nn.Module) -> dict[str, Tensor]:
        other = make().state_dict()
        return other | network.state_dict() if first else network.state_dict() | other

    return state


def named(prefix: str, network: nn.Module) -> nn.Module:
    return nn.ModuleDict({prefix: network})


def averaged(prefix: str, own: str = "") -> Callable[[nn.Module], dict[str, Tensor]]:
    """The weights beside a copy of them with some noise, as an average of earlier ones is, under another name."""

    def state(network: nn.Module) -> dict[str, Tensor]:
        weights = network.state_dict()
        noisy = {n: w + 0.3 * w.std() * torch.randn(w.shape) if w.ndim > 1 else w for n, w in weights.items()}
        return {f"{prefix}.{n}": w for n, w in noisy.items()} | {own + n: w for n, w in weights.items()}

    return state


def prefixed(prefix: str) -> Callable[[nn.Module], dict[str, Tensor]]:
    """The weights with a name before theirs, as those of a network that was wrapped in another one."""
    return lambda network: {f"{prefix}.{name}": weight for name, weight in network.state_dict().items()}


def keras(network: nn.Module) -> dict[str, Tensor]:
    """The weights as Keras names and lays them out."""
    found = {}
    for name, tensor in network.state_dict().items():
        path, _, parameter = name.rpartition(".")
        kernel = parameter == "weight"
        turned = (tensor.T if tensor.ndim == 2 else tensor.permute(2, 3, 1, 0)) if kernel else tensor
        found[f"{path.replace('.', '/')}/{'kernel' if kernel else 'bias'}:0"] = turned.contiguous()
    return found


spectral = nn.utils.parametrizations.spectral_norm
old_spectral = nn.utils.spectral_norm

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
    # what lies beside the network
    "a dense discriminator first": Author(lambda: Dense(), state=beside(lambda: named("D", mlp([784, 256, 64, 1], nn.ReLU)), first=True)),
    "a discriminator of codes": Author(lambda: Dense(), state=beside(lambda: named("disc", mlp([8, 64, 64, 1], nn.ReLU)))),
    "a discriminator of pictures": Author(
        lambda: ConvCode(channels=8), epochs=2,
        state=beside(lambda: named("critic", nn.Sequential(nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(16, 16, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(16, 1, 7)))),
    ),
    "a classifier of codes": Author(lambda: Dense(), state=beside(lambda: named("classifier", mlp([8, 32, 10], nn.ReLU)))),
    "an average without a prefix": Author(lambda: Dense(), state=averaged("ema")),
    "an average with prefixes": Author(lambda: Dense(act=nn.Tanh), state=averaged("shadow.module", "net.")),
    "a flow first": Author(lambda: Dense(), state=beside(lambda: named("prior", mlp([8, 8, 8], nn.ReLU)), first=True)),
    "parameters of the loss": Author(
        lambda: Dense(), state=lambda network: {"log_sigma": torch.zeros(1), "betas": torch.linspace(0, 1, 9), "std": torch.ones(1, 1, 1, 1)} | network.state_dict()
    ),
    # normalisations
    "LayerNorm": Author(lambda: Dense(nn.LayerNorm)),
    "LayerNorm, GELU": Author(lambda: Dense(nn.LayerNorm, nn.GELU)),
    "LayerNorm without bias": Author(lambda: Dense(lambda n: nn.LayerNorm(n, bias=False))),
    "GroupNorm 1": Author(lambda: ConvCode(lambda n, s: nn.GroupNorm(1, n), 8), epochs=2),
    "GroupNorm 8": Author(lambda: ConvCode(lambda n, s: nn.GroupNorm(8, n), 8), epochs=2),
    "InstanceNorm": Author(lambda: ConvCode(lambda n, s: nn.InstanceNorm2d(n, affine=True), 8), epochs=2),
    "LayerNorm of maps": Author(lambda: ConvCode(lambda n, s: nn.LayerNorm([n, s, s]), 8), epochs=2),
    "spectral norm": Author(
        lambda: Flat(nn.Sequential(spectral(nn.Linear(784, 128)), nn.ReLU(), spectral(nn.Linear(128, 12))), mlp([12, 128, 784], nn.ReLU, nn.Sigmoid()))
    ),
    "spectral norm of maps, as it was": Author(lambda: ConvCode(wrap=old_spectral, channels=8), epochs=2),
    # pools, padding, other sizes
    "average pools": Author(lambda: mapped(nn.AvgPool2d(2)), epochs=2),
    "reflected": Author(lambda: mapped(mode="reflect"), epochs=2),
    "replicated": Author(lambda: mapped(nn.MaxPool2d(2), mode="replicate"), epochs=2),
    "bilinear": Author(lambda: mapped(upsampling="bilinear"), epochs=2),
    "interpolated to the image": Author(lambda: Fitted(lambda h: F.interpolate(h, size=(28, 28), mode="bilinear")), epochs=2),
    "trimmed": Author(lambda: Fitted(lambda h: h[:, :, 2:-2, 2:-2]), epochs=2),
    "cut": Author(lambda: Fitted(lambda h: h[:, :, :28, :28]), epochs=2),
    # weights used twice, ways round, tables
    "tied": Author(Tied),
    "tied, without biases": Author(lambda: Tied(False)),
    "residual, dense": Author(residual_dense),
    "residual": Author(lambda: residual_maps(False), epochs=2),
    "residual, projected": Author(lambda: residual_maps(True), epochs=2),
    "quantised": Author(Quantised),
    "quantised, residual": Author(lambda: Quantised(True)),
    "quantised, deep": Author(DeepQuantised, pixels=AROUND_ZERO, epochs=2),
    "label through a table of 10": Author(lambda: Embedded(10), conditional=True),
    "label through a table of 50": Author(lambda: Embedded(50), conditional=True),
    "label through a table, decoder alone": Author(lambda: Embedded(20, False), conditional=True),
    # images seen another way
    "inverted": Author(lambda: Seen(Dense(), lambda x: 1 - x), state=lambda network: network.network.state_dict()),
    "inverted maps": Author(lambda: Seen(ConvCode(channels=8), lambda x: 1 - x), epochs=2, state=lambda network: network.network.state_dict()),
    "transposed": Author(lambda: Seen(ConvCode(channels=8), lambda x: x.transpose(2, 3)), epochs=2, state=lambda network: network.network.state_dict()),
    "padded": Author(lambda: ConvCode(channels=8, side=32), side=32, epochs=2, framed=True),
    # trained on images of another kind, so that it draws digits badly
    "upside down": Author(lambda: ConvCode(channels=8), kind=lambda x: x.flip(2), epochs=2),
    "upside down, interpolated": Author(
        lambda: Fitted(lambda h: F.interpolate(h, size=(28, 28), mode="bilinear")), kind=lambda x: x.flip(2), epochs=2
    ),
    # names and orders of layers
    "in parallel": Author(lambda: Heads(F.relu), state=prefixed("module")),
    "in a wrapper of its trainer": Author(lambda: DoubleHead(False), state=prefixed("model.net")),
    "dropout": Author(lambda: with_dropout(nn.ReLU, lambda: nn.Dropout(0.05))),
    "dropout, SELU": Author(lambda: with_dropout(nn.SELU, lambda: nn.AlphaDropout(0.05))),
    "LayerNorm behind SiLU": Author(lambda: behind_activations(nn.SiLU, nn.LayerNorm, nn.Sigmoid)),
    "BatchNorm behind LeakyReLU 0.2": Author(
        lambda: behind_activations(lambda: nn.LeakyReLU(0.2), nn.BatchNorm1d, nn.Tanh), SYMMETRIC
    ),
    "lists": Author(Listed),
    "lists, normalisations in one of their own": Author(lambda: Listed(True)),
    "a normalised code": Author(normalised_code),
    "standardised, ELU, deep": Author(
        lambda: Flat(mlp([784, 200, 50, 8], nn.ELU), mlp([8, 50, 200, 784], nn.ELU)), STANDARDISED
    ),
    "standardised maps, tanh": Author(tanh_maps, STANDARDISED),
    "denoising": Author(Denoising),
    "conditional maps": Author(ConditionalMaps, conditional=True),
    "three levels": Author(three_levels, side=32),
    # as other libraries write
    "Keras": Author(lambda: Flat(mlp([784, 100, 10], nn.ReLU), mlp([10, 100, 784], nn.ReLU, nn.Sigmoid())), state=keras),
    "matrices": Author(
        lambda: Flat(mlp([784, 100, 10], nn.Sigmoid), mlp([10, 100, 784], nn.Sigmoid, nn.Sigmoid())),
        state=lambda network: {f"{'Wb'[i % 2]}{i // 2}": t.T.contiguous() if t.ndim == 2 else t for i, t in enumerate(network.state_dict().values())},
    ),
    "as modules of a list": Author(
        lambda: Dense(), state=lambda network: {f"{i // 2}.{'weight' if t.ndim == 2 else 'bias'}": t for i, t in enumerate(network.state_dict().values())}
    ),
}  # fmt: skip


def digits(side: int, start: int, n: int, framed: bool = False) -> tuple[Tensor, Tensor]:
    images, labels = evaluation_digits()  # all of them, also where a test gives the page a few
    fitted = data.fit(images[start : start + n], (1, side, side), framed)
    one_hot = F.one_hot(torch.tensor(labels[start : start + n]).long(), 10).float()
    return torch.tensor(fitted)[:, None].float() / 255, one_hot


def trained(author: Author, n: int = 5000, times: int = 1) -> nn.Module:
    """The author's network after a few epochs on the last of the shipped digits: enough to tell right from wrong.

    ``times`` as many of them come nearer to what people publish.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = author.build()
        x, label = digits(author.side, 5000, n, author.framed)
        x = author.kind(x)
        scale, _ = author.pixels
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(times * author.epochs):
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
    x, label = digits(author.side, 0, n, author.framed)
    scale, unscale = author.pixels
    y = network(scale(x), label) if author.conditional else network(scale(x))
    return float(F.mse_loss(unscale(torch.sigmoid(y) if author.logits else y).clamp(0, 1), x))


@torch.inference_mode()
def own_pictures(author: Author, network: nn.Module, n: int = 100) -> Tensor:
    """What the author's network makes of the first ``n`` shipped digits: pictures (n, 1, side, side) in [0, 1]."""
    x, label = digits(author.side, 0, n, author.framed)
    scale, unscale = author.pixels
    y = network(scale(x), label) if author.conditional else network(scale(x))
    return unscale(torch.sigmoid(y) if author.logits else y).clamp(0, 1)


@cache
def network_of(name: str, times: int = 1) -> nn.Module:
    return trained(AUTHORS[name], times=times)


@cache
def state_of(name: str, times: int = 1) -> dict[str, Tensor]:
    """What an author's file holds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return AUTHORS[name].state(network_of(name, times))


SLOW = {
    "a discriminator of pictures", "GroupNorm 1", "GroupNorm 8", "InstanceNorm", "LayerNorm of maps", "average pools",
    "spectral norm of maps, as it was", "reflected", "replicated", "bilinear", "interpolated to the image", "trimmed",
    "cut", "residual", "residual, projected", "quantised", "quantised, residual", "quantised, deep", "inverted maps", "transposed", "padded",
    "a classifier of codes", "an average with prefixes", "a flow first", "LayerNorm, GELU", "tied, without biases",
    "label through a table of 10", "label through a table, decoder alone", "standardised maps, tanh", "denoising",
    "conditional maps", "three levels", "upside down", "upside down, interpolated",
}  # fmt: skip


def reading_of(name: str, times: int) -> tuple[str, str]:
    """How an author's file is read: "right", "WRONG" or "refused", and how sure, or the refusal; trained for so many
    ``times`` as many epochs as in the tests.

    Right is what reconstructs images as the author's network does: a mean squared difference below 1 % of the variance.
    """
    from latent import checkpoint
    from latent.errors import CheckpointError
    from latent.space import LatentSpace
    from tests.support.model_files import saved

    torch.set_num_threads(1)
    own = own_pictures(AUTHORS[name], network_of(name, times))[:, 0]
    try:
        loaded = checkpoint.parse(saved(state_of(name, times)), f"{name}.pt")
    except CheckpointError as error:
        return "refused", str(error)
    space = LatentSpace.of(name, loaded)
    assert loaded.certainty is not None
    sure = f"{loaded.certainty.level} {loaded.certainty.margin:.3f}"
    if not space.signature.has_encoder:
        return "WRONG", sure
    drawn = torch.from_numpy(space.reconstruct(space.images[: len(own)], space.labels[: len(own)]))
    alike = drawn.shape == own.shape and bool((drawn - own).square().mean() < 0.01 * own.var(dim=0).mean())
    return "right" if alike else "WRONG", sure


def main() -> None:
    """``python -m tests.support.authors [TIMES]``: how every author's file is read, how sure, and whether that is right;
    the networks trained for so many times as many epochs as in the tests, by default 5."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    counts: Counter[tuple[str, str]] = Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        slow_first = sorted(AUTHORS, key=lambda name: name not in SLOW)
        for name, (verdict, sure) in zip(slow_first, pool.map(reading_of, slow_first, repeat(times))):
            print(f"{name:40} {verdict} {sure}", flush=True)
            counts[verdict, "" if verdict == "refused" else sure.rsplit(" ", 1)[0]] += 1
    for (verdict, level), count in sorted(counts.items()):
        print(f"{count:3} {verdict} {level}")


if __name__ == "__main__":
    main()
