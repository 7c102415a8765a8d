import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from latent import data, drawing
from latent.errors import ArgumentError
from latent.images import data_uri
from tests.support.exhaustive import few_of

IMAGES, LABELS = data.evaluation_digits()
ROWS = np.random.default_rng(0).choice(10_000, 100, replace=False)


def enlarged(image, factor=10):
    side = 28 * factor
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), np.float32) / 255


def encoded(grey, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(np.rint(grey * 255).astype(np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def photo(image, rng, dark=True):
    """A digit somewhere on unevenly lit paper, with noise, as a JPEG."""
    height, width = rng.integers(300, 700, 2)
    big = enlarged(image, int(rng.uniform(0.4, 0.9) * min(height, width) / 28))
    ink = np.zeros((height, width), np.float32)
    top, left = rng.integers(0, height - len(big) + 1), rng.integers(0, width - len(big) + 1)
    ink[top : top + len(big), left : left + len(big)] = big.clip(0, 1)
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.8 + 0.5 * (np.cos(angle) * y + np.sin(angle) * x)
    paper, pen = (0.9, 0.25) if dark else (0.15, 0.85)
    seen = (paper + (pen - paper) * ink) * light
    noisy = ndimage.gaussian_filter(seen, 1) + rng.normal(0, 0.02, seen.shape)
    return encoded(noisy.clip(0, 1), "JPEG", quality=70)


def vote(space, pictures, rows):
    """The most frequent digit among the five nearest real ones, the original left out."""
    nearest = space.nearest(space.encode(pictures), 6)
    others = [[index for index in found if index != row][:5] for found, row in zip(nearest, rows)]
    return np.array([np.bincount(LABELS[found]).argmax() for found in others])


def rms(a, b):
    return np.sqrt(np.square((a.astype(float) - b) / 255).mean(axis=(-2, -1)))


def test_a_digit_of_mnist_comes_back_as_it_was_from_any_size_and_place():
    rng = np.random.default_rng(1)
    again = []
    for row in ROWS:
        above, before = rng.integers(0, 90, 2)
        again.append(drawing.normalise(np.pad(enlarged(IMAGES[row]), ((above, 30), (before, 10)))))
    assert rms(np.stack(again), IMAGES[ROWS]).mean() < 0.09
    assert rms(np.stack(again), IMAGES[np.roll(ROWS, 1)]).mean() > 0.3  # what two digits differ by


def test_a_digit_is_boxed_centred_and_bright():
    for row in ROWS[:30]:
        picture = drawing.normalise(enlarged(IMAGES[row]))
        assert picture.shape == (28, 28)
        assert picture.max() == 255
        used = picture > 0
        assert max(np.ptp(np.flatnonzero(used.any(axis=axis))) + 1 for axis in (0, 1)) in (19, 20)
        free = ~(used[[0, -1]].any() or used[:, [0, -1]].any())  # the box could still move
        centre = ndimage.center_of_mass(picture)
        assert not free or max(abs(place - 14) for place in centre) <= 0.51


def test_size_and_place_of_a_drawing_do_not_matter():
    small = enlarged(IMAGES[3], 6)
    large = np.pad(small.repeat(3, axis=0).repeat(3, axis=1), ((50, 10), (0, 200)))
    assert rms(drawing.normalise(small), drawing.normalise(large)) < 0.02


@pytest.mark.parametrize("ink", [np.zeros((50, 50), np.float32), np.full((9, 9), 0.05, np.float32), np.zeros((0, 3))])
def test_an_empty_canvas_asks_for_a_digit(ink):
    with pytest.raises(ArgumentError, match="draw a digit"):
        drawing.normalise(ink)


@pytest.mark.parametrize("shape", [(1, 1), (200, 3), (3, 200)])
def test_a_speck_and_a_line_are_drawn_too(shape):
    ink = np.zeros((220, 220), np.float32)
    ink[5 : 5 + shape[0], 9 : 9 + shape[1]] = 1
    assert drawing.normalise(ink).max() == 255


def address(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return data_uri(buffer.getvalue())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "P"])
def test_a_surface_gives_its_strokes(mode):
    pixels = np.zeros((drawing.CANVAS_SIDE, drawing.CANVAS_SIDE), np.uint8)
    pixels[10:30, 18:22] = 255
    ink = drawing.canvas_ink(address(Image.fromarray(pixels).convert(mode)))
    assert ink.shape == (drawing.CANVAS_SIDE, drawing.CANVAS_SIDE)
    assert ink.dtype == np.float32
    assert ink.sum() == 80
    assert ink[15, 20] == 1


SURFACE = Image.new("L", (drawing.CANVAS_SIDE, drawing.CANVAS_SIDE), 255)


@pytest.mark.parametrize(
    "other",
    [
        "", "data:", "data:image/png;base64,", "data:image/png;base64,#", "data:image/png;base64,AAAA", "über",
        address(SURFACE)[:-40], address(SURFACE, "JPEG"), address(SURFACE, "JPEG").replace("jpeg", "png"),
        address(Image.new("L", (drawing.CANVAS_SIDE, 1))), address(Image.new("1", (20_000, 20_000))),
    ],
)  # fmt: skip
def test_what_no_surface_sends_is_refused(other):
    with pytest.raises(ArgumentError, match="Expected a drawing"):
        drawing.canvas_ink(other)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_scan_of_an_mnist_image_comes_back_nearly_itself(inverted):
    again = []
    for row in ROWS[:50]:
        grey = IMAGES[row] / 255
        again.append(drawing.normalise(drawing.photo_ink(encoded(1 - grey if inverted else grey))))
    assert rms(np.stack(again), IMAGES[ROWS[:50]]).mean() < 0.03


@pytest.mark.parametrize("dark", few_of([True, False], [False]))
def test_photos_of_digits_are_read_as_those_digits(space, dark):
    rng = np.random.default_rng(2)
    pictures = np.stack([drawing.normalise(drawing.photo_ink(photo(IMAGES[row], rng, dark))) for row in ROWS])
    assert (vote(space, pictures, ROWS) == LABELS[ROWS]).mean() >= 0.95


def test_shadows_and_specks_at_the_border_are_left_out_and_a_bar_that_stands_apart_is_kept():
    ink = np.zeros((300, 300), np.float32)
    ink[90:220, 130:150] = 1  # a digit
    bar = ink.copy()
    bar[70:80, 155:215] = 1  # its bar
    dirty = bar.copy()
    dirty[:40, :] = 0.9  # the table beside the page
    dirty[250:253, 250:253] = 1  # a crumb
    expected = drawing.normalise(drawing.photo_ink(encoded(1 - 0.8 * bar)))
    assert rms(drawing.normalise(drawing.photo_ink(encoded(1 - 0.8 * dirty))), expected) < 0.05
    alone = drawing.normalise(drawing.photo_ink(encoded(1 - 0.8 * ink)))
    assert rms(alone, expected) > 0.2


def test_a_photo_lies_as_its_camera_was_held():
    grey = 1 - enlarged(IMAGES[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise
    turned = encoded(np.rot90(grey), "JPEG", exif=exif, quality=95)
    upright = drawing.normalise(drawing.photo_ink(encoded(grey)))
    assert rms(drawing.normalise(drawing.photo_ink(turned)), upright) < 0.05


def test_what_is_transparent_is_paper():
    pixels = np.zeros((280, 280, 4), np.uint8)
    pixels[..., 3] = np.rint(enlarged(IMAGES[0]).clip(0, 1) * 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    expected = drawing.normalise(drawing.photo_ink(encoded(1 - enlarged(IMAGES[0]).clip(0, 1))))
    assert rms(drawing.normalise(drawing.photo_ink(buffer.getvalue())), expected) < 0.02


def test_bits_and_transparency_do_not_change_a_photo():
    """The same digit with 8 and 16 bits, and in the alpha channel alone, light or dark."""
    pixels = np.rint(enlarged(IMAGES[0]).clip(0, 1) * 255).astype(np.uint8)
    expected = drawing.normalise(drawing.photo_ink(encoded(pixels / 255)))
    alpha = np.full((*pixels.shape, 4), 255, np.uint8)
    alpha[..., 3] = pixels
    dark = alpha * np.array([0, 0, 0, 1], np.uint8)
    others = {
        "16 bits": Image.fromarray(pixels.astype(np.uint16) * 257), "white": Image.fromarray(alpha),
        "white and grey": Image.fromarray(alpha).convert("LA"), "black": Image.fromarray(dark),
        "16 bits, dark": Image.fromarray((255 - pixels).astype(np.uint16) * 257),
        "little": Image.fromarray(pixels.astype(np.uint16)),
    }  # fmt: skip
    for name, image in others.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        assert rms(drawing.normalise(drawing.photo_ink(buffer.getvalue())), expected) < 0.02, name


@pytest.mark.parametrize("content", [b"", b"no picture", encoded(np.zeros((9, 9)))[:-30], b"<svg/>"])
def test_what_is_no_picture_is_refused_in_a_sentence(content):
    with pytest.raises(ArgumentError, match="not an image"):
        drawing.photo_ink(content)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "ICO", "PPM"])
def test_only_the_kinds_of_picture_that_are_asked_for_reach_a_decoder(kind):
    with pytest.raises(ArgumentError, match="expected a PNG, JPEG, WebP or BMP"):
        drawing.photo_ink(encoded(1 - enlarged(IMAGES[0]), kind))


def test_a_picture_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_PIXELS", 10_000)
    with pytest.raises(ArgumentError, match="too large"):
        drawing.photo_ink(encoded(np.zeros((101, 100))))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_blank_paper_has_no_digit(value):
    with pytest.raises(ArgumentError, match="digit"):
        drawing.normalise(drawing.photo_ink(encoded(np.full((100, 120), value))))


def test_a_picture_as_text_comes_back_whole_and_is_short():
    lengths = []
    for row in ROWS:
        text = drawing.to_text(IMAGES[row])
        assert np.array_equal(drawing.from_text(text), IMAGES[row])
        assert text.isascii()
        assert not set(text) & set("+/=&?#%")
        lengths.append(len(text))
    assert np.median(lengths) < 350


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: drawing.base64.urlsafe_b64encode(b).decode()))
def test_any_other_text_is_refused(text):
    with pytest.raises(ArgumentError, match="damaged"):
        drawing.from_text(text)


def test_a_text_that_claims_to_be_huge_is_refused():
    bomb = drawing.base64.urlsafe_b64encode(drawing.zlib.compress(bytes(10**7), 9)).decode()
    with pytest.raises(ArgumentError, match="incomplete"):
        drawing.from_text(bomb)
