"""The operations that a network read as a graph may be made of: a closed table, each with torch's semantics.

An operation is one record: its name and what torch runs, a function of the node's inputs (None for one that is left
out) and its attributes by name. Frontends translate other people's operations to these; nothing else is ever run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latent.foreign.normalisations import NORMALISATIONS
from latent.foreign.operations import ACTIVATIONS, by_name

Sizes = Sequence[int]


@dataclass(frozen=True)
class Operation:
    """One operation.

    ``torch`` computes it; ``numbers`` the places of inputs that are read as sizes, axes and the like, which therefore
    may not depend on an image; ``is_layer`` whether it multiplies by weights: what makes a network one;
    ``is_activation`` whether it acts on each number by itself, as authors put behind a layer.
    """

    name: str
    torch: Callable[..., Any]
    numbers: tuple[int, ...] = ()
    is_layer: bool = False
    is_activation: bool = False


def ints(values: Tensor | Sequence[int] | int) -> list[int]:
    """Whole numbers of a tensor or of an attribute."""
    if isinstance(values, Tensor):
        found = values.flatten().tolist()
        return [int(value) for value in found]
    return [int(values)] if isinstance(values, int) else [int(value) for value in values]


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sizes,
    pads: Sizes,
    dilation: Sizes,
    groups: int = 1,
) -> Tensor:
    """A convolution over (n, channels, length) or (n, channels, height, width).

    ``pads`` zeros before each axis, then behind each axis; negative ones cut off.
    """
    axes = x.ndim - 2
    before, behind = list(pads[:axes]), list(pads[axes:])
    function = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
    if before != behind or min(before) < 0:
        x = F.pad(x, [size for pair in reversed(list(zip(before, behind, strict=True))) for size in pair])
        before = [0] * axes
    return function(x, weight, bias, tuple(stride), tuple(before), tuple(dilation), groups)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sizes,
    crops: Sizes,
    dilation: Sizes,
    groups: int = 1,
) -> Tensor:
    """A transposed convolution, weight (in, out per group, …).

    ``crops`` cut off before each axis of what the whole kernels reach, then behind each; negative ones behind add
    zeros, plus the bias.
    """
    if x.shape[1] != weight.shape[0]:  # which torch does not notice where only shapes are looked at
        raise ValueError("another number of channels")
    axes = x.ndim - 2
    before, behind = list(crops[:axes]), list(crops[axes:])
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[axes - 1]
    more = [first - last for first, last in zip(before, behind, strict=True)]
    if min(before) >= 0 and all(0 <= m < max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        return function(x, weight, bias, tuple(stride), tuple(before), tuple(more), groups, tuple(dilation))
    y = function(x, weight, None, tuple(stride), 0, 0, groups, tuple(dilation))
    y = F.pad(y, [-size for pair in reversed(list(zip(before, behind, strict=True))) for size in pair])
    return y if bias is None else y + bias.view(-1, *[1] * axes)


def same_pads(x: Tensor, kernel: Sizes, stride: Sizes, dilation: Sizes, lower: bool = False) -> list[int]:
    """Zeros before and behind each axis of maps, with which a window of this stride gives size / stride, rounded up:
    TensorFlow's "same", whose odd zero goes behind, or before where ``lower``."""
    before, behind = [], []
    for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        before.append(total - total // 2 if lower else total // 2)
        behind.append(total - before[-1])
    return [*before, *behind]


def pad_same(
    x: Tensor, *, kernel: Sizes, stride: Sizes, dilation: Sizes, lower: bool = False, value: float = 0.0
) -> Tensor:
    """Padded as `same_pads` says."""
    if value == -math.inf:
        value = torch.finfo(x.dtype).min
    return padded_for_pool(x, same_pads(x, kernel, stride, dilation, lower), value)


def avg_pool_same(
    x: Tensor, *, kernel: Sizes, stride: Sizes, lower: bool = False, count_padding: bool = False
) -> Tensor:
    pads = same_pads(x, kernel, stride, [1] * len(kernel), lower)
    return avg_pool(x, kernel=kernel, stride=stride, pads=pads, count_padding=count_padding)


def conv_transpose_to(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    size: Sizes | None,
    stride: Sizes,
    dilation: Sizes,
    output_padding: Sizes,
    upper: bool,
    groups: int = 1,
) -> Tensor:
    """A transposed convolution to ``size``, or to the size that comes in times the stride.

    What is cut off is shared between both ends; of an odd number the larger part goes behind where ``upper``.
    """
    kernel, before, behind = weight.shape[2:], [], []
    wanted = [n * s for n, s in zip(x.shape[2:], stride)] if size is None else list(size)
    for n, k, s, d, more, to in zip(x.shape[2:], kernel, stride, dilation, output_padding, wanted, strict=True):
        total = s * (n - 1) + more + (k - 1) * d + 1 - to
        first = max(total, 0) // 2 if upper else max(total, 0) - max(total, 0) // 2
        before.append(first)
        behind.append(total - first - more)
    return conv_transpose(x, weight, bias, stride=stride, crops=[*before, *behind], dilation=dilation, groups=groups)


def affine_groups(x: Tensor, scale: Tensor, offset: Tensor, *, groups: int) -> Tensor:
    """Times ``scale`` plus ``offset``, one of each per group of channels."""
    each = x.shape[1] // groups
    return affine(x, scale.repeat_interleave(each), offset.repeat_interleave(each))


def softmax_from(function: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """Over all axes from one on, as if they were one."""
    return lambda x, *, axis: function(flatten(x, axis=axis), 1).reshape(x.shape)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A dense layer over the last axis, weight (out, in)."""
    if x.is_meta and weight.ndim == 2:
        check_vectors(len(weight), bias)
        return x @ weight.t()
    return F.linear(x, weight, bias)


def check_vectors(n: int, *vectors: Tensor | None) -> None:
    """Raise `ValueError` where one of them does not hold ``n`` numbers.

    Where only shapes are looked at, some operations have these worked out by hand: torch's own functions for that are
    written in Python and take a hundred times as long.
    """
    if any(vector is not None and tuple(vector.shape) != (n,) for vector in vectors):
        raise ValueError("tensors of another length")


def affine(x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Times ``scale`` plus ``offset``, one of each per channel (axis 1)."""
    shape = (1, -1, *[1] * (x.ndim - 2))
    return x * scale.view(shape) + offset.view(shape)


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, *, eps: float
) -> Tensor:
    """Normalisation by running statistics, channels on axis 1 (Ioffe & Szegedy 2015, arXiv:1502.03167)."""
    if x.is_meta:
        check_vectors(x.shape[1], weight, bias, mean, variance)
        return torch.empty_like(x)
    return F.batch_norm(x, mean, variance, weight, bias, eps=eps)


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, axis: int, eps: float) -> Tensor:
    """Normalisation over the axes from ``axis`` on (Ba et al. 2016, arXiv:1607.06450)."""
    shape = x.shape[axis:]
    y = torch.empty_like(x) if x.is_meta else F.layer_norm(x, shape, eps=eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float) -> Tensor:
    return group_norm(x, weight, bias, groups=x.shape[1], eps=eps)


