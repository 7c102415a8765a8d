import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits

from latent import data
from latent.errors import ArgumentError
from latent.measure import properties
from latent.measure.properties import (
    COLOURFUL,
    PROPERTIES,
    STROKES,
    SURFACES,
    centre_x,
    centre_y,
    contrast,
    height,
    holes,
    hue,
    ink,
    saturation,
    sharpness,
    slant,
    symmetry,
    thickness,
    width,
)
from tests.support.models import ROOT

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


@pytest.mark.parametrize("name", STROKES)
def test_a_shift_changes_nothing(name, digits):
    measure = PROPERTIES[name].measure
    high_left, low_right = (np.pad(digits, ((0, 0), side, side)) for side in ((1, 6), (5, 2)))
    assert np.allclose(measure(high_left), measure(low_right), atol=1e-3)


@pytest.mark.parametrize("name", STROKES)
def test_a_paler_copy_measures_the_same_but_for_its_ink(name, digits):
    measure, floats = PROPERTIES[name].measure, digits / np.float32(255)
    # Powers of two, so that not even a pixel at exactly half brightness changes sides.
    assert np.allclose(measure(floats / 4), measure(floats) / (4 if name == "ink" else 1), atol=1e-3)


def test_a_larger_copy_has_lengths_in_proportion_and_the_same_slant_and_holes(digits):
    larger = np.stack([Image.fromarray(digit).resize((84, 84), Image.Resampling.BICUBIC) for digit in digits])
    for measure, tolerance in ((thickness, 0.1), (width, 0.1), (height, 0.04), (ink, 0.04)):
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
        np.zeros((2, 28, 28, 5), np.uint8),
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
    assert list(STROKES) == ["ink", "thickness", "slant", "width", "height", "holes"]
    assert all(each.name == name and each.unit and each.source for name, each in PROPERTIES.items())


def disc(radius, x0=0.0, y0=0.0):
    return drawn(lambda x, y: np.hypot(x - x0, y - y0) <= radius)


class TestWhichApply:
    def test_strokes_are_measured_of_light_strokes_on_dark_in_any_size_and_colours(self, digits):
        assert properties.of(digits) == STROKES
        assert properties.of(np.repeat(digits[..., None], 3, axis=3)) == STROKES
        larger = np.stack([np.asarray(Image.fromarray(digit).resize((64, 40))) for digit in digits])
        assert properties.of(larger) == STROKES
        assert properties.of(digits[..., None] * np.uint8([0, 1, 1])) == STROKES | COLOURFUL

    def test_small_digits_of_scikit_learn_are_strokes(self):
        assert properties.of((load_digits().images / 16).astype(np.float32)) == STROKES

    def test_dark_strokes_on_light_filled_shapes_and_noise_are_none(self, digits):
        assert properties.of(255 - digits) == SURFACES
        assert properties.of(np.concatenate([disc(9, x) for x in (-2, 0, 2)])) == SURFACES
        assert properties.of(np.random.default_rng(0).random((20, 40, 24, 3))) == SURFACES | COLOURFUL
        assert properties.of(np.zeros((3, 28, 28), np.uint8)) == SURFACES

    def test_radiographs_are_none(self):
        path = ROOT.parent / "shared" / "images" / "pneumonia.npz"
        if not path.exists():
            pytest.skip("pneumonia.npz is not beside this checkout")
        assert properties.of(np.load(path)["images"]) == SURFACES


def test_contrast_of_two_halves_is_half_their_difference():
    image = np.zeros((1, 6, 10))
    image[:, :, :5] = 0.8
    assert contrast(image)[0] == pytest.approx(0.4)


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (200, 100, 50), (90, 90, 90), (0, 0, 0)]
)
def test_hue_and_saturation_of_one_colour_are_those_of_the_standard_library(colour):
    image = np.full((1, 4, 5, 3), colour, np.uint8)
    expected, saturated, _ = colorsys.rgb_to_hsv(*(value / 255 for value in colour))
    # the hexagon of HSV and the circle differ by 1.1 degrees at most
    assert (hue(image)[0] - 360 * expected + 180) % 360 - 180 == pytest.approx(0, abs=1.2)
    assert saturation(image)[0] == pytest.approx(saturated, abs=1e-5)


def test_sharpness_is_that_of_the_laplacian_and_falls_with_blur(digits):
    found = ndimage.laplace(digits[0] / 255, mode="nearest").std()
    assert sharpness(digits[:1])[0] == pytest.approx(found, rel=1e-4)
    blurred = ndimage.gaussian_filter(digits / 255, (0, 1, 1))
    assert (sharpness(blurred) < sharpness(digits)).all()


def test_the_centre_of_mass_is_that_of_scipy_right_and_up_from_the_middle(digits):
    for digit in digits[:20]:
        y, x = ndimage.center_of_mass(digit)
        assert centre_x(digit[None])[0] == pytest.approx(x - 13.5, abs=1e-3)
        assert centre_y(digit[None])[0] == pytest.approx(13.5 - y, abs=1e-3)
    assert centre_x(disc(4, x0=5, y0=3))[0] == pytest.approx(5, abs=0.01)
    assert centre_y(disc(4, x0=5, y0=3))[0] == pytest.approx(3, abs=0.01)


def test_symmetry_is_the_correlation_with_the_mirror_image(digits):
    assert symmetry(disc(7, y0=3))[0] == pytest.approx(1)
    for digit in digits[:20]:
        expected = np.corrcoef(digit.ravel(), digit[:, ::-1].ravel())[0, 1]
        assert symmetry(digit[None])[0] == pytest.approx(expected, abs=1e-4)


def test_what_is_transparent_is_black(digits):
    clear = np.dstack([np.full((28, 28, 3), 255, np.uint8), digits[0]])[None]
    assert ink(clear)[0] == pytest.approx(ink(digits[:1])[0], abs=1e-5)
    assert saturation(clear)[0] == 0
