"""Keras' files of weights that list their layers: the pools, upsampling and zeros between those with weights."""

import io
from dataclasses import replace

import h5py
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent.foreign.chains import chains
from latent.foreign.container import parse
from latent.foreign.geometry import SAME, Step
from latent.foreign.layers import Gap, in_torch_layout, layers_of, with_gaps
from latent.foreign.network import Network
from latent.foreign.reading import Reading
from latent.foreign.search import Scored, activations_named, first_readings

# What stands between seven convolutions that only shrink and grow maps, and the kernels of these.
WITH_ZEROS = "conv pool conv pool conv pool conv up conv up zeros conv up conv", (5, 5, 3, 3, 5, 5, 3)
ROUNDED = "input conv pool conv pool dropout conv pool conv up conv up conv up conv", (3, 3, 3, 3, 3, 3, 3)
CHANNELS = (1, 6, 4, 4, 4, 4, 6, 1)
NAMES = {
    "conv": "conv2d", "pool": "max_pooling2d", "mean": "average_pooling2d", "up": "up_sampling2d",
    "zeros": "zero_padding2d", "input": "input", "dropout": "dropout", "own": "my_layer", "leaky": "leaky_re_lu",
}  # fmt: skip


def names_of(layers: str) -> list[str]:
    return [f"{NAMES[each]}_{place}" for place, each in enumerate(layers.split())]


def convolutions(kernels: tuple[int, ...]) -> list[nn.Conv2d]:
    torch.manual_seed(0)
    return [nn.Conv2d(*CHANNELS[place : place + 2], kernel) for place, kernel in enumerate(kernels)]


def file_of(layers: str, kernels: tuple[int, ...]) -> bytes:
    """The file of weights as Keras 2 writes it."""
    names, parts, buffer = names_of(layers), iter(convolutions(kernels)), io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names"] = []
            if name.startswith("conv"):
                layer = next(parts)
                group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
                group[f"{name}/kernel:0"] = layer.weight.detach().permute(2, 3, 1, 0).numpy()
                group[f"{name}/bias:0"] = layer.bias.detach().numpy()
    return buffer.getvalue()


def readings_of(content: bytes) -> list[Reading]:
    found = parse(content, "a.h5")
    tensors, channels_last = in_torch_layout(found.tensors())
    layers = layers_of(tensors)
    if listed := found.modules():
        layers = with_gaps(layers, {path: record.class_name for path, record in listed.items()})
    return list(first_readings(chains(layers)[0], {}, False, channels_last))