def group_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, groups: int, eps: float
) -> Tensor:
    """Normalisation within groups of channels (Wu & He 2018, arXiv:1803.08494)."""
    if x.is_meta and x.shape[1] % groups == 0:
        check_vectors(x.shape[1], weight, bias)
        return torch.empty_like(x)
    return F.group_norm(x, groups, weight, bias, eps)


def rms_norm(x: Tensor, weight: Tensor | None = None, *, axis: int, eps: float) -> Tensor:
    """Division by the root mean square over the axes from ``axis`` on (Zhang & Sennrich 2019, arXiv:1910.07467)."""
    axes = list(range(axis % x.ndim, x.ndim))
    y = x * torch.rsqrt(x.square().mean(axes, keepdim=True) + eps)
    return y if weight is None else y * weight


def lp_norm(x: Tensor, *, p: float, axis: int, eps: float) -> Tensor:
    return F.normalize(x, p, axis, eps)


def activation(x: Tensor, *, name: str) -> Tensor:
    """An activation of `ACTIVATIONS`, by its name."""
    return ACTIVATIONS[name].torch(x)


def normalisation(x: Tensor, *tensors: Tensor, kind: str, style: str, parameters: Sequence[str]) -> Tensor:
    """A normalisation of `NORMALISATIONS`, by its name; ``parameters`` says what each of its tensors is."""
    return NORMALISATIONS[kind].apply(x, dict(zip(parameters, tensors, strict=True)), style)


