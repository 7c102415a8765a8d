import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.traversal import effects, traverse


def test_a_sweep_is_its_base_but_in_one_dimension():
    base = np.array([1.0, 2.0, 3.0])
    z = traverse(base, 1, [-1, 0, 2])
    assert z[:, 1].tolist() == [-1, 0, 2]
    assert np.all(z[:, [0, 2]] == [1, 3])


def test_a_sweep_over_the_bases_own_value_passes_through_the_base():
    base = np.array([0.5, -0.25], np.float32)
    assert np.array_equal(traverse(base, 0, [0, 0.5, 1])[1], base)


@pytest.mark.parametrize(("base", "dimension"), [([1.0, 2.0], 2), ([1.0, 2.0], -1), ([[1.0, 2.0]], 0)])
def test_a_dimension_that_is_not_there_is_refused(base, dimension):
    with pytest.raises(ArgumentError):
        traverse(base, dimension, [0])


def test_effects_of_a_linear_decoder_are_its_weights_times_the_steps():
    def decode(z):
        return np.stack([2 * z[:, 0], -3 * z[:, 1], 0 * z[:, 2]], axis=1).reshape(-1, 1, 3)

    bases = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = effects(decode, bases, np.array([1, 0.5, 9], np.float32))
    # Up and down by s changes one of three pixels by 2·w·s; the root mean square divides by √3.
    assert np.allclose(found, np.array([2 * 2 * 1, 2 * 3 * 0.5, 0]) / np.sqrt(3), atol=1e-5)


def test_a_dead_dimension_of_a_real_decoder_has_no_effect(tiny_space):
    import torch

    with torch.no_grad():
        tiny_space.model.decoder[0].weight[:, 1] = 0
    found = effects(tiny_space.decode, tiny_space.z[:4], np.ones(2, np.float32))
    assert found[1] == 0
    assert found[0] > 0