def run_by_torch(
    layers: str, kernels: tuple[int, ...], x: Tensor, valid: int = -1, mean: bool = False
) -> tuple[Tensor, Tensor]:
    """The code behind the third pool and the last map, run layer by layer; the convolution ``valid`` is not padded."""
    parts, place, pools, code = iter(convolutions(kernels)), -1, 0, x
    pool = F.avg_pool2d if mean else F.max_pool2d
    for each in layers.split():
        if each == "conv":
            place += 1
            padded = F.pad(x, (0 if place == valid else kernels[place] // 2,) * 4)
            x = next(parts)(padded)
            x = x if place == len(kernels) - 1 else F.relu(x)
        elif each == "pool":
            x, pools = pool(x, 2, ceil_mode=True) if valid >= 0 else pool(x, 2), pools + 1
            code = x if pools == 3 else code
        elif each == "up":
            x = F.interpolate(x, scale_factor=2)
        elif each == "zeros":
            x = F.pad(x, (1, 1, 1, 1))
    return code, x


@pytest.mark.parametrize("mean", [False, True], ids=["largest", "mean"])
@pytest.mark.parametrize(
    ("network", "valid", "sides"),
    [(WITH_ZEROS, -1, (14, 7, 3, 3, 6, 14, 28)), (ROUNDED, 5, (14, 7, 4, 4, 8, 14, 28))],
    ids=["zeros", "rounded"],
)
def test_a_network_whose_layers_are_listed_is_run_as_its_author_does(network, valid, sides, mean):
    readings = [each for each in readings_of(file_of(*network)) if each.geometry.sides == sides and each.code == 3]
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        code, last = run_by_torch(*network, x, valid, mean)
        reading = replace(readings[0], code_activation="ReLU", pooling="average" if mean else "max", output="linear")
        assert torch.allclose(reading.encode(x), code, atol=1e-6)
        assert torch.allclose(reading.decode(code), last, atol=1e-6)
        exported = Network([Scored(reading, 0.0)])
        assert torch.allclose(exported.encode(x), code.flatten(1), atol=1e-6)
        assert torch.allclose(exported.decode(code.flatten(1)), last.clamp(0, 1), atol=1e-6)


def gaps_of(layers: str, kernels: tuple[int, ...] = ROUNDED[1]) -> list[Gap | None]:
    found = parse(file_of(layers, kernels), "a.h5")
    classes = {path: record.class_name for path, record in found.modules().items()}
    return [layer.gap for layer in with_gaps(layers_of(in_torch_layout(found.tensors())[0]), classes)]


def test_what_stands_between_layers_is_told_where_readings_can_run_it():
    found = gaps_of("input conv mean up zeros dropout conv up pool conv own conv conv conv conv")
    behind = [each and (each.pooled, each.upsampled, each.padded) for each in found]
    assert behind == [(False,) * 3, (True,) * 3, None, None, *[(False,) * 3] * 3]
    assert [each.behind for each in found[:2] if each] == ["", "conv2d_1"]


def test_the_class_of_a_layer_tells_which_way_it_goes():
    tensors, _ = in_torch_layout({"deconvolution/kernel:0": torch.ones(3, 3, 4, 4)})
    (layer,) = layers_of(tensors)
    assert len(layer.directions()) == 2
    (told,) = with_gaps([layer], {"deconvolution": "keras.layers.conv2d_transpose"})
    assert [way[0] for way in told.directions()] == [True]


def test_networks_within_a_network_tell_nothing_of_what_stands_around_them():
    tensors, _ = in_torch_layout({f"encoder/conv2d_{i}/kernel:0": torch.ones(3, 3, 4, 4) for i in range(2)})
    listed = {"input": "keras.layers.input", "encoder": "keras.layers.encoder"}
    assert [layer.gap for layer in with_gaps(layers_of(tensors), listed)] == [None, None]


@pytest.mark.parametrize(("side", "behind"), [(7, 4), (8, 4), (2, 1)])
def test_a_pool_that_rounds_up_keeps_the_last_row_of_an_odd_side(side, behind):
    step = Step(0.0, False, 1, SAME, pool=2, rounded_up=True)
    assert step.side(side, 3) == behind == F.max_pool2d(torch.ones(1, 1, side, side), 2, ceil_mode=True).shape[2]


def test_a_reading_with_pools_that_round_up_is_kept_and_others_are_kept_as_they_always_were():
    content = file_of(*ROUNDED)
    tensors = parse(content, "a.h5").tensors()
    by_rounding = {any(step.rounded_up for step in each.geometry.steps if step): each for each in readings_of(content)}
    for rounded, reading in by_rounding.items():
        values = reading.to_dict()
        assert {len(step) for step in values["steps"]} == ({7, 8} if rounded else {7})
        again = Reading.from_dict(values, tensors)
        assert (again.geometry.steps, again.geometry.sides) == (reading.geometry.steps, reading.geometry.sides)
    assert by_rounding.keys() == {False, True}


@pytest.mark.parametrize(
    ("layers", "may_be"),
    [("input conv pool conv conv conv conv conv conv", False), ("conv leaky conv conv conv conv conv conv", True),
     ("conv own conv conv conv conv conv conv", True)],
)  # fmt: skip
def test_an_activation_that_keras_has_as_a_layer_is_odd_where_none_is_listed(layers, may_be):
    named = activations_named(parse(file_of(layers, ROUNDED[1]), "a.h5").modules())
    assert ("LeakyReLU 0.2" in named) == may_be
    assert {"ReLU", "ELU", "tanh"} <= named
