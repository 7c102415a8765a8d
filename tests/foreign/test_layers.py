"""Layers from names and shapes: what normalises is folded in, what is no layer of a chain is told apart."""

import pytest
import torch
from torch import nn

from latent.foreign.layers import layers_of


def named(module: nn.Module) -> dict[str, torch.Tensor]:
    return {f"net.{name}": tensor.detach() for name, tensor in module.state_dict().items()}


@pytest.mark.filterwarnings("ignore:.*weight_norm")
@pytest.mark.parametrize("normalise", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: nn.Linear(5, 3), (1, 5)), (lambda: nn.Conv2d(2, 4, 3), (1, 2, 5, 5)),
     (lambda: nn.ConvTranspose2d(2, 4, 3), (1, 2, 5, 5))],
)  # fmt: skip
def test_weight_normalisation_is_folded_into_the_weights(normalise, make, shape):
    module = normalise(make())
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("_g", "original0")):
                parameter.mul_(3)  # lengths that are not those of the directions
    module(torch.ones(shape))  # makes the weight anew
    (layer,) = layers_of(named(module))
    assert layer.kind == ("linear" if isinstance(module, nn.Linear) else "conv")
    assert torch.allclose(layer.weight, module.weight)
    assert torch.equal(layer.tensors["bias"], module.bias)


@pytest.mark.parametrize(
    "tensors", [nn.LayerNorm(4).state_dict(), {"bias": torch.ones(3)}, {"weight": torch.ones(3, 3, 3)}]
)
def test_what_is_no_layer_of_a_chain_is_told_apart(tensors):
    (layer,) = layers_of({f"prior.{name}": tensor for name, tensor in tensors.items()})
    assert layer.kind == "other"
