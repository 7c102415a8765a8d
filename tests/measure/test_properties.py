import numpy as np
import pytest
from PIL import Image

from latent import data
from latent.errors import ArgumentError
from latent.measure import properties
from latent.measure.properties import PROPERTIES, height, holes, ink, slant, thickness, width

FINER = 16  # points a pixel, across and down, of which a drawn pixel is the mean


def drawn(inside, side=28):
    """The picture (1, side, side) of the points (x, y), from the middle and y up, where ``inside`` holds."""
    points = (np.arange(side * FINER) + 0.5) / FINER - side / 2
    fine = inside(*np.meshgrid(points, -points)).astype(np.float32)
    return fine.reshape(side, FINER, side, FINER).mean(axis=(1, 3))[None]


def bar(wide, tall, degrees=0.0):
    """A bar in the middle whose top is sheared to the right."""
    shear = np.tan(np.radians(degrees))
    return drawn(lambda x, y: (np.abs(x - shear * y) <= wide / 2) & (np.abs(y) <= tall / 2))


def ring(radius, stroke, x0=0.0, y0=0.0):
    return lambda x, y: np.abs(np.hypot(x - x0, y - y0) - radius) <= stroke / 2


@pytest.fixture(scope="module")
def digits():
    return data.evaluation_digits()[0][:300]


@pytest.mark.parametrize("wide", [2, 3, 3.4, 5])
@pytest.mark.parametrize("tall", [10, 18])
def test_a_bar_is_as_thick_as_its_area_over_half_its_outline(wide, tall):
    assert thickness(bar(wide, tall))[0] == pytest.approx(wide * tall / (wide + tall), rel=0.06)


@pytest.mark.parametrize("stroke", [2, 3, 5])
def test_a_ring_has_no_ends_and_is_as_thick_as_its_stroke(stroke):
    assert thickness(drawn(ring(8, stroke)))[0] == pytest.approx(stroke, rel=0.03)


@pytest.mark.parametrize("turn", [0, 15, 30, 45, 60])
def test_thickness_is_the_same_in_every_direction(turn):
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    turned = drawn(lambda x, y: (np.abs(c * x + s * y) <= 1.5) & (np.abs(c * y - s * x) <= 9))
    assert thickness(turned)[0] == pytest.approx(3 * 18 / 21, rel=0.04)


def test_an_outline_of_hard_pixels_is_not_counted_as_stairs():
    x, y = np.meshgrid(np.arange(60), np.arange(60))
    diagonal = ((np.abs(x - y) <= 3) & (x + y > 16) & (x + y < 102)).astype(np.float32)[None]
    across, along = 7 / np.sqrt(2), 86 / np.sqrt(2)
    assert thickness(diagonal)[0] == pytest.approx(across * along / (across + along), rel=0.03)


@pytest.mark.parametrize("degrees", [-40, -20, -5, 0, 5, 20, 40])
def test_a_sheared_bar_has_the_angle_of_its_shear(degrees):
    assert slant(bar(3, 18, degrees))[0] == pytest.approx(degrees, abs=0.3)


def test_mirrored_digits_have_the_opposite_slant(digits):
    assert np.allclose(slant(digits[:, :, ::-1]), -slant(digits), atol=1e-3)
    assert np.allclose(slant(digits[:, ::-1]), -slant(digits), atol=1e-3)


def test_a_flat_line_is_upright():
    line = np.zeros((1, 28, 28), np.float32)
    line[0, 5, 4:20] = 0.7
    assert slant(line)[0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("wide", "tall"), [(3, 18), (4.5, 11.25), (20, 20), (2, 7)])
def test_a_bar_is_as_wide_and_as_tall_as_it_was_drawn(wide, tall):
    picture = bar(wide, tall)
    assert width(picture)[0] == pytest.approx(wide, rel=0.01)
    assert height(picture)[0] == pytest.approx(tall, rel=0.01)


def test_width_spans_gaps_and_hardly_sees_haze():
    apart = drawn(lambda x, y: (np.abs(np.abs(x) - 6) <= 1) & (np.abs(y) <= 9))
    assert width(apart)[0] == pytest.approx(14, rel=0.01)
    assert width(np.maximum(apart, 0.02))[0] == pytest.approx(14, rel=0.03)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (ring(7, 3), 1),
        (lambda x, y: ring(4, 2.5, 0, 4.5)(x, y) | ring(4, 2.5, 0, -4.5)(x, y), 2),
        (lambda x, y: ring(4, 2.5, -7)(x, y) | ring(4, 2.5, 7)(x, y), 2),
        (lambda x, y: ring(7, 3)(x, y) & (y < 5), 0),
        (lambda x, y: (np.hypot(x, y) <= 8) & (np.hypot(x, y) > 0.6), 0),
        (lambda x, y: np.abs(x) <= 1.5, 0),
        (lambda x, y: ring(11, 2)(x, y) | ring(5, 2)(x, y), 2),
    ],
    ids=["ring", "eight", "two rings", "open ring", "a pinhole", "a bar through the whole picture", "rings in rings"],
)
@pytest.mark.parametrize("side", [28, 64])
def test_holes_are_counted(inside, expected, side):
    scale = side / 28
    assert holes(drawn(lambda x, y: inside(x / scale, y / scale), side))[0] == expected


