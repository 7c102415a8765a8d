"""Functions of torch, each of which uses some operation of ATen: what the frontends that lower ATen are tested by."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@cache
def weights(*sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(sum(sizes))) / math.prod(sizes[1:]) ** 0.5


def in_place(x: Tensor) -> Tensor:
    y = x * 2
    z = y
    y += 1
    z.mul_(3).relu_()
    return y


def copied(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y.copy_(x.mean(0, keepdim=True) * 0 + x)
    return y.fill_(2) + x


FUNCTIONS = {
    # of images (n, 4, 6, 8)
    "conv1d": lambda x: F.conv1d(x.flatten(2), weights(6, 4, 3), weights(6), 2, 1),
    "conv2d": lambda x: F.conv2d(x, weights(8, 2, 3, 2), weights(8), (2, 1), (1, 0), (1, 2), 2),
    "conv2d same": lambda x: F.conv2d(x, weights(5, 4, 4, 3), padding="same"),
    "conv2d valid": lambda x: F.conv2d(x, weights(5, 4, 3, 3), padding="valid"),
    "conv3d": lambda x: F.conv3d(x[:, None], weights(2, 1, 3, 3, 3), padding=1),
    "conv_transpose1d": lambda x: F.conv_transpose1d(x.flatten(2), weights(4, 2, 3), None, 2, 1, 1),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, weights(4, 3, 3, 4), weights(6), 2, 1, (1, 0), 2, 1),
    "conv_transpose2d dilated": lambda x: F.conv_transpose2d(x, weights(4, 3, 3, 3), None, 3, 0, 2, 1, 2),
    "linear": lambda x: F.linear(x, weights(5, 8), weights(5)),
    "mm": lambda x: torch.mm(x.flatten(1), weights(192, 5)),
    "mm transposed": lambda x: torch.mm(x.flatten(1), weights(5, 192).t()),
    "addmm": lambda x: torch.addmm(weights(5), x.flatten(1), weights(192, 5), beta=0.5, alpha=2),
    "addmm transposed": lambda x: torch.addmm(weights(5), x.flatten(1), weights(5, 192).t()),
    "baddbmm": lambda x: torch.baddbmm(x[:, 0], x[:, 0], x[:, 1].transpose(1, 2) @ x[:, 1], beta=0.5, alpha=0.1),
    "mv": lambda x: torch.mv(x.flatten(1), weights(192)),
    "dot": lambda x: x * torch.dot(weights(7), weights(7) + 1),
    "vdot": lambda x: x * torch.vdot(weights(7), weights(7) + 1),
    "weight_norm": lambda x: F.linear(x, torch._weight_norm(weights(5, 8), weights(5, 1), 0)),
    "weight_norm of all": lambda x: F.linear(x, torch._weight_norm(weights(5, 8), weights(1), -1)),
    "unfold": lambda x: F.unfold(x, (3, 2), stride=(3, 2)),
    "fold": lambda x: F.fold(x.flatten(2).transpose(1, 2).reshape(len(x), 24, 8), (6, 8), (3, 2), stride=(3, 2)),
    "unfold overlapping": lambda x: F.unfold(x, 3, dilation=(1, 2), padding=1, stride=2),
    "fold overlapping": lambda x: F.fold(x[:, :, 0].repeat(1, 9, 2)[:, :, :12], (6, 8), 3, padding=1, stride=2),
    "bmm": lambda x: torch.bmm(x[:, 0], x[:, 1].mT),
    "einsum": lambda x: torch.einsum("nchw,cd->ndhw", x, weights(4, 3)),
    "batch_norm": lambda x: F.batch_norm(x, weights(4), weights(4) ** 2 + 0.1, weights(4), weights(4), eps=1e-3),
    "layer_norm": lambda x: F.layer_norm(x, (6, 8), weights(6, 8), weights(6, 8), 1e-3),
    "layer_norm bare": lambda x: F.layer_norm(x, (8,)),
    "group_norm": lambda x: F.group_norm(x, 2, weights(4), weights(4), 1e-3),
    "instance_norm": lambda x: F.instance_norm(x, weight=weights(4), bias=weights(4)),
    "instance_norm of a kind": lambda x: F.instance_norm(x, weights(4), weights(4) ** 2, use_input_stats=False),
    "rms_norm": lambda x: F.rms_norm(x, (8,), weights(8)),
    "normalize": lambda x: F.normalize(x, dim=1),
    "vector_norm": lambda x: torch.linalg.vector_norm(x, 1, dim=(1, 2), keepdim=True),
    "celu": lambda x: F.celu(x, 0.7), "elu": lambda x: F.elu(x, 0.7), "selu": F.selu, "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "mish": F.mish, "glu": lambda x: F.glu(x, 1),
    "softplus": lambda x: F.softplus(x, beta=2), "softsign": F.softsign, "logsigmoid": F.logsigmoid, "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.7), "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.3), "rrelu": F.rrelu, "threshold": lambda x: F.threshold(x, 0.2, 0.0),
    "prelu": lambda x: F.prelu(x, weights(4)), "prelu of one": lambda x: F.prelu(x, torch.tensor([0.1])),
    "hardshrink": F.hardshrink, "softshrink": lambda x: F.softshrink(x, 0.3), "tanhshrink": F.tanhshrink,
    "clamp": lambda x: x.clamp(-0.5, 0.5), "clamp above": lambda x: x.clamp(max=0.5),
    "clamp_min": lambda x: x.clamp_min(0),
    "clamp by tensors": lambda x: torch.clamp(x, x[:, :1] - 1, x[:, :1] + 1),
    "softmax": lambda x: x.softmax(1), "log_softmax": lambda x: x.log_softmax(-1),
    "dropout": lambda x: F.dropout(x, 0.5, training=False),
    "max_pool1d": lambda x: F.max_pool1d(x.flatten(2), 3), "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max_pool2d ceil": lambda x: F.max_pool2d(x, 3, ceil_mode=True),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2), "avg_pool1d": lambda x: F.avg_pool1d(x.flatten(2), 4, 3),
    "avg_pool2d padded": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
    "adaptive_avg_pool2d whole": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive_avg_pool2d of one": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (4, 3)),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x.flatten(2), 12),
    "nearest": lambda x: F.interpolate(x, scale_factor=2), "nearest to": lambda x: F.interpolate(x, (9, 20)),
    "nearest 1.5": lambda x: F.interpolate(x, scale_factor=1.5), "nearest down": lambda x: F.interpolate(x, (3, 4)),
    "nearest-exact": lambda x: F.interpolate(x, (9, 5), mode="nearest-exact"),
    "nearest 1d": lambda x: F.interpolate(x.flatten(2), scale_factor=3),
    "bilinear": lambda x: F.interpolate(x, (9, 20), mode="bilinear"),
    "bilinear whole": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bilinear corners": lambda x: F.interpolate(x, (9, 20), mode="bilinear", align_corners=True),
    "bilinear down": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, (9, 20), mode="bicubic"),
    "pad": lambda x: F.pad(x, (1, 2, 0, -1), value=3.0), "reflect": lambda x: F.pad(x, (1, 2, 3, 0), mode="reflect"),
    "replicate": lambda x: F.pad(x, (1, 2, 3, 0), mode="replicate"),
    "circular": lambda x: F.pad(x, (1, 2, 3, 0), mode="circular"),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2), "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "flatten": lambda x: x.flatten(2, 3), "flatten to batch": lambda x: x.flatten(0, 1),
    "unflatten": lambda x: x.unflatten(3, (2, 4)),
    "permute": lambda x: x.permute(0, -1, 1, 2), "movedim": lambda x: x.movedim((1, 2), (3, 1)), "mT": lambda x: x.mT,
    "swapaxes": lambda x: x.swapaxes(1, -1), "t": lambda x: x.flatten(1).t() @ x.flatten(1),
    "view_as": lambda x: x.flatten(1).view_as(x), "expand": lambda x: x[:, :1].expand(-1, 3, -1, -1) + 0,
    "expand_as": lambda x: weights(4, 1, 1).expand_as(x) + x, "squeeze": lambda x: x[:, :1].squeeze(1).squeeze(2),
    "unsqueeze": lambda x: x.unsqueeze(-2), "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "repeat_interleave": lambda x: x.repeat_interleave(2, dim=2), "tile": lambda x: x.tile(2, 1),
    "cat": lambda x: torch.cat([x, x * 2], -1), "stack": lambda x: torch.stack([x, x * 2], -1),
    "split": lambda x: torch.split(x, 3, dim=3)[2], "split sizes": lambda x: torch.split(x, [1, 5], dim=2)[1],
    "chunk": lambda x: torch.chunk(x, 3, dim=1)[1], "unbind": lambda x: torch.unbind(x, -1)[3],
    "select": lambda x: x[:, -1], "slice": lambda x: x[:, :, 1:-1:2, 3:], "narrow": lambda x: x.narrow(3, 2, 3),
    "flip": lambda x: x.flip(1, -1), "roll": lambda x: torch.roll(x, (2, -3), (2, 3)),
    "index": lambda x: x[:, torch.tensor([2, 0, -1])],
    "index of two": lambda x: x[:, :, torch.tensor([[0], [2]]), torch.tensor([1, 3])],
    "index_select": lambda x: x.index_select(3, torch.tensor([5, 1])),
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "scatter": lambda x: torch.zeros_like(x).scatter(1, x.argmax(1, keepdim=True), 1.0),
    "embedding": lambda x: F.embedding(x.argmax(1), weights(4, 3)),
    "one_hot": lambda x: F.one_hot(x.argmax(1), 4), "tril": lambda x: x.tril(1), "triu": lambda x: x.triu(-1),
    "add alpha": lambda x: torch.add(x, x, alpha=0.5), "rsub": lambda x: torch.rsub(x, 2, alpha=3),
    "div of whole": lambda x: x.argmax(1) / 2, "div floor": lambda x: torch.div(x.argmax(3), 3, rounding_mode="floor"),
    "floor_divide": lambda x: x // 0.3, "remainder": lambda x: x % 0.7, "pow": lambda x: x**3 + 2.0**x,
    "squares": lambda x: (x**2).sqrt() ** 0.5, "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5),
    "lerp": lambda x: torch.lerp(x, x * 2, 0.3), "log1p": lambda x: x.abs().log1p(), "expm1": torch.expm1,
    "where": lambda x: torch.where(x > 0, x, -1.0), "masked_fill": lambda x: x.masked_fill(x < 0, -9.0),
    "logic": lambda x: torch.logical_or(x > 1, torch.logical_not(x > 0)).float(),
    "any": lambda x: (x > 1).any(1), "all": lambda x: (x > -1).all(-1, keepdim=True), "ne": lambda x: x.argmax(1) != 2,
    "sum": lambda x: x.sum((1, -1), keepdim=True), "mean": lambda x: x.mean(),
    "mean of whole": lambda x: x.argmax(1).float().mean((1, 2)),
    "amax": lambda x: x.amax((2, 3)), "amin": lambda x: x.amin(1, keepdim=True), "max": lambda x: x.max(1).values,
    "max places": lambda x: x.max(-1, keepdim=True).indices, "maximum": lambda x: torch.max(x, -x),
    "argmin": lambda x: x.argmin(2), "var": lambda x: x.var((1, 2)),
    "std": lambda x: x.std(1, unbiased=False, keepdim=True),
    "var_mean": lambda x: sum(torch.var_mean(x, (2, 3), correction=2)), "logsumexp": lambda x: x.logsumexp((1, 2)),
    "cumsum": lambda x: x.cumsum(2), "topk": lambda x: x.topk(2, dim=1).values, "prod": lambda x: x.prod(1),
    "cdist": lambda x: torch.cdist(x[:, 0], weights(5, 8)), "arange": lambda x: x + torch.arange(2, 18, 2),
    "arange of sizes": lambda x: torch.arange(x.shape[0] * 2)[: x.shape[0]] + x[:, 0, 0, 0],
    "linspace": lambda x: x * torch.linspace(-1, 1, 8), "full": lambda x: torch.full((x.shape[0], 2), 3.5),
    "new_ones": lambda x: x.new_ones(x.shape[0], 3) + torch.eye(3)[0],
    "ones_like": lambda x: torch.ones_like(x.argmax(1)),
    "attention": lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1),
    "attention causal": lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1, is_causal=True, scale=0.3),
    "attention masked": lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(6, 6).tril().bool()),
    "to": lambda x: x.to(torch.float64).to(torch.int32).to(torch.bool).float(), "type_as": lambda x: (x > 0).type_as(x),
    "in place": in_place, "copied": copied, "broadcast": lambda x: sum(torch.broadcast_tensors(x, x[:1] * 0 + 1)),
}  # fmt: skip


class All(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(function(x) for function in FUNCTIONS.values())


def images(seed: int) -> Tensor:
    return torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(seed))
