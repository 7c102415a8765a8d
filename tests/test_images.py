import base64
import io

import numpy as np
import pytest
from PIL import Image

from latent import images
from latent.errors import ArgumentError

PICTURES = np.random.default_rng(0).random((5, 28, 28), dtype=np.float32)


def test_floats_are_clipped_and_rounded():
    assert images.to_uint8(np.array([-1, 0, 0.5, 1, 2])).tolist() == [0, 0, 128, 255, 255]
    as_it_is = np.array([7], np.uint8)
    assert images.to_uint8(as_it_is) is as_it_is


def test_a_sheet_holds_every_picture_in_its_place_with_hard_pixels_and_clear_gaps():
    pixels = np.asarray(images.sheet(PICTURES, columns=3, zoom=2).image)
    step = 2 * (28 + images.GAP)
    assert pixels.shape == (2 * step - 2 * images.GAP, 3 * step - 2 * images.GAP, 2)
    fourth = pixels[step : step + 56, 0:56]
    assert np.array_equal(fourth[::2, ::2, 0], images.to_uint8(PICTURES[3]))
    assert np.array_equal(fourth[::2, ::2], fourth[1::2, 1::2])
    assert np.all(fourth[..., 1] == 255)
    assert np.all(pixels[:, 56:60, 1] == 0)  # the gap
    assert np.all(pixels[step:, 2 * step :, 1] == 0)  # the place of the sixth, which is not there


def test_names_stand_beside_the_tiles_and_leave_them_as_they_are():
    bare = np.asarray(images.sheet(PICTURES[:2], 2, 4).image)
    named = np.asarray(images.sheet(PICTURES[:2], 2, 4, row_names=["12"], column_names=["-1.00", "2.00"]).image)
    assert named.shape[0] > bare.shape[0]
    assert named.shape[1] > bare.shape[1]
    assert np.array_equal(named[: bare.shape[0], -bare.shape[1] :], bare)
    assert named[: bare.shape[0], : -bare.shape[1], 1].any()
    for column in range(2):
        left = named.shape[1] - bare.shape[1] + column * 120
        assert named[bare.shape[0] :, left : left + 112, 1].any()


def test_rows_and_pairs():
    rows = images.rows_sheet([PICTURES, 1 - PICTURES])
    assert rows.image.size == images.sheet(PICTURES.repeat(2, axis=0), 5).image.size
    pairs = np.asarray(images.pairs_sheet(PICTURES, PICTURES, columns=12).image)
    assert np.array_equal(pairs[:28, :28, 0], images.to_uint8(PICTURES[0]))
    red, blue = pairs[28:56, :28, 0].astype(int), pairs[28:56, :28, 2].astype(int)
    assert (blue >= red).all()
    assert (blue > red).any()


@pytest.mark.parametrize("names", [{}, {"row_names": ["a", "b"], "column_names": ["0.5"] * 3}])
@pytest.mark.parametrize("gap", [0, 2])
def test_the_boxes_are_where_the_pictures_are(names, gap):
    sheet = images.sheet(PICTURES, columns=3, zoom=2, gap=gap, **names)
    for picture, (left, top, right, bottom) in zip(PICTURES, sheet.boxes, strict=True):
        cut = np.asarray(sheet.image)[top:bottom:2, left:right:2, 0]
        assert np.array_equal(cut, images.to_uint8(picture))


def test_the_boxes_of_pairs_are_the_upper_ones_then_the_lower_ones():
    sheet = images.pairs_sheet(PICTURES, 1 - PICTURES, columns=3, zoom=2)
    pixels = np.asarray(sheet.image)
    assert len(sheet.boxes) == 2 * len(PICTURES)
    for picture, (left, top, right, bottom) in zip([*PICTURES, *(1 - PICTURES)], sheet.boxes):
        cut = pixels[top:bottom:2, left:right:2]
        assert cut.shape[:2] == (28, 28)
        blue = cut[..., 2]  # the channel that the tint leaves alone
        assert np.array_equal(blue, images.to_uint8(picture))


