"""Small untrained networks of many styles, each with an ``encode`` and a ``decode``, as their authors write them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseVAE(nn.Module):
    """Dense layers; the code is the mean of (mean, logvar)."""

    image = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mu, self.logvar = nn.Linear(784, 40), nn.Linear(40, 5), nn.Linear(40, 5)
        self.decoder = nn.Sequential(nn.Linear(5, 40), nn.SELU(), nn.Dropout(0.3), nn.Linear(40, 784), nn.Sigmoid())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.leaky_relu(self.hidden(x.view(-1, 784)), 0.2)
        return self.mu(h), self.logvar(h)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).view(-1, 1, 28, 28)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encode(x)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.decode(z), mu, logvar


class Plain(nn.Module):
    """What runs encode and decode one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Normalised(Plain):
    """Convolutions with batch normalisation whose statistics are not those of a new layer, activations in place."""

    image = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16), nn.ELU(), nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(256, 6),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(6, 784), nn.BatchNorm1d(784), nn.ReLU(inplace=True), nn.Unflatten(1, (16, 7, 7)),
            nn.ConvTranspose2d(16, 8, 3, 2, 1, 1), nn.BatchNorm2d(8), nn.Softplus(), nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Hardtanh(0, 1),
        )  # fmt: skip
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                nn.init.uniform_(module.running_mean, -1, 1)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 2)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)


class Residual(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(4, n_in), nn.GroupNorm(4, n_out)])
        self.convs = nn.ModuleList([nn.Conv2d(n_in, n_out, 3, padding=1), nn.Conv2d(n_out, n_out, 3, padding=1)])
        self.skip = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for norm, conv in zip(self.norms, self.convs):
            h = conv(F.silu(norm(h)))
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention over the places of a map."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.GroupNorm(4, n), nn.Conv2d(n, 3 * n, 1), nn.Conv2d(n, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = (part.reshape(b, 1, c, h * w).transpose(2, 3) for part in self.qkv(self.norm(x)).chunk(3, dim=1))
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(2, 3).reshape(b, c, h, w))


class ResidualAE(Plain):
    image = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1), Residual(8, 8), nn.AvgPool2d(2), Residual(8, 12), nn.Flatten()
        )
        self.code, self.lift = nn.Linear(588, 7), nn.Linear(7, 588)
        self.up = nn.Sequential(
            Residual(12, 8), nn.Upsample(scale_factor=2), nn.GELU(), Residual(8, 8),
            nn.Upsample(size=(28, 28), mode="bilinear"),
            nn.ReflectionPad2d(1), nn.Conv2d(8, 1, 3), nn.Sigmoid(),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        return self.code(self.down(x))

    def decode(self, z: Tensor) -> Tensor:
        return self.up(self.lift(z).reshape(len(z), 12, 7, 7))


class Transformer(Plain):
    """Patches, positions, a class token and torch's own transformer layers."""

    image = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 7, 7)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True), 2, enable_nested_tensor=False
        )
        self.head, self.lift = nn.Linear(16, 4), nn.Linear(4, 16)
        self.attend, self.norm = nn.MultiheadAttention(16, 2, batch_first=True), nn.LayerNorm(16)
        self.out = nn.Linear(16, 49)

    def encode(self, x: Tensor) -> Tensor:
        t = self.patches(x).flatten(2).transpose(1, 2)
        t = torch.cat([self.token.expand(len(x), -1, -1), t], dim=1) + self.places
        return self.head(self.blocks(t)[:, 0])

    def decode(self, z: Tensor) -> Tensor:
        t = self.lift(z).unsqueeze(1) + self.places[:, 1:]
        t = self.norm(t + self.attend(t, t, t, need_weights=False)[0])
        y = torch.sigmoid(self.out(t)).view(-1, 4, 4, 7, 7)
        return y.permute(0, 1, 3, 2, 4).reshape(-1, 1, 28, 28)


class Quantised(Plain):
    """A codebook: the code is the nearest of its vectors at every place (van den Oord et al. 2017)."""

    image = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 4, 2, 1))
        self.codebook = nn.Embedding(16, 4)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid()
        )

    def encode(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        flat = z.permute(0, 2, 3, 1).contiguous().view(-1, 4)
        vectors = self.codebook.weight
        distances = (flat**2).sum(1, keepdim=True) + (vectors**2).sum(1) - 2 * flat @ vectors.t()
        one_hot = torch.zeros(len(flat), 16)
        one_hot.scatter_(1, torch.argmin(distances, dim=1).unsqueeze(1), 1)
        q = torch.matmul(one_hot, vectors).view(len(x), 7, 7, 4).permute(0, 3, 1, 2)
        return z + (q - z).detach()

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)


class Nearest(Quantised):
    """The same by `torch.cdist` and places in the codebook."""

    def encode(self, x: Tensor) -> Tensor:
        z = self.encoder(x).movedim(1, -1)
        places = torch.cdist(z.flatten(1, 2), self.codebook.weight[None]).argmin(-1)
        return self.codebook(places).view(z.shape).movedim(-1, 1)