def padded_for_pool(x: Tensor, pads: Sizes, value: float) -> Tensor:
    if not any(pads):
        return x
    axes = x.ndim - 2
    before, behind = pads[:axes], pads[axes:]
    return F.pad(x, [size for pair in reversed(list(zip(before, behind, strict=True))) for size in pair], value=value)


def max_pool(x: Tensor, *, kernel: Sizes, stride: Sizes, pads: Sizes, dilation: Sizes, ceil: bool = False) -> Tensor:
    """The largest within each window; what is padded counts for nothing."""
    of_four = x.ndim == 4 and list(kernel) == [2, 2] and stride[0] == stride[1] and set(dilation) == {1}
    if of_four and not any(pads) and not ceil:
        return largest_of_four(x, stride[0])
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.ndim - 3]
    if any(pads):
        lowest = torch.finfo(x.dtype).min if x.is_floating_point() else torch.iinfo(x.dtype).min
        x = padded_for_pool(x, pads, lowest)
    return function(x, tuple(kernel), tuple(stride), 0, tuple(dilation), ceil)


def largest_of_four(x: Tensor, stride: int) -> Tensor:
    """`F.max_pool2d` with a window of 2 × 2 pixels, on a processor in a tenth of its time: it also notes where the
    largest one was. `RuntimeError` where the maps are smaller."""
    if min(x.shape[2:]) < 2:
        raise RuntimeError("a map is smaller than what its pixels are pooled by")
    rows = torch.maximum(x[:, :, :-1:stride], x[:, :, 1::stride])
    return torch.maximum(rows[..., :-1:stride], rows[..., 1::stride])


def avg_pool(
    x: Tensor, *, kernel: Sizes, stride: Sizes, pads: Sizes, count_padding: bool, ceil: bool = False
) -> Tensor:
    """The mean of each window, over what is padded too or over the map alone."""
    function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.ndim - 3]
    total = function(padded_for_pool(x, pads, 0.0), tuple(kernel), tuple(stride), 0, ceil)
    if count_padding or not any(pads):
        return total
    inside = padded_for_pool(torch.ones_like(x[:1, :1]), pads, 0.0)
    return total / function(inside, tuple(kernel), tuple(stride), 0, ceil)


def resize(
    x: Tensor,
    scales: Tensor | Sequence[float] | None = None,
    sizes: Tensor | Sizes | None = None,
    *,
    mode: str,
    coordinates: str,
    rounding: str = "floor",
) -> Tensor:
    """Maps resized by ``scales``, one per axis, or to ``sizes``, of all axes or of the last ones.

    ``mode`` nearest, linear or cubic; ``coordinates`` where a place of the result lies in the map that comes in,
    ``rounding`` to which of its places the nearest goes; both by the names of ONNX's Resize.
    """
    before = list(x.shape)
    if sizes is not None:
        last = ints(sizes)
        after = [*before[: len(before) - len(last)], *last]
        factors = [m / n for n, m in zip(before, after, strict=True)]
    else:
        assert scales is not None
        factors = [float(each) for each in (scales.flatten().tolist() if isinstance(scales, Tensor) else scales)]
        after = [math.floor(n * factor) for n, factor in zip(before, factors, strict=True)]
    along = [axis for axis in range(x.ndim) if before[axis] != after[axis]]
    if any(after[axis] < 1 for axis in range(x.ndim)) or any(axis < 2 for axis in along):
        raise ValueError("only maps are resized")
    whole = all(after[axis] % before[axis] == 0 for axis in along)
    if x.ndim == 4 and along:
        by_size = sizes is not None
        as_torch = by_size and (coordinates, rounding) == ("asymmetric", "floor")
        if mode == "nearest" and (as_torch or (whole and repeats_pixels(coordinates, rounding))):
            return F.interpolate(x, after[2:], mode="nearest")
        halves = coordinates == "half_pixel" or (whole and coordinates == "pytorch_half_pixel")
        if mode == "linear" and (whole or by_size) and halves:
            return F.interpolate(x, after[2:], mode="bilinear", align_corners=False)
        if mode == "cubic" and coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners"):
            return F.interpolate(x, after[2:], mode="bicubic", align_corners=coordinates == "align_corners")
    if mode == "cubic":
        raise ValueError("cubic resizing is known for images alone")
    for axis in along:
        places = torch.arange(after[axis], dtype=torch.float64)
        exact = original_places(places, before[axis], after[axis], factors[axis], coordinates)
        if mode == "nearest":
            x = x.index_select(axis, ROUNDINGS[rounding](exact).clamp(0, before[axis] - 1).long().to(x.device))
            continue
        exact = exact.clamp(0, before[axis] - 1)
        low = exact.floor().long()
        high = (low + 1).clamp(max=before[axis] - 1)
        share = (exact - low).to(x).view(-1, *[1] * (x.ndim - 1 - axis))
        low, high = low.to(x.device), high.to(x.device)
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share
    return x


ROUNDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round_prefer_floor": lambda x: (x - 0.5).ceil(),
    "round_prefer_ceil": lambda x: (x + 0.5).floor(),
}


def repeats_pixels(coordinates: str, rounding: str) -> bool:
    """Whether the nearest pixel, for whole factors, is each pixel repeated."""
    if coordinates in ("half_pixel", "pytorch_half_pixel"):
        return rounding in ("round_prefer_floor", "round_prefer_ceil")
    if coordinates in ("asymmetric", "tf_half_pixel_for_nn"):
        return rounding == "floor"
    return False


def original_places(places: Tensor, n_in: int, n_out: int, factor: float, coordinates: str) -> Tensor:
    match coordinates:
        case "half_pixel":
            return (places + 0.5) / factor - 0.5
        case "pytorch_half_pixel":
            return (places + 0.5) / factor - 0.5 if n_out > 1 else torch.zeros_like(places)
        case "align_corners":
            return places * ((n_in - 1) / (n_out - 1)) if n_out > 1 else torch.zeros_like(places)
        case "asymmetric":
            return places / factor
        case "tf_half_pixel_for_nn":
            return (places + 0.5) / factor
    raise ValueError(f"unknown coordinates {coordinates}")


def pad(x: Tensor, pads: Tensor | Sizes, value: Tensor | float | None = None, *, mode: str = "constant") -> Tensor:
    """``pads`` before each axis, then behind each; negative ones cut off."""
    sizes = ints(pads)
    pairs = list(zip(sizes[: x.ndim], sizes[x.ndim :], strict=True))
    while pairs and mode != "constant" and pairs[0] == (0, 0):
        pairs = pairs[1:]
    flat = [size for pair in reversed(pairs) for size in pair]
    if mode == "constant":
        return F.pad(x, flat, value=float(value) if value is not None else 0.0)
    return F.pad(x, flat, mode=mode)


def reshape(x: Tensor, shape: Tensor | Sizes, *, zero_copies: bool = True) -> Tensor:
    """Another shape of the same numbers; 0 takes the size of the same axis where ``zero_copies``."""
    sizes = ints(shape)
    if zero_copies:
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def flatten(x: Tensor, *, axis: int) -> Tensor:
    """Two axes: those before ``axis``, and the others."""
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def squeeze(x: Tensor, axes: Tensor | Sizes | None = None) -> Tensor:
    if axes is None:
        return x.squeeze()
    found = [axis % x.ndim for axis in ints(axes)]
    if any(x.shape[axis] != 1 for axis in found):
        raise ValueError("an axis that is squeezed is longer than 1")
    return x.squeeze(tuple(found))


def unsqueeze(x: Tensor, axes: Tensor | Sizes) -> Tensor:
    found = ints(axes)
    for axis in sorted(each % (x.ndim + len(found)) for each in found):
        x = x.unsqueeze(axis)
    return x


def expand(x: Tensor, shape: Tensor | Sizes) -> Tensor:
    """Repeated along axes of length 1, both shapes' longer one counting."""
    return x.expand(tuple(torch.broadcast_shapes(x.shape, tuple(ints(shape)))))  # type: ignore[no-untyped-call]