def test_a_diagonal_of_pixels_closes_a_hole():
    diamond = np.zeros((1, 28, 28), np.uint8)
    for i in range(-6, 7):
        diamond[0, 14 + i, [14 - 6 + abs(i), 14 + 6 - abs(i)]] = 255
    assert holes(diamond)[0] == 1


def test_the_digits_have_the_holes_that_they_are_known_for():
    images, labels = data.evaluation_digits()
    found = holes(images[:2000])
    for digit, expected in {0: 1, 1: 0, 3: 0, 5: 0, 7: 0, 8: 2, 9: 1}.items():
        assert np.median(found[labels[:2000] == digit]) == expected


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_shift_changes_nothing(name, digits):
    measure = PROPERTIES[name].measure
    high_left, low_right = (np.pad(digits, ((0, 0), side, side)) for side in ((1, 6), (5, 2)))
    assert np.allclose(measure(high_left), measure(low_right), atol=1e-3)


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_paler_copy_measures_the_same_but_for_its_ink(name, digits):
    measure, floats = PROPERTIES[name].measure, digits / np.float32(255)
    # Powers of two, so that not even a pixel at exactly half brightness changes sides.
    assert np.allclose(measure(floats / 4), measure(floats) / (4 if name == "ink" else 1), atol=1e-3)


def test_a_larger_copy_has_lengths_in_proportion_and_the_same_slant_and_holes(digits):
    larger = np.stack([Image.fromarray(digit).resize((84, 84), Image.Resampling.BICUBIC) for digit in digits])
    for measure, tolerance in ((thickness, 0.1), (width, 0.04), (height, 0.04), (ink, 0.04)):
        scale = 1 if measure is ink else 3
        assert np.allclose(measure(larger), scale * measure(digits), rtol=tolerance)
    assert np.allclose(slant(larger), slant(digits), atol=1)
    assert np.mean(holes(larger) == holes(digits)) > 0.98


@pytest.mark.parametrize("name", PROPERTIES)
def test_bytes_floats_and_colours_measure_the_same(name, digits):
    measure = PROPERTIES[name].measure
    expected = measure(digits)
    assert expected.shape == (300,)
    assert expected.dtype == np.float32
    for same in (digits / np.float32(255), digits / 255.0, np.repeat(digits[..., None], 3, axis=3)):
        assert np.allclose(measure(same), expected, atol=1e-3)


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_picture_is_measured_by_itself(name, digits, monkeypatch):
    measure = PROPERTIES[name].measure
    together = measure(digits)
    monkeypatch.setattr(properties, "BLOCK", 1)
    assert np.allclose(measure(digits[::-1])[::-1], together, atol=1e-4)


@pytest.mark.parametrize("name", PROPERTIES)
def test_an_empty_picture_measures_0_and_no_picture_nothing(name):
    measure = PROPERTIES[name].measure
    assert measure(np.zeros((2, 28, 28), np.uint8)).tolist() == [0, 0]
    assert measure(np.zeros((0, 28, 28), np.uint8)).shape == (0,)
    for odd in (np.full((1, 28, 28), 255, np.uint8), np.ones((1, 1, 1)), np.ones((1, 1, 9), np.float16)):
        assert np.isfinite(measure(odd)).all()


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((28, 28), np.uint8),
        np.zeros((2, 28, 28, 4), np.uint8),
        np.zeros((2, 0, 28), np.uint8),
        np.zeros((2, 28, 28), np.int64),
        np.full((2, 28, 28), 1.5),
        np.full((2, 28, 28), np.nan),
    ],
)
def test_what_is_no_picture_is_refused(pictures):
    with pytest.raises(ArgumentError, match=r"^[^\n]+\.$"):
        thickness(pictures)


def test_every_property_has_a_name_and_a_unit():
    assert list(PROPERTIES) == ["ink", "thickness", "slant", "width", "height", "holes"]
    assert all(each.name == name and each.unit for name, each in PROPERTIES.items())