class Conditional(nn.Module):
    """The class by an embedding on one side, one-hot on the other."""

    image = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 3)
        self.enc = nn.Sequential(nn.Linear(787, 20), nn.Mish(), nn.Linear(20, 4))
        self.dec = nn.Sequential(nn.Linear(14, 20), nn.Hardswish(), nn.Linear(20, 784), nn.Sigmoid())

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.enc(torch.cat([x.flatten(1), self.embedding(label)], dim=1))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        return self.dec(torch.cat([z, F.one_hot(label, 10).float()], dim=1)).view(-1, 1, 28, 28)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.decode(self.encode(x, label), label)


class UShaped(Plain):
    """The shape of a U-Net without its skips, to a bottleneck of 1 × 1, with instance normalisation."""

    image = (1, 32, 32)

    def __init__(self) -> None:
        super().__init__()

        def block(n_in: int, n_out: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(n_in, n_out, 3, padding=1), nn.InstanceNorm2d(n_out, affine=True), nn.PReLU(n_out)
            )

        self.downs = nn.ModuleList([block(1, 4), block(4, 8), block(8, 8)])
        self.bottom, self.open = nn.Conv2d(8, 12, 4), nn.ConvTranspose2d(12, 8, 4)
        self.ups = nn.ModuleList([block(8, 8), block(8, 4), block(4, 4)])
        self.last = nn.Conv2d(4, 1, 1)

    def encode(self, x: Tensor) -> Tensor:
        for down in self.downs:
            x = F.max_pool2d(down(x), 2)
        return self.bottom(x)

    def decode(self, z: Tensor) -> Tensor:
        y = self.open(z)
        for up in self.ups:
            y = up(F.interpolate(y, scale_factor=2, mode="nearest"))
        return self.last(y).sigmoid()


class Colour(Plain):
    """64 × 64 in colour, pixels in [-1, 1], dilated, grouped and shuffled."""

    image = (3, 64, 64)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1), nn.InstanceNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4),
            nn.AdaptiveAvgPool2d(8), nn.Conv2d(8, 4, 3, padding="same", padding_mode="replicate"),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(4, 16, 1), nn.PixelShuffle(2), nn.CELU(), nn.ConvTranspose2d(4, 8, 3, 2, 1, 1, groups=2),
            nn.Hardsigmoid(), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(8, 3, 3, 1, 1), nn.Tanh(),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)


class Tiny(Plain):
    """In the style of diffusers' AutoencoderTiny: residual blocks, a clamp by tanh, codes in a scale of their own."""

    image = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()

        def block(n: int) -> nn.Module:
            return Block(n)

        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), block(8), nn.Conv2d(8, 8, 3, 2, 1, bias=False), block(8),
            nn.Conv2d(8, 8, 3, 2, 1, bias=False), block(8), nn.Conv2d(8, 4, 3, padding=1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), block(8), nn.Upsample(scale_factor=2),
            nn.Conv2d(8, 8, 3, padding=1, bias=False), block(8), nn.Upsample(scale_factor=2),
            nn.Conv2d(8, 3, 3, padding=1),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.add(1).div(2)).div(6).add(0.5).clamp(0, 1)

    def decode(self, z: Tensor) -> Tensor:
        y = self.decoder(torch.tanh(z.sub(0.5).mul(6) / 3) * 3)
        return y.sigmoid().mul(2).sub(1)


class Block(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(n, n, 3, padding=1), nn.ReLU(), nn.Conv2d(n, n, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


@dataclass
class Posterior:
    mean: Tensor
    logvar: Tensor

    def sample(self) -> Tensor:
        return self.mean + torch.exp(0.5 * self.logvar) * torch.randn(self.mean.shape)


@dataclass
class Encoded:
    latent_dist: Posterior


class KL(nn.Module):
    """In the style of diffusers' AutoencoderKL: residual blocks and attention, a quantised code in a dataclass."""

    image = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), Residual(8, 8), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(8, 8, 3, 2),
            Residual(8, 16), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(16, 16, 3, 2), Attention(16), Residual(16, 16),
            nn.GroupNorm(4, 16, 1e-6), nn.SiLU(), nn.Conv2d(16, 8, 3, padding=1),
        )  # fmt: skip
        self.quant_conv, self.post_quant_conv = nn.Conv2d(8, 8, 1), nn.Conv2d(4, 4, 1)
        self.decoder = nn.Sequential(
            nn.Conv2d(4, 16, 3, padding=1), Residual(16, 16), Attention(16), nn.Upsample(scale_factor=2.0),
            nn.Conv2d(16, 8, 3, padding=1), Residual(8, 8), nn.Upsample(scale_factor=2.0),
            nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 3, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Encoded:
        mean, logvar = torch.chunk(self.quant_conv(self.encoder(x)), 2, dim=1)
        return Encoded(Posterior(mean, torch.clamp(logvar, -30.0, 20.0)))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x).latent_dist.sample())


NETWORKS: dict[str, type[nn.Module]] = {
    "dense VAE": DenseVAE, "batch normalisation": Normalised, "residual": ResidualAE, "transformer": Transformer,
    "VQ-VAE": Quantised, "VQ-VAE by cdist": Nearest, "conditional": Conditional, "U-shaped": UShaped, "colour": Colour,
    "tiny": Tiny, "KL": KL,
}  # fmt: skip


def network(name: str) -> nn.Module:
    """A network of this style, in evaluation mode; the same weights each time."""
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


def mean_of(result: object) -> Tensor:
    """The code in what an ``encode`` gives."""
    if isinstance(result, Encoded):
        return result.latent_dist.mean
    return result[0] if isinstance(result, tuple) else result  # type: ignore[return-value]
