"""Run a network over many images or codes: numpy in, numpy out, in batches, without gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from latent.arrays import Labels
from latent.errors import ArgumentError
from latent.model import LatentModel

BATCH_SIZE = 125  # the feature maps of a batch stay in the processor's cache
REMEDY = "close what else uses the GPU, or hide it with CUDA_VISIBLE_DEVICES=-1."
FILLED = float(np.log(2))  # a code's variance from half to twice that of the prior

Module = TypeVar("Module", bound=nn.Module)


def best_device() -> torch.device:
    """CUDA where it works, else Apple's MPS where it works, else the CPU."""
    return device_that_works()[0]


def device_that_works() -> tuple[torch.device, str]:
    """The best device that works, and a sentence about a better one that is there and does not, or an empty one."""
    complaint = ""
    for name, visible in (("cuda", torch.cuda.is_available), ("mps", torch.backends.mps.is_available)):
        if visible():
            try:
                torch.zeros(1, device=name).add_(1).item()  # a driver that is too old fails only when something runs
                return torch.device(name), complaint
            except Exception as error:  # torch has many kinds for what may be the matter
                reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
                complaint = f"The device {name} was found but does not work ({reason}), so it is not used."
    return torch.device("cpu"), complaint


def leave_gpus_alone(optimizer: torch.optim.Optimizer) -> None:
    """Let an optimizer on the CPU not ask the GPU whether it records a graph: one that is broken would end the run."""
    for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):  # new and old torch
        setattr(optimizer, name, lambda: None)


def encode(
    model: LatentModel, images: NDArray[Any], labels: Labels | None = None, batch_size: int = BATCH_SIZE
) -> NDArray[np.float32]:
    """Codes ``z`` (n, latent_dim) of images (n, height, width[, channels]), uint8 or floats in [0, 1].

    For a variational model the code is the posterior mean; a conditional one needs ``labels`` (n,). Raises
    `ArgumentError` for another shape, dtype or range.
    """
    x = as_channels_first(images, model.signature.image_shape)

    def run(batch: Tensor, label: Tensor | None) -> Tensor:
        return model.encode(to_unit_range(batch), label)

    return in_batches(model, run, x, labels, batch_size, (model.signature.latent_dim,))


def log_variances(
    model: LatentModel, images: NDArray[Any], labels: Labels | None = None, batch_size: int = BATCH_SIZE
) -> NDArray[np.float32] | None:
    """The log-variance (n, latent_dim) of the posterior of each image (n, height, width[, channels]).

    None for a plain autoencoder. Where the model does not say whether what stands beside the mean is the logarithm of
    the variance or of the standard deviation, as weights alone do not, it is taken for the one under which the codes
    fill N(0, 1) better, whose variance is that of the means plus the mean of the posterior variances; None where
    neither does to within `FILLED`.
    """
    if model.signature.kind != "vae":
        return None

    def run(batch: Tensor, label: Tensor | None) -> Tensor:
        mu, head = model.posterior(to_unit_range(batch), label)
        return torch.cat([mu.flatten(1), torch.zeros_like(mu).flatten(1) if head is None else head.flatten(1)], dim=1)

    x = as_channels_first(images, model.signature.image_shape)
    latent_dim = model.signature.latent_dim
    both = in_batches(model, run, x, labels, batch_size, (2 * latent_dim,))
    mu, head = both[:, :latent_dim], both[:, latent_dim:]
    if model.signature.says_spread:
        return head
    if not head.any():
        return None
    return min((head, 2 * head), key=lambda logvar: unfilled(mu, logvar)) if filled(mu, head) else None


def unfilled(mu: NDArray[np.float32], logvar: NDArray[np.float32]) -> float:
    """How far the codes of a VAE are from having variance 1 in every dimension: the median |log variance|."""
    variance = mu.var(axis=0, dtype=np.float64) + np.exp(np.clip(logvar, -60, 60).astype(np.float64)).mean(axis=0)
    return float(np.median(np.abs(np.log(variance))))


def filled(mu: NDArray[np.float32], head: NDArray[np.float32]) -> bool:
    """Whether one of the two conventions makes the codes fill N(0, 1)."""
    return min(unfilled(mu, head), unfilled(mu, 2 * head)) < FILLED