@pytest.mark.parametrize(("n", "columns", "zoom"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_an_empty_sheet_is_refused(n, columns, zoom):
    with pytest.raises(ArgumentError):
        images.sheet(PICTURES[:n], columns, zoom)


def test_differences_are_red_above_and_blue_below():
    less, none, more = images.signed_to_rgb(np.array([[-1.0, 0.0, 1.0]]))[0].astype(int)
    assert less[2] > less[0] + 50
    assert more[0] > more[2] + 50
    assert none.min() > 240


def test_png_and_data_uri():
    sheet = images.sheet(PICTURES, 5)
    uri = images.data_uri(sheet.png())
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    picture = Image.open(io.BytesIO(content))
    assert picture.mode == "LA"
    assert np.array_equal(np.asarray(picture), np.asarray(sheet.image))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_png_is_read_back_as_it_was_written(mode):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 14, 4), dtype=np.uint8)).convert(mode)
    picture = picture.resize((42, 27), Image.Resampling.NEAREST)  # lines that repeat, and lines that do not
    content = images.png_bytes(picture)
    with Image.open(io.BytesIO(content)) as back:
        back.verify()
    back = Image.open(io.BytesIO(content)).convert("RGBA")
    assert np.array_equal(np.asarray(back), np.asarray(picture.convert("RGBA")))


def test_a_png_of_coloured_pictures_keeps_their_colours():
    sheet = images.sheet(images.signed_to_rgb(PICTURES - 0.5), 5)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(sheet.png()))), np.asarray(sheet.image))


@pytest.mark.parametrize("names", [{}, {"row_names": ["a"], "column_names": ["0.5"] * 5}])
def test_the_address_of_a_sheet_is_its_picture_before_enlarging_where_that_leaves_nothing_out(names):
    sheet = images.sheet(PICTURES, 5, zoom=3, **names)
    content = base64.b64decode(sheet.address.removeprefix("data:image/png;base64,"))
    picture = Image.open(io.BytesIO(content))
    assert picture.size == sheet.size if names else picture.size == (sheet.size[0] // 3, sheet.size[1] // 3)
    enlarged = picture.resize(sheet.size, Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(enlarged), np.asarray(sheet.image))
    assert sheet.address is sheet.address


def test_a_gif_goes_there_and_back():
    ramp = np.linspace(0, 1, 4)[:, None, None] * np.ones((4, 8, 8))
    gif = Image.open(io.BytesIO(images.gif_bytes(ramp, zoom=2, milliseconds=50)))
    frames = []
    for index in range(gif.n_frames):
        gif.seek(index)
        frames.append(int(np.asarray(gif.convert("L"))[0, 0]))
    assert frames == [0, 85, 170, 255, 170, 85]
    assert gif.size == (56, 56)  # as large as 28 pixels at this zoom
    assert gif.info["loop"] == 0


@pytest.mark.parametrize(("side", "zoom", "shown"), [(28, 3, 84), (8, 3, 80), (64, 3, 64), (256, 3, 84), (64, 1, 28)])
def test_pictures_of_any_size_are_shown_about_as_large_as_digits_are(side, zoom, shown):
    pictures = np.zeros((2, side, side, 3), np.uint8)
    sheet = images.sheet(pictures, 2, zoom)
    assert sheet.boxes[0].tolist() == [0, 0, shown, shown]
    assert images.pairs_sheet(pictures, pictures, 2, zoom).boxes[:, 2].max() > shown


def test_a_reduced_picture_keeps_its_shape_and_its_brightness():
    half = np.zeros((1, 100, 200), np.uint8)
    half[:, :, 100:] = 200
    reduced, zoom = images.as_large(half, 1)
    assert (reduced.shape, zoom) == ((1, 14, 28), 1)
    assert abs(float(reduced.mean()) - 100) < 3


def test_changes_of_colours_are_those_of_their_brightness():
    grey = np.zeros((2, 3, 4), np.float32)
    grey[1, 0, 0] = 0.5
    colour = np.repeat(grey[..., None], 3, axis=3)
    assert np.array_equal(images.changes_to_rgb(colour, colour[0]), images.changes_to_rgb(grey, grey[0]))
    assert images.changes_to_rgb(grey, grey[0]).shape == (2, 3, 4, 3)
