"""Readings of weights that nobody trained, with every open choice made by lot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from latent.foreign.chains import chains
from latent.foreign.layers import in_torch_layout, layers_of
from latent.foreign.normalisations import FEATURE_NORMS
from latent.foreign.operations import ACTIVATIONS, OUTPUTS, PIXELS, VIEWS
from latent.foreign.reading import FITS, PADDINGS, POOLINGS, SPLITS, UPSAMPLINGS, Reading
from latent.foreign.search import first_readings
from tests.support.authors import AUTHORS


def lively(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights before training, but larger, and with normalisations that do something."""
    rng = torch.Generator().manual_seed(0)
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=rng)
            state[name] = noise + 0.5 if name.endswith("running_var") else noise * 0.4 - 0.2
            if tensor.ndim > 1:
                state[name] *= 12 / tensor[0].numel() ** 0.5
    return state


def keras(*sizes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Weights of a Keras file, by the shapes of its kernels: channels last, padded to keep the side."""
    rng = torch.Generator().manual_seed(0)
    kernels = {f"layer_{index}/kernel:0": torch.randn(size, generator=rng) for index, size in enumerate(sizes)}
    return {name: 3 * kernel / kernel[..., 0].numel() ** 0.5 for name, kernel in kernels.items()}


def with_a_table(name: str) -> dict[str, torch.Tensor]:
    """An author's network whose codebook is no layer's weight, and so none of the layers in a row."""
    state = lively(AUTHORS[name].build())
    state["codebook"] = state.pop("embedding.weight")
    return state


# Shapes and layers that none of the authors has.
OTHERS = {
    "PReLU": lambda: lively(
        nn.Sequential(
            nn.Linear(784, 30), nn.PReLU(30), nn.Linear(30, 6), nn.Linear(6, 30), nn.PReLU(), nn.Linear(30, 784)
        )
    ),
    "PReLU on maps": lambda: lively(
        nn.Sequential(
            nn.Conv2d(1, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1), nn.Flatten(), nn.Linear(392, 5), nn.Linear(5, 392),
            nn.Unflatten(1, (8, 7, 7)), nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.PReLU(6),
            nn.ConvTranspose2d(6, 1, 4, 2, 1),
        )
    ),
    "colours, flat": lambda: lively(
        nn.Sequential(nn.Linear(2352, 20), nn.Linear(20, 6), nn.Linear(6, 20), nn.Linear(20, 2352))
    ),
    "colours, on maps": lambda: lively(
        nn.Sequential(
            nn.Conv2d(3, 6, 4, 2, 1), nn.Conv2d(6, 4, 4, 2, 1), nn.ConvTranspose2d(4, 6, 4, 2, 1),
            nn.ConvTranspose2d(6, 3, 4, 2, 1),
        )
    ),
    "normalised before": lambda: lively(
        nn.Sequential(nn.Linear(784, 20), nn.Linear(20, 6), nn.BatchNorm1d(6), nn.Linear(6, 20), nn.Linear(20, 784))
    ),
    "the code unflattened": lambda: lively(
        nn.Sequential(
            nn.Linear(784, 120), nn.Linear(120, 98), nn.Unflatten(1, (2, 7, 7)), nn.ConvTranspose2d(2, 6, 4, 2, 1),
            nn.ConvTranspose2d(6, 1, 4, 2, 1),
        )
    ),
    "dense behind maps": lambda: lively(
        nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.Conv2d(6, 4, 3, 2, 1), nn.Flatten(), nn.Linear(196, 784))
    ),
    "dense behind maps of a dense code": lambda: lively(
        nn.Sequential(
            nn.Linear(784, 6), nn.Linear(6, 98), nn.Unflatten(1, (2, 7, 7)), nn.Conv2d(2, 4, 3, 1, 1), nn.Flatten(),
            nn.Linear(196, 784),
        )
    ),
    "a codebook by itself": lambda: with_a_table("quantised"),
    "Keras, dense behind maps": lambda: keras((3, 3, 1, 6), (3, 3, 6, 4), (196, 784)),
    "Keras": lambda: keras(
        (3, 3, 1, 6), (3, 3, 6, 8), (392, 4), (4, 392), (3, 3, 8, 8), (3, 3, 6, 8), (3, 3, 1, 6)
    ),
    "Keras, kernels of 4": lambda: keras(
        (4, 4, 1, 6), (4, 4, 6, 8), (392, 4), (4, 392), (4, 4, 8, 6), (4, 4, 6, 1)
    ),
}  # fmt: skip


def some_readings(tensors: dict[str, torch.Tensor], rng: np.random.Generator, n: int = 6) -> list[Reading]:
    """Readings that the shapes allow, whatever they would draw, with every open choice made by lot."""
    turned, channels_last = in_torch_layout(tensors)
    floats = {name: each if each.is_floating_point() else each.float() for name, each in turned.items()}
    found = chains(layers_of(floats))
    chain = max(found, key=lambda each: sum(link.condition > 0 for link in each.links))  # of equals the first
    readings = list(first_readings(chain, {}, wide=False, channels_last=channels_last))

    def lot(values):
        return list(values)[rng.integers(len(values))]

    return [
        replace(
            reading,
            activations=tuple(lot(ACTIVATIONS) for _ in chain.links),
            norm_activation=lot(["none", "GELU"]), code_activation=lot(["none", "tanh"]), split=lot(SPLITS),
            pixels=lot(PIXELS), output=lot(OUTPUTS), label_first=lot([False, True]), upsampling=lot(UPSAMPLINGS),
            channels_last=lot([channels_last, channels_last, True]), view=lot(VIEWS), norm_style=lot(FEATURE_NORMS),
            pooling=lot(POOLINGS), padding=lot(PADDINGS), fit=lot(FITS), residual=lot([True, True, False]),
            skip_activated=lot([False, True]),
            codebook=lot(["", *(layer.name for layer in reading.codebooks())]),
        )
        for reading in (readings[index % len(readings)] for index in range(n))
    ]  # fmt: skip


def all_states() -> dict[str, dict[str, torch.Tensor]]:
    """The weights of every author and of the others, by name."""
    return {name: lively(author.build()) for name, author in AUTHORS.items()} | {
        name: make() for name, make in OTHERS.items()
    }