def shape_of(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    # beside the tensors that it is computed with; while only shapes are looked at, it is known all the same
    device = None if x.is_meta else x.device
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64, device=device)


def slices(
    x: Tensor,
    starts: Tensor | Sizes,
    ends: Tensor | Sizes,
    axes: Tensor | Sizes | None = None,
    steps: Tensor | Sizes | None = None,
) -> Tensor:
    """A part of each of some axes, with steps, which may be negative."""
    first, last = ints(starts), ints(ends)
    along = list(range(len(first))) if axes is None else ints(axes)
    by = [1] * len(first) if steps is None else ints(steps)
    for start, end, axis, step in zip(first, last, along, by, strict=True):
        if step > 0:
            picked = slice(start, end, step)
            x = x[(slice(None),) * (axis % x.ndim) + (picked,)]
        else:
            places = range(x.shape[axis])[slice(start, None if end < -x.shape[axis] else end, step)]
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))
    return x


def split(x: Tensor, sizes: Tensor | Sizes | None = None, *, axis: int, parts: int = 0) -> tuple[Tensor, ...]:
    """Parts along an axis: of these sizes, or so many of equal size, the last being smaller where it must."""
    if sizes is not None:
        return torch.split(x, ints(sizes), axis)
    return torch.split(x, -(-x.shape[axis] // parts), axis)


def gather(x: Tensor, index: Tensor, *, axis: int) -> Tensor:
    """The entries of ``x`` along ``axis`` at every place that ``index`` names."""
    axis = axis % x.ndim
    flat = index.reshape(-1).long()
    flat = torch.where(flat < 0, flat + x.shape[axis], flat)
    found = x.index_select(axis, flat.to(x.device))
    return found.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def part(x: Tensor, sizes: Tensor | None = None, *, axis: int, index: int, keep: bool = True) -> Tensor:
    """One of the parts along an axis: of these sizes, all of one size, or of size 1, where the axis may go."""
    if sizes is None:
        found = torch.split(x, 1, axis)[index]
        return found if keep else found.squeeze(axis)
    return torch.split(x, int(sizes) if sizes.ndim == 0 else ints(sizes), axis)[index]


def gather_nd(x: Tensor, index: Tensor, *, batch: int = 0) -> Tensor:
    """The entries of ``x`` at the places whose coordinates are the rows of ``index``, for each of the leading axes of
    a batch by its own rows."""
    places = index.long()
    if not batch:
        return x[places.unbind(-1)]
    lead = x.shape[:batch]
    flat, rows = x.reshape(-1, *x.shape[batch:]), places.reshape(math.prod(lead), -1, places.shape[-1])
    each = torch.arange(len(flat), device=x.device)[:, None]
    found = flat[(each, *rows.unbind(-1))]
    return found.reshape(*lead, *places.shape[batch:-1], *found.shape[2:])


def scatter_nd(x: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """``x`` with values put at the places whose coordinates are the rows of ``index``."""
    return x.index_put(index.long().unbind(-1), values)


def gather_elements(x: Tensor, index: Tensor, *, axis: int) -> Tensor:
    index = index.long()
    return x.gather(axis, torch.where(index < 0, index + x.shape[axis], index))


def scatter(x: Tensor, index: Tensor, value: Tensor, *, axis: int) -> Tensor:
    """``x`` with a value, or those of a tensor, put where ``index`` names places along ``axis``."""
    values = value.to(x.dtype).expand(index.shape) if value.ndim == 0 else value
    return x.scatter(axis, index.long(), values)


def adaptive_pool(kind: str) -> Callable[..., Tensor]:
    """The mean or the largest of as many windows as there shall be pixels."""
    function: Callable[..., Tensor] = F.adaptive_avg_pool2d if kind == "avg" else F.adaptive_max_pool2d
    return lambda x, *, size: function(x, tuple(size))


def concat(*parts: Tensor, axis: int) -> Tensor:
    return torch.cat(parts, axis)


def one_hot(index: Tensor, *, depth: int, axis: int = -1, off: float = 0.0, on: float = 1.0) -> Tensor:
    axis = axis % (index.ndim + 1)
    places = torch.arange(depth, device=index.device).view(-1, *[1] * (index.ndim - axis))
    return torch.where(index.long().unsqueeze(axis) == places, on, off).float()


def nearest(x: Tensor, rows: Tensor) -> Tensor:
    """The place among ``rows`` (k, width) of the nearest to each of ``x`` (n, width)."""
    return torch.cdist(x, rows).argmin(dim=1)


def reduced(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction over some axes, or over all."""

    def run(x: Tensor, axes: Tensor | Sizes | None = None, *, keep: bool = True, empty_is_none: bool = False) -> Tensor:
        along = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in ints(axes)]
        if not along:
            if empty_is_none:
                return x
            along = list(range(x.ndim))
        return function(x, along, keep) if along else x

    return run


def over_each(function: Callable[[Tensor, int, bool], Tensor]) -> Callable[[Tensor, list[int], bool], Tensor]:
    """What reduces one axis at a time, over several."""

    def run(x: Tensor, axes: list[int], keep: bool) -> Tensor:
        for axis in sorted(axes, reverse=True):
            x = function(x, axis, keep)
        return x

    return run


def picked(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, *, axis, keep=True: function(x, axis, keep)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return torch.matmul(a, b)


def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float, beta: float, turn_a: bool, turn_b: bool
) -> Tensor:
    """alpha · a b + beta · c, of two axes."""
    y = torch.matmul(a.T if turn_a else a, b.T if turn_b else b)
    y = y if alpha == 1 else alpha * y
    return y if c is None else y + (c if beta == 1 else beta * c)


def einsum(a: Tensor, b: Tensor, *, equation: str) -> Tensor:
    """Einstein's sum over two tensors; of more, what is in between may be far larger than what comes out."""
    return torch.einsum(equation, a, b)


def divided(a: Tensor, b: Tensor) -> Tensor:
    """Whole numbers are divided towards zero."""
    if a.is_floating_point() or b.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


def full(shape: Tensor | Sizes, *, value: float, whole: bool = False) -> Tensor:
    device = shape.device if isinstance(shape, Tensor) else None
    return torch.full(
        ints(shape), int(value) if whole else value, dtype=torch.int64 if whole else torch.float32, device=device
    )


def full_like(x: Tensor, *, value: float) -> Tensor:
    return torch.full_like(x, value, dtype=torch.float32)


def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype, device=start.device)


def triangle(x: Tensor, diagonal: Tensor | int | None = None, *, upper: bool) -> Tensor:
    k = 0 if diagonal is None else ints(diagonal)[0]
    return torch.triu(x, k) if upper else torch.tril(x, k)


def depth_to_space(x: Tensor, *, block: int, depth_first: bool = False) -> Tensor:
    """Channels to pixels; ``depth_first`` where the block's place counts most in a channel's index."""
    n, channels, height, width = x.shape
    if not depth_first:
        return F.pixel_shuffle(x, block)
    y = x.reshape(n, block, block, channels // block**2, height, width)
    return y.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // block**2, height * block, width * block)


def space_to_depth(x: Tensor, *, block: int, depth_first: bool = False) -> Tensor:
    n, channels, height, width = x.shape
    if not depth_first:
        return F.pixel_unshuffle(x, block)
    y = x.reshape(n, channels, height // block, block, width // block, block)
    return y.permute(0, 3, 5, 1, 2, 4).reshape(n, channels * block**2, height // block, width // block)


def unfold(x: Tensor, *, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Tensor:
    """The tiles of maps (n, channels, height, width) as columns (n, channels · tile, places)."""
    if x.ndim != 4:  # torch would take the images of a batch for channels
        raise ValueError("no maps")
    return F.unfold(x, tuple(kernel), tuple(dilation), tuple(padding), tuple(stride))


def fold(x: Tensor, *, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Tensor:
    """Columns (n, channels · tile, places) as maps of a size (height, width), added up where tiles overlap."""
    if x.ndim != 3:
        raise ValueError("no columns")
    return F.fold(x, tuple(size), tuple(kernel), tuple(dilation), tuple(padding), tuple(stride))


def cast(x: Tensor, *, to: str) -> Tensor:
    return x.to({"float": torch.float32, "int": torch.int64, "bool": torch.bool}[to])


def clamp(x: Tensor, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
    x = x if low is None else torch.maximum(x, torch.as_tensor(low, dtype=x.dtype, device=x.device))
    return x if high is None else torch.minimum(x, torch.as_tensor(high, dtype=x.dtype, device=x.device))


def bounded(x: Tensor, *, low: float, high: float) -> Tensor:
    return x.clamp(low, high)


def shrink(x: Tensor, *, bias: float, lambd: float) -> Tensor:
    zero = torch.zeros_like(x)
    return torch.where(x < -lambd, x + bias, torch.where(x > lambd, x - bias, zero))


def hard_sigmoid(x: Tensor, *, slope: float, offset: float) -> Tensor:
    return (slope * x + offset).clamp(0, 1)


def top_values(x: Tensor, k: Tensor, *, axis: int, largest: bool = True) -> tuple[Tensor, Tensor]:
    found = x.topk(ints(k)[0], axis, largest)
    return found.values, found.indices


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """A slope for negative numbers, broadcast over the axes that it names."""
    return torch.where(x < 0, slope * x, x)


def all_of(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """What takes two, over any number."""

    def run(*parts: Tensor) -> Tensor:
        y = parts[0]
        for part in parts[1:]:
            y = function(y, part)
        return y

    return run


def layer(name: str, torch: Callable[..., Any]) -> Operation:
    return Operation(name, torch, is_layer=True)


def each(name: str, torch: Callable[..., Any]) -> Operation:
    """What acts on every number by itself."""
    return Operation(name, torch, is_activation=True)


OPERATIONS = by_name(
    layer("conv", conv), layer("conv_transpose", conv_transpose), layer("linear", linear),
    layer("matmul", matmul), layer("gemm", gemm), layer("einsum", einsum),
    layer("embedding", lambda index, weight: F.embedding(index.long(), weight)),
    layer("conv_transpose_to", conv_transpose_to),
    Operation("affine", affine), Operation("affine_groups", affine_groups),
    Operation("batch_norm", batch_norm), Operation("layer_norm", layer_norm),
    Operation("instance_norm", instance_norm), Operation("group_norm", group_norm), Operation("rms_norm", rms_norm),
    Operation("lp_norm", lp_norm), Operation("normalisation", normalisation),
    Operation("max_pool", max_pool), Operation("avg_pool", avg_pool),
    Operation("adaptive_avg_pool", adaptive_pool("avg")), Operation("adaptive_max_pool", adaptive_pool("max")),
    Operation("resize", resize, (1, 2)),
    Operation("avg_pool_same", avg_pool_same), Operation("pad_same", pad_same),
    Operation("global_mean", lambda x: x.mean(tuple(range(2, x.ndim)), True)),
    Operation("global_max", lambda x: x.amax(tuple(range(2, x.ndim)), True)),
    Operation("pad", pad, (1, 2)), Operation("depth_to_space", depth_to_space),
    Operation("space_to_depth", space_to_depth), Operation("unfold", unfold), Operation("fold", fold),
    Operation("reshape", reshape, (1,)), Operation("flatten", flatten),
    Operation("permute", lambda x, *, axes: x.permute(tuple(axes))),
    Operation("squeeze", squeeze, (1,)), Operation("unsqueeze", unsqueeze, (1,)), Operation("expand", expand, (1,)),
    Operation("tile", lambda x, repeats: x.repeat(ints(repeats)), (1,)), Operation("slice", slices, (1, 2, 3, 4)),
    Operation("split", split, (1,)), Operation("concat", concat), Operation("gather", gather),
    Operation("gather_elements", gather_elements), Operation("scatter", scatter),
    Operation("part", part, (1,)), Operation("gather_nd", gather_nd), Operation("scatter_nd", scatter_nd),
    Operation("one_hot", one_hot), Operation("nearest", nearest),
    Operation("shape", shape_of), Operation("full", full, (0,)), Operation("full_like", full_like),
    Operation("arange", arange, (0, 1, 2)), Operation("triangle", triangle, (1,)), Operation("cast", cast),
    Operation("cast_like", lambda x, like: x.to(like.dtype)),
    Operation("reversed", lambda x: x.permute(tuple(reversed(range(x.ndim))))),
    Operation("softmax_from", softmax_from(torch.softmax)),
    Operation("log_softmax_from", softmax_from(torch.log_softmax)),
    Operation("identity", lambda x: x),
    Operation("add", all_of(torch.add)), Operation("sub", torch.sub), Operation("mul", all_of(torch.mul)),
    Operation("div", divided), Operation("pow", torch.pow), Operation("mod", torch.remainder),
    Operation("minimum", all_of(torch.minimum)), Operation("maximum", all_of(torch.maximum)),
    Operation("equal", torch.eq), Operation("less", torch.lt), Operation("less_equal", torch.le),
    Operation("greater", torch.gt), Operation("greater_equal", torch.ge), Operation("not", torch.logical_not),
    Operation("and", torch.logical_and), Operation("or", torch.logical_or), Operation("xor", torch.logical_xor),
    Operation("where", torch.where),
    Operation("sum", reduced(lambda x, axes, keep: x.sum(axes, keep)), (1,)),
    Operation("mean", reduced(lambda x, axes, keep: x.mean(axes, keep)), (1,)),
    Operation("max", reduced(lambda x, axes, keep: x.amax(axes, keep)), (1,)),
    Operation("min", reduced(lambda x, axes, keep: x.amin(axes, keep)), (1,)),
    Operation("prod", reduced(over_each(lambda x, axis, keep: x.prod(axis, keep))), (1,)),
    Operation("norm1", reduced(lambda x, axes, keep: x.abs().sum(axes, keep)), (1,)),
    Operation("norm2", reduced(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()), (1,)),
    Operation("sum_square", reduced(lambda x, axes, keep: x.square().sum(axes, keep)), (1,)),
    Operation("logsumexp", reduced(lambda x, axes, keep: x.logsumexp(axes, keep)), (1,)),
    Operation("argmax", picked(torch.argmax)), Operation("argmin", picked(torch.argmin)),
    Operation("top_k", top_values, (1,)), Operation("cumsum", lambda x, *, axis: x.cumsum(axis)),
    Operation("softmax", lambda x, *, axis: x.softmax(axis)),
    Operation("log_softmax", lambda x, *, axis: x.log_softmax(axis)),
    Operation("prelu", prelu),
    each("activation", activation),
    each("relu", F.relu), each("relu6", F.relu6), each("sigmoid", torch.sigmoid), each("tanh", torch.tanh),
    each("leaky_relu", lambda x, *, slope: F.leaky_relu(x, slope)), each("elu", lambda x, *, alpha: F.elu(x, alpha)),
    each("celu", lambda x, *, alpha: F.celu(x, alpha)), each("selu", F.selu),
    each("gelu", lambda x, *, approximate=False: F.gelu(x, approximate="tanh" if approximate else "none")),
    each("silu", F.silu), each("mish", F.mish), each("softplus", F.softplus), each("softsign", F.softsign),
    each("hard_sigmoid", hard_sigmoid), each("hard_swish", F.hardswish),
    each("thresholded", lambda x, *, threshold: torch.where(x > threshold, x, torch.zeros_like(x))),
    each("shrink", shrink),
    each("bounded", bounded), Operation("clamp", clamp), each("exp", torch.exp), each("log", torch.log),
    each("sqrt", torch.sqrt), each("rsqrt", torch.rsqrt), each("reciprocal", torch.reciprocal),
    each("square", torch.square), each("abs", torch.abs), each("neg", torch.neg), each("sign", torch.sign),
    each("floor", torch.floor), each("ceil", torch.ceil), each("round", torch.round), each("erf", torch.erf),
    each("sin", torch.sin), each("cos", torch.cos), each("tan", torch.tan), each("atan", torch.atan),
    each("asin", torch.asin), each("acos", torch.acos), each("asinh", torch.asinh), each("acosh", torch.acosh),
    each("atanh", torch.atanh),
    each("sinh", torch.sinh), each("cosh", torch.cosh), each("isnan", torch.isnan),
)  # fmt: skip
