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
    layer, *_ = layers_of(named(module))
    assert layer.kind == ("linear" if isinstance(module, nn.Linear) else "conv")
    assert torch.allclose(layer.weight, module.weight)
    assert torch.equal(layer.tensors["bias"], module.bias)


@pytest.mark.filterwarnings("ignore:.*spectral_norm")
@pytest.mark.parametrize("normalise", [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm])
@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: nn.Linear(5, 3), (1, 5)), (lambda: nn.Conv2d(2, 4, 3), (1, 2, 5, 5)),
     (lambda: nn.ConvTranspose2d(2, 4, 3), (1, 2, 5, 5)), (lambda: nn.ConvTranspose2d(3, 3, 3), (1, 3, 5, 5))],
)  # fmt: skip
def test_spectral_normalisation_is_folded_into_the_weights(normalise, make, shape):
    module = normalise(make(), n_power_iterations=20)
    for _ in range(3):
        module(torch.ones(shape))  # a step of the iteration that finds the singular value
    module.eval()(torch.ones(shape))
    layer, *_ = layers_of(named(module))
    assert torch.allclose(layer.weight, module.weight, atol=1e-6)
    assert torch.equal(layer.tensors["bias"], module.bias)


@pytest.mark.parametrize(
    "tensors", [{"bias": torch.ones(3)}, {"weight": torch.ones(3, 3, 3, 3, 3)}, {"weight": torch.ones(3, 1, 3)}]
)
def test_what_is_no_layer_of_a_chain_is_told_apart(tensors):
    (layer,) = layers_of({f"prior.{name}": tensor for name, tensor in tensors.items()})
    assert layer.kind == "other"


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.LayerNorm(4), "feature_norm"), (nn.LayerNorm([4, 5, 5]), "feature_norm"),
        (nn.GroupNorm(2, 4), "feature_norm"), (nn.InstanceNorm2d(4, affine=True), "feature_norm"),
        (nn.LayerNorm(4, bias=False), "feature_norm"),
        (nn.BatchNorm1d(4), "batch_norm"), (nn.PReLU(), "prelu"), (nn.PReLU(4), "prelu"),
    ],
)  # fmt: skip
def test_normalisations_are_told_from_their_parameters(module, kind):
    (layer,) = layers_of(named(module))
    assert layer.kind == kind


def test_a_tensor_by_itself_is_no_layer_beside_others():
    beside = {"log_sigma": torch.zeros(1), "mean": torch.zeros(1, 1, 1, 1), "samples": torch.ones(4, 1, 28, 28)}
    layers = layers_of(beside | {"noise": torch.ones(64, 8)} | named(nn.Linear(3, 5)))
    assert [(layer.name, layer.kind) for layer in layers] == [("net", "linear"), ("noise", "table")]


def test_matrices_by_themselves_are_layers_where_there_are_no_others():
    first, second = layers_of(
        {"W1": torch.ones(784, 30), "b1": torch.ones(30), "W2": torch.ones(784, 30), "b2": torch.ones(784)}
    )
    assert (first.shape, second.shape) == ((30, 784), (784, 30))
    assert len(first.tensors["bias"]) == 30


def test_layers_numbered_without_a_gap_are_a_list_between_which_anything_may_run():
    numbered = nn.ModuleList([nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(5, 4)])
    assert [layer.modules_before for layer in layers_of(named(numbered))[:3]] == [None] * 3
    in_turn = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    assert [layer.modules_before for layer in layers_of(named(in_turn))[:2]] == [0, 1]
    alone = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU())
    assert [layer.modules_before for layer in layers_of(named(alone))[:2]] == [0, 0]