def decode(
    model: LatentModel, z: ArrayLike, labels: Labels | None = None, batch_size: int = BATCH_SIZE
) -> NDArray[np.float32]:
    """Pictures (n, height, width[, channels]) in [0, 1] of codes ``z`` (n, latent_dim), or of one code (latent_dim,).

    A conditional model needs ``labels`` (n,). Raises `ArgumentError` for codes of another length and for numbers
    that are not finite.
    """
    codes = torch.from_numpy(as_codes(z, model.signature.latent_dim))
    x_hat = in_batches(model, model.decode, codes, labels, batch_size, model.signature.image_shape)
    return x_hat[:, 0] if x_hat.shape[1] == 1 else np.moveaxis(x_hat, 1, -1)


def as_codes(z: ArrayLike, latent_dim: int) -> NDArray[np.float32]:
    """``z`` as (n, latent_dim) float32, one code as n = 1. Raises `ArgumentError` where it is no such thing."""
    try:
        codes = np.array(z, dtype=np.float32, ndmin=2)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"Expected a code of {latent_dim} numbers.") from error
    if codes.ndim != 2 or codes.shape[1] != latent_dim:
        raise ArgumentError(f"Expected {latent_dim} numbers per code, got an array of shape {np.shape(z)}.")
    if not np.isfinite(codes).all():
        raise ArgumentError("A code must be finite; found NaN or infinity.")
    return codes


def as_channels_first(images: NDArray[Any], image_shape: tuple[int, int, int]) -> Tensor:
    """Images (n, height, width[, channels]), or one of them, as (n, channels, height, width) of the same dtype."""
    channels, height, width = image_shape
    images = np.asarray(images)
    expected = (height, width) if channels == 1 else (height, width, channels)
    if images.shape == expected:
        images = images[None]
    if images.shape[1:] != expected:
        raise ArgumentError(f"Expected images of shape {expected}, got an array of shape {images.shape}.")
    if images.dtype != np.uint8:
        if not np.issubdtype(images.dtype, np.floating):
            raise ArgumentError(f"Images must be uint8, or floats in [0, 1]; got {images.dtype}.")
        images = images.astype(np.float32, copy=False)
        if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN fails both
            raise ArgumentError("Images as floats must have pixels in [0, 1]; found values outside.")
    x = torch.from_numpy(images if images.flags.writeable else images.copy())  # torch warns of read-only memory
    return x[:, None] if channels == 1 else x.movedim(-1, 1)


def to_unit_range(x: Tensor) -> Tensor:
    """Pixels as float32 in [0, 1]."""
    return x.float().div_(255) if x.dtype == torch.uint8 else x


def in_batches(
    model: LatentModel,
    run: Callable[[Tensor, Tensor | None], Tensor],
    inputs: Tensor,
    labels: Labels | None,
    batch_size: int,
    row_shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """``run`` over batches of ``inputs`` on the model's device, the results as one array (n, *row_shape)."""
    one_hot = None
    if model.signature.conditional:
        if labels is None or len(labels) != len(inputs):
            raise ArgumentError(f"This model is conditional: it needs {len(inputs)} labels, one for each input.")
        one_hot = F.one_hot(torch.tensor(np.asarray(labels)).long(), model.signature.n_classes).float()
    device = next(model.parameters()).device
    results = torch.empty((len(inputs), *row_shape), dtype=torch.float32)
    start = 0
    with torch.inference_mode():
        while start < len(inputs):
            part = slice(start, start + batch_size)
            try:
                label = None if one_hot is None else one_hot[part].to(device)
                results[part] = run(inputs[part].to(device), label)
            except torch.OutOfMemoryError as error:  # another process may have taken it
                if batch_size == 1:
                    raise ArgumentError(f"The memory of the GPU is full: {REMEDY}") from error
                torch.cuda.empty_cache()
                batch_size = batch_size // 2
            else:
                start += batch_size
    return results.numpy()


def placed(model: Module) -> tuple[Module, str]:
    """A model on the best device that has room for it, and a sentence where that is not the best one there is."""
    device, complaint = device_that_works()
    try:
        return model.to(device), complaint
    except torch.OutOfMemoryError:
        return model.to("cpu"), f"The memory of the GPU is full, so the processor is used: {REMEDY}"
