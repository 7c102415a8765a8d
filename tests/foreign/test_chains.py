"""Chains from names and sizes: the likeliest first, what lies beside left out, within the time that is given."""

import torch
from torch import nn

from latent.foreign.chains import Expected, chains
from latent.foreign.clock import Clock
from latent.foreign.geometry import geometries
from latent.foreign.layers import layers_of
from tests.support.authors import Dense, Embedded, Listed, Quantised, Residual, behind_activations, mlp, residual_maps


def layers(*parts: nn.Module, **named: nn.Module):
    tensors = {name: tensor for part in parts for name, tensor in part.state_dict().items()}
    tensors |= {f"{name}.{key}": tensor for name, part in named.items() for key, tensor in part.state_dict().items()}
    return layers_of(tensors)


def names(chain) -> list[str]:
    return [link.layer.name for link in chain.links]


PATH = ["encoder.0", "encoder.2", "fc_mu", "decoder.0", "decoder.2", "decoder.4"]


def test_a_longer_chain_through_another_network_is_not_likelier():
    found = chains(layers(Dense(), critic=mlp([784, 64, 8], nn.ReLU), flow=mlp([8, 8, 8], nn.ReLU)))
    assert names(found[0]) == PATH
    assert found[0].elsewhere == ("critic",)
    assert any("flow.0" in names(chain) for chain in found)  # tried all the same


def test_layers_of_two_copies_are_never_mixed():
    for chain in chains(layers(Dense(), ema=Dense(), target=Dense())):
        assert len({name.split(".")[0] for name in names(chain)} & {"ema", "target"}) in (0, 1)
        assert all(name.split(".")[0] in ("ema", "target") for name in names(chain)) or not any(
            name.startswith(("ema.", "target.")) for name in names(chain)
        )


def test_blocks_with_a_way_round_them_are_found_and_others_are_not():
    assert [(skip.first, skip.last) for skip in chains(layers(residual_maps(False)))[0].skips] == [(2, 3)]
    assert names(chains(layers(residual_maps(False)))[0])[2:4] == ["encoder.4.body.0", "encoder.4.body.3"]
    projected = chains(layers(residual_maps(True)))[0]
    assert [skip.projection.layer.name for skip in projected.skips] == ["encoder.2.shortcut", "encoder.3.shortcut"]
    assert chains(layers(Dense()))[0].skips == ()
    dense = nn.Sequential(nn.Linear(784, 20), Residual(mlp([20, 20, 20], nn.ReLU)), nn.Linear(20, 784))
    assert len(chains(layers(net=dense))[0].skips) == 1


def test_a_label_may_go_through_a_table_of_any_width():
    for width in (10, 50):
        best = next(
            chain for chain in chains(layers(Embedded(width))) if len(chain.links) == 4 and chain.links[0].label
        )
        assert [link.condition for link in best.links] == [width, 0, width, 0]
        assert {link.label.name for link in best.links if link.label} == {"label_emb"}


def test_a_table_beside_the_code_is_left_for_the_reading():
    chain = next(chain for chain in chains(layers(Quantised())) if len(chain.links) == 4)
    assert [layer.name for layer in chain.unused] == ["embedding"]


def test_enumeration_ends_with_its_clock():
    many = {f"net{i}": nn.Linear(64, 64) for i in range(200)}
    clock = Clock(0.5)
    chains(layers(first=nn.Linear(784, 64), **many, last=nn.Linear(64, 784)), clock)
    assert clock.end + 1.0 > Clock(0).end  # at most one second late


def test_the_clock_is_shared_out():
    clock = Clock(10)
    half = clock.share(0.5)
    assert 4 < half.left < 5.1
    assert not half.has_run_out
    assert Clock(0).has_run_out
    assert Clock(-1).left == 0
    assert torch.tensor(clock.left) > 9


def test_normalisations_in_a_list_of_their_own_stand_behind_the_layers_that_they_fit():
    chain, *_ = chains(layers(Listed(norm=True)))
    behind = {link.layer.name: [norm.name for norm in link.after] for link in chain.links if link.after}
    assert behind == {"enc_layers.0": ["norms.0"], "enc_layers.1": ["norms.1"]}


def test_the_numbers_of_a_sequential_tell_normalisations_behind_activations():
    late, *_ = chains(layers(behind_activations(nn.ReLU, nn.BatchNorm1d, nn.Sigmoid)))
    early, *_ = chains(layers(Dense(nn.BatchNorm1d)))
    assert late.normalised_late
    assert not early.normalised_late


def test_strides_of_every_other_layer_are_found_in_a_deep_network():
    def down(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Conv2d(n_in, n_out, 3, 2, 1), nn.GELU(), nn.Conv2d(n_out, n_out, 3, 1, 1), nn.GELU()]

    def up(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, 1), nn.GELU(), nn.Conv2d(n_out, n_out, 3, 1, 1), nn.GELU()]

    encoder = nn.Sequential(
        *down(1, 8), *down(8, 16), nn.Conv2d(16, 16, 3, 2, 1), nn.GELU(), nn.Flatten(), nn.Linear(256, 9)
    )
    decoder = nn.Sequential(*up(16, 16), *up(16, 8), nn.ConvTranspose2d(8, 1, 3, 2, 1, 1), nn.Tanh())
    parts = layers(encoder=encoder, linear=nn.Linear(9, 256), decoder=decoder)
    chain, *_ = chains(parts, expected=Expected(sides=(32,)))
    found = geometries(chain, {})
    assert found[0].sides == (16, 16, 8, 8, 4, 0, 0, 8, 8, 16, 16, 32)
