import numpy as np
import pytest

from latent import directions
from latent.errors import ArgumentError
from latent.measure import properties

RNG = np.random.default_rng(0)


def test_a_difference_goes_from_the_mean_of_one_set_to_that_of_the_other():
    a, b = RNG.standard_normal((9, 4)).astype(np.float32), RNG.standard_normal((5, 4)).astype(np.float32)
    direction = directions.difference(b, a)
    assert np.allclose(a.mean(axis=0) + direction, b.mean(axis=0), atol=1e-6)
    assert np.allclose(directions.difference(a, b), -direction)
    assert np.array_equal(directions.difference(b[0], a[0]), b[0] - a[0])
    with pytest.raises(ArgumentError, match="a set of codes"):
        directions.difference(a[:0], b)


def test_a_property_that_one_dimension_holds_has_that_direction_whatever_the_digits_do():
    labels = np.repeat(np.arange(10), 100)
    z = RNG.standard_normal((1000, 5)).astype(np.float32)
    z[:, 3] += 10 * labels  # the digit is elsewhere, and large
    values = z[:, 1] + 5 * labels  # higher digits have more of it, which is not what is asked for
    direction = directions.of_property(z, values, labels)
    assert np.abs(direction).argmax() == 1
    assert direction[1] == pytest.approx(2 * 1.4, abs=0.2)  # the mean of a Gaussian's upper fifth is 1.4
    assert np.abs(np.delete(direction, 1)).max() < 0.35


@pytest.mark.parametrize(("n_values", "n_labels"), [(9, 10), (10, 9), (0, 0)])
def test_values_and_labels_that_do_not_fit_are_refused(n_values, n_labels):
    z = np.zeros((max(n_values, n_labels), 2), np.float32)
    with pytest.raises(ArgumentError, match="a value and a label"):
        directions.of_property(z, np.zeros(n_values), np.zeros(n_labels, int))


def test_fewer_than_five_images_of_a_digit_are_too_few():
    with pytest.raises(ArgumentError, match="A fifth"):
        directions.of_property(np.zeros((4, 2), np.float32), np.zeros(4), np.zeros(4, int))


def test_a_walk_passes_its_base_and_goes_in_even_steps():
    base, direction = RNG.standard_normal((2, 6)).astype(np.float32)
    z = directions.walk(base, direction, np.linspace(-2, 2, 9))
    assert np.array_equal(z[4], base)
    assert np.allclose(np.diff(z, axis=0), 0.5 * direction, atol=1e-6)
    with pytest.raises(ArgumentError, match="same length"):
        directions.walk(base, direction[:5], [0, 1])


@pytest.mark.parametrize("name", ["thickness", "slant", "ink"])
def test_a_direction_does_to_real_digits_what_its_name_says(space, name):
    measure = properties.PROPERTIES[name].measure
    direction = directions.of_property(space.z, measure(space.images), space.labels)
    steps = np.linspace(-1.5, 1.5, 7)
    rows = RNG.choice(10_000, 40, replace=False)
    walks = np.stack([measure(space.decode(directions.walk(space.z[row], direction, steps))) for row in rows])
    assert (np.diff(walks.mean(axis=0)) > 0).all()
    assert np.mean([np.corrcoef(steps, walk)[0, 1] for walk in walks]) > 0.9
