"""What the components are given: distances among the codes that are there, numbers of images, entries of a legend."""

import numpy as np

from latent.browser import given
from latent.projection import Plane
from latent.space import LatentSpace
from latent.support import N_NEIGHBOURS


def test_codes_are_compared_with_the_codes_that_are_there(space: LatentSpace):
    rows = np.arange(0, len(space.z), 50)
    effects = np.zeros(space.latent_dim, np.float32)
    stage, refusal = given.stage_of(space, Plane.of(space.z), effects, rows)
    assert not refusal
    z = space.z[rows].astype(np.float64)
    apart = np.sort(np.linalg.norm(z[:, None] - z[None], axis=2), axis=1)[:, 1 : N_NEIGHBOURS + 1]
    assert np.allclose(stage.distances, np.sort(apart.mean(axis=1)), atol=1e-3)
    assert np.array_equal(stage.numbers, rows)


def test_classes_without_a_colour_of_their_own_share_the_last_entry_of_the_legend():
    names = [f"class {i}" for i in range(13)]
    found = given.category_colours(np.arange(13), names)
    assert len(found["legend"]) == 11
    assert found["categories"].tolist() == [*range(10), 10, 10, 10]


def test_a_scale_has_no_entries_to_choose_from():
    found = given.value_colours(np.linspace(0, 1, 50), "MSE")
    assert not len(found["categories"])
    assert found["values"].tolist() == np.linspace(0, 1, 50).tolist()
