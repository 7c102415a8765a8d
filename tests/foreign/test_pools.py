"""Pools stand behind the activation, as authors write them: for averages it matters."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latent.foreign.chains import chains
from latent.foreign.layers import layers_of
from latent.foreign.node_operations import largest_of_four
from latent.foreign.search import first_readings, with_activation
from tests.support.authors import mapped


@pytest.mark.parametrize(("pool", "pooling"), [(nn.AvgPool2d(2), "average"), (nn.MaxPool2d(2), "max")])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU])
def test_a_network_with_pools_is_run_as_its_author_does(pool, pooling, activation):
    torch.manual_seed(0)
    network = mapped(pool).eval()
    for part in (network.encoder, network.decoder):
        for name, module in part.named_children():
            if isinstance(module, nn.ReLU):
                part.register_module(name, activation())
    chain = chains(layers_of(network.state_dict()))[0]
    base = next(
        each
        for each in first_readings(chain, {}, False, False)
        if [(step.stride, step.padding, step.pool, step.upsample) for step in each.geometry.steps]
        == [(1, 1, 2, 1), (1, 1, 2, 1), (1, 1, 0, 2), (1, 1, 0, 2)]
        and each.side == 28
    )
    name = activation.__name__
    reading = replace(with_activation(base, name), code_activation=name, pooling=pooling)
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        assert torch.allclose(reading.encode(x), network.encoder(x), atol=1e-6)
        assert torch.allclose(torch.sigmoid(reading.decode(reading.encode(x))), network(x), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("side", [2, 3, 7, 8])
def test_the_largest_of_four_is_what_torch_finds(side, stride):
    h = torch.randn(2, 3, side, side)
    assert torch.equal(largest_of_four(h, stride), F.max_pool2d(h, 2, stride))
    with pytest.raises(RuntimeError):
        largest_of_four(h[:, :, :1], stride)
