"""A reading as graphs: they compute what the reading does, and what one of them refuses, the other does too."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.foreign.lowering import lowered
from latent.foreign.network import Network
from latent.foreign.reading import Reading
from latent.foreign.search import Scored
from tests.support.authors import AUTHORS
from tests.support.readings import all_states, lively, some_readings

ALLOWED = 1e-9  # of the largest number; all is computed in float64, since the order of sums may differ
N = 3


def some_in_double(state: dict[str, Tensor], rng: np.random.Generator, n: int) -> list[Reading]:
    return some_readings({name: tensor.double() for name, tensor in state.items()}, rng, n)


def outcome(run: Callable[[], tuple[Tensor | None, ...]]) -> tuple[Tensor | None, ...] | None:
    """What comes out, None where it is refused."""
    try:
        with torch.inference_mode():
            return run()
    except (RuntimeError, IndexError, CheckpointError):
        return None


def given_to(reading: Reading) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images, codes and labels, one-hot."""
    rng, n_classes = torch.Generator().manual_seed(1), reading.chain.n_classes
    x = torch.rand(N, reading.channels, reading.side, reading.side, generator=rng).double()
    z = torch.randn(N, *reading.code_shape, generator=rng).double()
    return x, z, torch.eye(n_classes).double()[-N:] if n_classes else None


def by_reading(reading: Reading) -> tuple[Tensor | None, ...]:
    """Pictures of codes, codes of images, and what stands beside these."""
    x, z, label = given_to(reading)
    pictures = reading.picture(reading.decode(z, label))
    codes = reading.posterior(x, label) if reading.chain.has_encoder else ()
    return pictures, *(each if each is None else each.flatten(1) for each in codes)


def by_graphs(reading: Reading) -> tuple[Tensor | None, ...]:
    """The same by the network, which runs the graphs."""
    x, z, label = given_to(reading)
    network = Network([Scored(reading, 0.0)])
    return network.decode(z.flatten(1), label), *(network.posterior(x, label) if reading.chain.has_encoder else ())


def alike(found: tuple[Tensor | None, ...] | None, right: tuple[Tensor | None, ...] | None) -> bool:
    if found is None or right is None or len(found) != len(right):
        return found is right
    return all(
        a is b if a is None or b is None else float((a - b).abs().max()) <= ALLOWED * (1 + float(b.abs().max()))
        for a, b in zip(found, right)
    )


def operations_of(reading: Reading) -> set[str]:
    halves = lowered(reading).halves
    return {node.op for half in (halves.encoder, halves.decoder) if half for node in half.graph.nodes}


EVERY_KIND = {
    "linear", "conv", "conv_transpose", "activation", "normalisation", "reshape", "flatten", "permute", "resize", "pad",
    "slice", "concat", "matmul", "add", "sub", "mul", "div", "max_pool", "avg_pool", "nearest", "embedding",
}  # fmt: skip


def test_the_graphs_of_a_reading_give_what_it_gives():
    rng = np.random.default_rng(0)
    wrong, operations, n = [], set(), 0
    for name, state in all_states().items():
        for reading in some_in_double(state, rng, 3):
            right = outcome(partial(by_reading, reading))
            if not alike(outcome(partial(by_graphs, reading)), right):
                wrong.append((name, reading.choices()))
            if right is not None:
                operations |= operations_of(reading)
                n += 1
    assert not wrong
    assert operations >= EVERY_KIND
    assert n > 2 * len(AUTHORS)  # in some groups do not divide the channels, or a map is too small to be reflected


@pytest.mark.parametrize("name", ["pooled", "trimmed", "residual, projected", "upsampled"])
def test_steps_that_do_not_fit_are_refused_by_the_reading_and_by_its_graphs(name):
    (reading,) = some_in_double(lively(AUTHORS[name].build()), np.random.default_rng(0), 1)
    found, steps = [], reading.geometry.steps
    for index, step in enumerate(steps):
        for change in ({"padding": 3}, {"stride": 2}, {"stride": 5}, {"pool": 1}):
            if step is not None:
                changed = (*steps[:index], replace(step, **change), *steps[index + 1 :])
                other = replace(reading, geometry=replace(reading.geometry, steps=changed))
                right = outcome(partial(by_reading, other))
                assert alike(outcome(partial(by_graphs, other)), right), (index, change)
                found.append(right is None)
    assert set(found) == {True, False}


def test_a_network_is_refused_in_one_sentence_where_its_layers_do_not_fit():
    (reading,) = some_readings(lively(AUTHORS["tanh"].build()), np.random.default_rng(0), 1)
    links = reading.chain.links
    wrong = replace(reading, chain=replace(reading.chain, links=(links[1], *links[1:])))
    with pytest.raises(CheckpointError, match=r"operation linear \(node .+\) fails"):
        Network([Scored(wrong, 0.0)])


def test_the_graphs_share_the_weights_of_the_reading():
    (reading,) = some_readings(lively(AUTHORS["residual, projected"].build()), np.random.default_rng(0), 1)
    halves = lowered(reading).halves
    own = {tensor.data_ptr() for layer in reading.layers for tensor in layer.tensors.values()}
    assert halves.encoder is not None
    assert halves.decoder is not None
    for graph in (halves.encoder.graph, halves.decoder.graph):
        assert {tensor.data_ptr() for tensor in graph.tensors.values() if tensor.ndim} <= own
    network = Network([Scored(reading, 0.0)]).double()
    z = torch.zeros(1, network.signature.latent_dim, dtype=torch.float64)
    assert network.decode(z).dtype == torch.float64
