"""Data sets from every kind of file: the right values come from Pillow, torchvision, scikit-learn and closed forms."""

import gzip
import io
import os
import pickle
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torchvision
from PIL import Image
from sklearn.datasets import load_digits

from latent import data, dataset, labels, piles, pixels
from latent.dataset import Dataset
from latent.errors import DataError
from tests.support.models import ROOT

SHARED = ROOT.parent / "shared"
DIGITS, CLASSES = (part[:60] for part in data.evaluation_digits())
RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (12, 40, 24, 3), dtype=np.uint8)  # height 40, width 24


def shared(*parts):
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout")
    return path


def saved(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


class TestTheNoun:
    def test_the_shipped_digits_are_one(self):
        shipped = dataset.shipped()
        images, classes = data.evaluation_digits()
        assert (shipped.name, len(shipped), shipped.image_shape) == ("MNIST", 10_000, (1, 28, 28))
        assert np.array_equal(shipped.images, images)
        assert np.array_equal(shipped.labels, classes)
        assert shipped.classes == tuple("0123456789")
        assert not shipped.note
        for array in (shipped.images, shipped.labels):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0

    def test_the_hash_is_of_shape_pixels_labels_and_class_names(self):
        one = Dataset("a", DIGITS, CLASSES, tuple("0123456789"))
        assert one.sha256 == Dataset("b", DIGITS.copy(), CLASSES.astype(np.int64), one.classes, "elsewhere").sha256
        pixel = DIGITS.copy()
        pixel[3, 4, 5] ^= 1
        others = [
            Dataset("a", pixel, CLASSES, one.classes), Dataset("a", DIGITS, CLASSES[::-1], one.classes),
            Dataset("a", DIGITS, CLASSES, (*one.classes[:9], "nine")), Dataset("a", DIGITS),
            Dataset("a", DIGITS.reshape(60, 14, 56), CLASSES, one.classes),
        ]  # fmt: skip
        assert len({one.sha256, *(other.sha256 for other in others)}) == 6

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ((DIGITS.astype(float),), "Expected uint8"), ((DIGITS[0],), "Expected uint8"),
            ((DIGITS[:0],), "holds no images"), ((np.zeros((3, 0, 5), np.uint8),), "holds no images"),
            ((DIGITS, CLASSES[:-1], tuple("0123456789")), "Expected 60 labels"),
            ((DIGITS, CLASSES, tuple("012345678")), "Expected labels from 0 to 8"),
            ((DIGITS, CLASSES, tuple("0123456780")), "0 is that of several"),
            ((DIGITS, CLASSES, (*"012345678", " ")), "one is empty"),
            ((DIGITS, None, ("a",)), "need labels"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused(self, fields, sentence):
        with pytest.raises(DataError, match=sentence):
            Dataset("a", *fields)


class TestPixels:
    @pytest.mark.parametrize(
        "stored",
        [
            DIGITS, DIGITS[..., None], DIGITS[:, None], np.repeat(DIGITS[..., None], 3, axis=3),
            np.repeat(DIGITS[:, None], 3, axis=1), DIGITS.astype(np.int64), DIGITS.astype(np.uint16) * 257,
            DIGITS.astype(">u2") * 256, DIGITS / 255, (DIGITS / 255).astype(np.float16), DIGITS / 127.5 - 1,
            DIGITS.astype(np.float32), DIGITS.astype(np.float64) * 257, np.asfortranarray(DIGITS),
            np.asfortranarray(DIGITS / 255),
        ],
        ids=lambda stored: f"{stored.dtype} {stored.shape} {stored.max():g}",
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["npy", "npz", "memory"])
    def test_every_layout_type_and_range_is_the_same_set(self, tmp_path, stored, kind):
        if kind == "memory":
            found = Dataset.of(stored)
        else:
            path = tmp_path / f"a.{kind}"
            np.save(path, stored) if kind == "npy" else np.savez_compressed(path, images=stored)
            found = dataset.read(path)
        assert np.array_equal(found.images, DIGITS)
        assert found.labels is None
        assert found.classes == ()

    def test_masks_and_colours_with_alpha(self):
        mask = DIGITS > 127
        expected = np.where(mask, 255, 0)
        for stored in (mask, mask.astype(np.uint8), mask.astype(np.float32)):
            assert np.array_equal(Dataset.of(stored).images, expected)
        alpha = RANDOM.integers(0, 255, (12, 40, 24, 1), dtype=np.uint8)
        four = np.concatenate([COLOURS, alpha], axis=3)
        assert np.array_equal(Dataset.of(four).images, four)
        assert np.array_equal(Dataset.of(four.transpose(0, 3, 1, 2)).images, four)
        opaque = np.concatenate([COLOURS, np.full_like(alpha, 255)], axis=3)
        assert np.array_equal(Dataset.of(opaque).images, COLOURS)

    def test_the_8_by_8_digits_of_scikit_learn(self, tmp_path):
        digits = load_digits()  # floats from 0 to 16
        path = tmp_path / "digits.npz"
        np.savez(path, images=digits.images, target=digits.target, target_names=digits.target_names.astype(str))
        found = dataset.read(path)
        assert found.images.shape == (1797, 8, 8)
        assert np.abs(found.images / 255 - digits.images / 16).max() <= 0.5 / 255 + 1e-9
        assert np.array_equal(found.labels, digits.target)
        assert found.classes == tuple("0123456789")
        assert found.note == "Pixel values from 0 to 16 were scaled to 0–255."

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((28, 28, 3), (1, 28, 28, 3)), ((9, 3, 3), (9, 3, 3)), ((7, 1, 4, 4), (7, 4, 4)),
         ((7, 3, 32, 30), (7, 32, 30, 3)),
         ((5, 17, 2, 3), (5, 17, 2, 3)), ((6, 8, 9, 2), (6, 8, 9)), ((3, 5, 4), (3, 5, 4))],
    )  # fmt: skip
    def test_axes_are_told_apart_by_their_lengths(self, shape, expected):
        assert Dataset.of(RANDOM.integers(1, 256, shape, dtype=np.uint8)).images.shape == expected

    @pytest.mark.parametrize(
        ("stored", "sentence"),
        [
            (np.full((3, 8, 8), np.nan), "No pixel has a finite value"),
            (np.stack([np.eye(8), np.full((8, 8), np.nan)]), "Image 1 has pixels that are not finite"),
            (np.stack([np.eye(8), np.eye(8), np.where(np.eye(8), np.inf, 0)]), "Image 2 has pixels"),
            (RANDOM.normal(size=(5, 8, 8)), "Expected pixel values of 0 to 1, -1 to 1"),
            (np.full((3, 8, 8), -1), "none below 0"),
            (np.zeros((3, 8, 8), complex), "got the type complex128"),
            (np.array(["a"] * 64).reshape(1, 8, 8), "got the type"),
            (np.zeros((1797, 64)), r"got an array of shape \(1797, 64\)"),
            (np.zeros((3, 28, 28, 28)), "at most 4 channels"),
            (np.zeros((0, 28, 28)), "holds no images"), (np.zeros((3, 0, 28)), "holds no images"),
            (np.float64(1), "got an array of shape"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )  # fmt: skip
    def test_numbers_that_are_no_pixels_are_refused_in_one_sentence(self, stored, sentence):
        with pytest.raises(DataError, match=sentence) as caught:
            Dataset.of(stored)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "int64", "int8"])
    def test_integers_up_to_the_largest_of_their_type(self, dtype):
        largest = np.iinfo(dtype).max
        stored = np.array([[[0, largest // 2], [largest - largest // 4, largest]]], dtype)
        assert np.abs(Dataset.of(stored).images.ravel().astype(int) - [0, 127, 191, 255]).max() <= 2


class TestArchives:
    @pytest.mark.parametrize(
        ("images", "names"),
        [("images", "labels"), ("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test"),
         ("images", "y"), ("pictures", "labels"), ("arr_0", "target"), ("x_train", "y_train")],
    )  # fmt: skip
    @pytest.mark.parametrize("columns", [False, True])
    def test_the_names_that_others_use(self, tmp_path, images, names, columns):
        path = tmp_path / "set.npz"
        np.savez(path, **{names: CLASSES[:, None] if columns else CLASSES, images: DIGITS})
        found = dataset.read(path)
        assert (found.name, found.source, found.note) == ("set", "the file set.npz", "")
        assert np.array_equal(found.images, DIGITS)
        assert np.array_equal(found.labels, CLASSES)
        assert found.classes == tuple("0123456789")

    def test_the_test_images_are_taken_and_the_others_are_named(self, tmp_path):
        path = tmp_path / "mnist.npz"
        np.savez(path, x_train=DIGITS[20:], y_train=CLASSES[20:], x_test=DIGITS[:20], y_test=CLASSES[:20])
        found = dataset.read(path)
        assert np.array_equal(found.images, DIGITS[:20])
        assert np.array_equal(found.labels, CLASSES[:20])
        assert found.note == "The images in x_test are used, those in x_train are not."

    @pytest.mark.parametrize(
        ("given", "names", "index", "classes"),
        [
            (np.array([5, 7, 5]), (), [0, 1, 0], ("5", "7")), (np.array([1, 0, 3]), (), [1, 0, 3], tuple("0123")),
            (np.array([-1, 0, 1]), (), [0, 1, 2], ("-1", "0", "1")),
            (np.array([0.0, 2.0, 1.0]), (), [0, 2, 1], tuple("012")),
            (np.array(["dog", "cat", "dog"]), (), [1, 0, 1], ("cat", "dog")),
            (np.array([b"dog", b"cat", b"dog"]), ("dog", "cat"), [0, 1, 0], ("dog", "cat")),
            (np.eye(3)[[2, 0, 1]], (), [2, 0, 1], tuple("012")),
            (np.array([[1], [0], [1]]), ("no", "yes"), [1, 0, 1], ("no", "yes")),
            (np.array([True, False, True]), (), [1, 0, 1], ("0", "1")),
        ],
    )  # fmt: skip
    def test_labels_of_any_kind(self, given, names, index, classes):
        found = Dataset.of(DIGITS[:3], given, names)
        assert found.labels.tolist() == index
        assert found.classes == classes

    @pytest.mark.parametrize(
        ("given", "names", "sentence"),
        [
            (CLASSES[:2], (), "Expected 3 labels, one for each image, got an array of shape"),
            (np.array([0.5, 1, 2]), (), "whole numbers, found fractions"), (np.array([0, np.nan, 2]), (), "not finite"),
            (np.array([0, 1, 2]), ("a", "b"), "Expected labels from 0 to 1"),
            (np.array([-1, 0, 1]), ("a", "b"), "got -1 to 1"),
            (np.array(["a", "b", "c"]), ("a", "b"), "The label c is none of the class names"),
            (np.array([0, 1, 0]), ("a", "a"), "a is that of several"), (np.array(0), (), "Expected 3 labels"),
        ],
    )  # fmt: skip
    def test_labels_that_are_none_are_refused(self, given, names, sentence):
        with pytest.raises(DataError, match=sentence):
            Dataset.of(DIGITS[:3], given, names)

    def test_rows_of_several_classes_leave_a_set_without_labels(self):
        found = Dataset.of(DIGITS[:3], np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]]))
        assert found.labels is None
        assert found.note == "The labels are not used: an image has 3 of them, not one class."

    def test_an_array_of_objects_beside_the_images_stays_closed(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "executed"),)

        path = tmp_path / "a.npz"
        np.savez(path, imgs=(DIGITS > 127).astype(np.uint8), metadata=np.array({"bomb": Bomb()}), latents=np.eye(60))
        assert np.array_equal(dataset.read(path).images, np.where(DIGITS > 127, 255, 0))
        np.savez(path, images=DIGITS, labels=np.array([Bomb()] * 60, object))
        with pytest.raises(DataError, match=r"The array labels in a\.npz holds Python objects"):
            dataset.read(path)
        np.savez(path, images=np.array([Bomb()] * 64, object).reshape(1, 8, 8))
        with pytest.raises(DataError, match="Python objects"):
            dataset.read(path)
        np.save(tmp_path / "a.npy", np.array([Bomb()] * 64, object).reshape(1, 8, 8), allow_pickle=True)
        with pytest.raises(DataError, match="Python objects"):
            dataset.read(tmp_path / "a.npy")
        assert not (tmp_path / "executed").exists()

    def test_several_arrays_without_a_known_name_are_listed(self, tmp_path):
        np.savez(tmp_path / "a.npz", first=DIGITS, second=DIGITS)
        with pytest.raises(DataError, match=r"found first \(60, 28, 28\), second \(60, 28, 28\)"):
            dataset.read(tmp_path / "a.npz")

    def test_the_pneumonia_set(self):
        found = dataset.read(shared("images", "pneumonia.npz"))
        assert found.images.shape == (1148, 28, 28)
        assert found.classes == ("normal", "pneumonia")
        assert np.bincount(found.labels).sum() == 1148
        assert found.note == ""


class TestDrawing:
    """Which images of a large set are used."""

    def test_a_large_array_is_not_read_whole(self, tmp_path):
        n, path = 100_000, tmp_path / "large.npy"
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 28, 28))
        images[:, 0, :4] = np.arange(n, dtype="<u4").view(np.uint8).reshape(n, 4)  # each says its row
        images[:, 14] = 255
        images.flush()
        del images
        tracemalloc.start()
        found = dataset.read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found) == 10_000
        assert peak < 4 * found.images.nbytes + 10e6  # all of it is 10 times as much as what is kept
        rows = np.ascontiguousarray(found.images[:, 0, :4]).view("<u4").ravel()
        assert (np.diff(rows.astype(int)) > 0).all()
        assert abs(rows.mean() / n - 0.5) < 0.02
        assert found.note == "10,000 of 100,000 images are used, drawn at random (seed 0)."
        assert dataset.read(path).sha256 == found.sha256
        assert dataset.read(path, seed=1).sha256 != found.sha256

    def test_images_are_drawn_evenly_over_the_classes(self, monkeypatch):
        monkeypatch.setattr(dataset, "MOST", 100)
        given = np.repeat([0, 1, 2, 3], [5, 20, 400, 575])
        found = Dataset.of(RANDOM.integers(0, 256, (1000, 4, 5), dtype=np.uint8), RANDOM.permutation(given))
        # 5 and 20 have no more; the other two share the 75 that are left
        assert np.bincount(found.labels).tolist()[:2] == [5, 20]
        assert sorted(np.bincount(found.labels).tolist()[2:]) == [37, 38]
        assert found.note == "100 of 1,000 images are used, drawn at random, evenly over the classes (seed 0)."

    @pytest.mark.parametrize("seed", range(5))
    def test_drawn_rows_are_different_ascending_and_seeded(self, seed):
        given = np.random.default_rng(seed).integers(0, 7, 500)
        rows = labels.drawn_evenly(given, 500, 70, seed)
        assert np.bincount(given[rows]).tolist() == [10] * 7
        assert (np.diff(rows) > 0).all()
        assert np.array_equal(rows, labels.drawn_evenly(given, 500, 70, seed))
        assert not np.array_equal(rows, labels.drawn_evenly(given, 500, 70, seed + 1))

    def test_a_set_to_train_on_is_all_of_the_training_part(self, tmp_path, monkeypatch):
        monkeypatch.setattr(dataset, "MOST", 10)
        np.savez(tmp_path / "a.npz", x_train=DIGITS[:40], y_train=CLASSES[:40], x_test=DIGITS[40:], y_test=CLASSES[40:])
        assert np.array_equal(dataset.read(tmp_path / "a.npz", training=True).images, DIGITS[:40])
        rest = {image.tobytes() for image in DIGITS[40:]}
        assert {image.tobytes() for image in dataset.read(tmp_path / "a.npz").images} < rest
        for row, image in enumerate(DIGITS):
            saved(tmp_path / "all" / ("train" if row < 40 else "test") / f"{row}.png", image)
        assert len(dataset.read(tmp_path / "all", training=True)) == 40

    @pytest.mark.parametrize(("n", "n_held_out"), [(3, 1), (100, 15), (1000, 150)])
    def test_a_share_of_every_class_is_held_out(self, n, n_held_out):
        given = np.sort(RANDOM.integers(0, 3, n))
        images = np.arange(n * 4).reshape(n, 2, 2).astype(np.uint8)
        images[:, 0] = np.arange(n)[:, None] // np.array([1, 256])  # no two are equal
        training, held_out = Dataset.of(images, given, ("a", "b", "c")).split()
        assert (len(training), len(held_out)) == (n - n_held_out, n_held_out)
        found = [image.tobytes() for part in (training, held_out) for image in part.images]
        assert sorted(found) == sorted(image.tobytes() for image in images)
        assert np.abs(np.bincount(held_out.labels, minlength=3) - 0.15 * np.bincount(given, minlength=3)).max() < 1.5

    @pytest.mark.parametrize(("n", "n_classes"), [(1000, 100), (30, 30), (1, 1)])
    def test_many_classes_and_one_image_a_class(self, n, n_classes):
        found = Dataset.of(RANDOM.integers(0, 256, (n, 5, 6), dtype=np.uint8), np.arange(n) % n_classes)
        assert len(found.classes) == n_classes
        assert set(np.bincount(found.labels)) == {n // n_classes}

    def test_no_more_memory_than_allowed_is_used(self, monkeypatch, tmp_path):
        monkeypatch.setattr(dataset, "MOST_BYTES", 10 * 28 * 28)
        assert len(Dataset.of(DIGITS)) == 10
        for row, image in enumerate(DIGITS):
            saved(tmp_path / "digits" / f"{row}.png", image)
        assert len(dataset.read(tmp_path / "digits")) == 10

    def test_larger_images_are_reduced_and_it_is_said(self, tmp_path):
        large = RANDOM.integers(0, 256, (2, 300, 600), dtype=np.uint8)
        found = Dataset.of(large)
        expected = [np.asarray(Image.fromarray(image).resize((256, 128), Image.Resampling.BILINEAR)) for image in large]
        assert np.array_equal(found.images, expected)
        assert found.note == "The images were reduced from 600 × 300 to 256 × 128 pixels."
        for row, image in enumerate(large):
            saved(tmp_path / "large" / f"{row}.png", image)
        assert np.array_equal(dataset.read(tmp_path / "large").images, expected)
        assert "2 of 2 images were reduced" in dataset.read(tmp_path / "large").note


@pytest.fixture
def classes_folder(tmp_path):
    """A folder of classes with pictures at several depths, files that are no pictures, and a class in capitals."""
    folder = tmp_path / "photos"
    for row, image in enumerate(COLOURS):
        saved(folder / ("Zebra", "ant", "bee/young")[row % 3] / f"{row}.png", image)
    (folder / "ant" / "notes.txt").write_text("no picture")
    (folder / "ant" / ".hidden.png").write_bytes(b"")
    return folder


def files_in(folder):
    return [(str(path.relative_to(folder)), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


class TestPictures:
    def test_a_folder_is_read_as_torchvision_does(self, classes_folder):
        (classes_folder / "ant" / ".hidden.png").unlink()  # which torchvision takes for a picture
        found, theirs = dataset.read(classes_folder), torchvision.datasets.ImageFolder(classes_folder)
        assert found.classes == tuple(theirs.classes) == ("Zebra", "ant", "bee")
        assert found.labels.tolist() == theirs.targets
        assert np.array_equal(found.images, np.stack([np.asarray(image) for image, _ in theirs]))
        assert (found.name, found.source, found.note) == ("photos", "the folder photos", "")

    @pytest.mark.parametrize("around", ["", "photos/", "a/b/photos/"])
    def test_a_zip_of_a_folder_is_the_folder(self, tmp_path, classes_folder, around):
        files = [(around + name, content) for name, content in files_in(classes_folder)]
        path = zipped(tmp_path / "photos.zip", [*files, (f"__MACOSX/{around}ant/._0.png", b"\0\5\x16\7")])
        assert dataset.read(path).sha256 == dataset.read(classes_folder).sha256

    def test_one_folder_is_no_class_and_parts_of_a_set_are_none(self, tmp_path):
        for row in range(4):
            saved(tmp_path / "set" / "test" / "ab"[row % 2] / f"{row}.png", DIGITS[row])
            saved(tmp_path / "set" / "train" / "ab"[row % 2] / f"{row}.png", DIGITS[row + 10])
        found = dataset.read(tmp_path / "set")
        assert np.array_equal(found.images, DIGITS[[0, 2, 1, 3]])
        assert found.classes == ("a", "b")
        assert found.note == "The images in test are used, those in train are not."
        flat = dataset.read(tmp_path / "set" / "test" / "a")
        assert flat.labels is None
        assert np.array_equal(flat.images, DIGITS[[0, 2]])
        saved(tmp_path / "set" / "test" / "loose.png", DIGITS[0])
        assert "1 image lies in no class and is left out." in dataset.read(tmp_path / "set" / "test").note

    def test_sizes_are_made_that_of_most_and_grey_and_colour_one(self, tmp_path):
        for row in range(3):
            saved(tmp_path / "set" / f"{row}.png", COLOURS[row])
        other = RANDOM.integers(0, 256, (30, 30), dtype=np.uint8)
        saved(tmp_path / "set" / "other.png", other)
        found = dataset.read(tmp_path / "set")
        assert np.array_equal(found.images[:3], COLOURS[:3])
        expected = np.asarray(Image.fromarray(other).resize((24, 40), Image.Resampling.BILINEAR).convert("RGB"))
        assert np.array_equal(found.images[3], expected)
        assert found.note == "1 of 4 images were resized to 24 × 40 pixels."

    def test_every_way_to_store_a_picture_is_the_same_picture(self, tmp_path):
        folder, digit = tmp_path / "set", DIGITS[0]
        grey = Image.fromarray(digit)
        exif = Image.Exif()
        exif[0x0112] = 6  # shown after a quarter turn clockwise
        alpha = np.zeros((28, 28, 4), np.uint8)
        alpha[..., :3], alpha[..., 3] = 255, digit  # white, and its shape in the alpha channel alone
        saved(folder / "a.png", grey)
        saved(folder / "b.tif", digit.astype(np.float32) / 255)
        saved(folder / "c.tif", digit.astype(np.uint16) * 257)
        saved(folder / "d.png", digit.astype(np.uint16) * 257)
        saved(folder / "e.png", np.rot90(digit), exif=exif)
        saved(folder / "f.png", alpha)
        saved(folder / "g.png", Image.fromarray(alpha).convert("LA"))
        saved(folder / "h.png", grey.convert("P"))
        saved(folder / "i.bmp", grey.convert("RGB"))
        saved(folder / "j.webp", grey.convert("RGB"), lossless=True)
        saved(folder / "k.tif", np.rot90(digit), exif=exif)
        saved(folder / "l.tif", digit.astype(np.int32))
        saved(folder / "m.pgm", grey)
        saved(folder / "n.tif", digit.astype(np.float32))
        found = dataset.read(folder)
        assert found.images.shape == (14, 28, 28)
        for name, image in zip("abcdefghijklmn", found.images):
            assert np.array_equal(image, digit), name
        assert found.note == ""

    def test_a_dark_picture_stays_dark(self, tmp_path):
        """Though its values alone could be those of a mask or of another range."""
        dark = DIGITS[0] // 20
        for row, kind in enumerate((np.uint8, np.float32, np.int32)):
            saved(tmp_path / "set" / f"{row}.tif", dark.astype(kind))
        assert np.array_equal(dataset.read(tmp_path / "set").images, [dark] * 3)

    def test_a_drawing_that_is_seen_on_white_is_put_onto_white(self, tmp_path):
        ink = np.zeros((28, 28, 4), np.uint8)
        ink[..., 3] = DIGITS[0]
        assert np.array_equal(dataset.read(saved(tmp_path / "a.png", ink)).images[0], 255 - DIGITS[0])

    def test_pages_are_images(self, tmp_path):
        pages = [Image.fromarray(image) for image in DIGITS[:4]]
        path = saved(tmp_path / "pages.tif", pages[0], save_all=True, append_images=pages[1:])
        assert np.array_equal(dataset.read(path).images, DIGITS[:4])

    def test_no_more_pages_than_images_are_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(dataset, "MOST", 6)
        pages = [Image.fromarray(image) for image in DIGITS[:4]]
        for name in "abc":
            saved(tmp_path / "set" / f"{name}.tif", pages[0], save_all=True, append_images=pages[1:])
        found = dataset.read(tmp_path / "set")
        assert np.array_equal(found.images, DIGITS[[0, 1, 2, 3, 0, 1]])
        assert found.note == "Only the first 6 images in these files are used."

    def test_damaged_pictures_are_left_out_and_named(self, tmp_path):
        for row in range(3):
            saved(tmp_path / "set" / f"{row}.png", DIGITS[row])
        (tmp_path / "set" / "1.png").write_bytes(png(DIGITS[1])[:60])
        (tmp_path / "set" / "3.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n")
        saved(tmp_path / "set" / "4.png", np.zeros((9, 9, 4), np.uint8))  # transparent everywhere
        saved(tmp_path / "set" / "5.tif", np.full((9, 9), np.nan, np.float32))
        found = dataset.read(tmp_path / "set")
        assert np.array_equal(found.images, DIGITS[[0, 2]])
        assert found.note == "4 of 6 files cannot be read and are left out; the first: 1.png, 3.png, 4.png."
        for row in (0, 2):
            (tmp_path / "set" / f"{row}.png").unlink()
        with pytest.raises(DataError, match=r"None of the 4 images can be read; the first is 1\.png\."):
            dataset.read(tmp_path / "set")


class TestIdx:
    @pytest.mark.parametrize("zip_images", [False, True])
    @pytest.mark.parametrize("zip_labels", [False, True, None])
    def test_the_files_of_mnist(self, tmp_path, zip_images, zip_labels):
        content = struct.pack(">IIII", 2051, 60, 28, 28) + DIGITS.tobytes()
        beside = struct.pack(">II", 2049, 60) + CLASSES.tobytes()
        path = tmp_path / f"t10k-images-idx3-ubyte{'.gz' * zip_images}"
        path.write_bytes(gzip.compress(content, mtime=0) if zip_images else content)
        (tmp_path / "train-images-idx3-ubyte").write_bytes(content[:-28])  # damaged, and not asked for
        if zip_labels is not None:
            name = f"t10k-labels-idx1-ubyte{'.gz' * zip_labels}"
            (tmp_path / name).write_bytes(gzip.compress(beside, mtime=0) if zip_labels else beside)
        for found in (dataset.read(path), dataset.read(tmp_path)):
            assert np.array_equal(found.images, DIGITS)
            assert (found.labels is None) == (zip_labels is None)
            assert found.labels is None or np.array_equal(found.labels, CLASSES)

    def test_they_are_the_shipped_set(self):
        path = shared("mnist", "MNIST", "raw", "t10k-images-idx3-ubyte")
        assert dataset.read(path).sha256 == dataset.shipped().sha256

    def test_torchvision_sets_by_name(self, fashion_folder):
        found = dataset.named("FashionMNIST", fashion_folder, download=False)
        images, given = data.evaluation_digits()
        assert np.array_equal(found.images, images[6000:7000])
        assert np.array_equal(found.labels, given[6000:7000])
        assert found.classes[9] == "Ankle boot"
        assert (found.name, found.source) == ("FashionMNIST", "the test images of FashionMNIST")
        with pytest.raises(DataError, match="KMNIST"):
            dataset.named("CIFAR10", fashion_folder)


def npy_head(shape, dtype="|u1"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


BOMB_HEAD = struct.pack(">IIII", 2051, 2**32 - 1, 28, 28)
IDX_HEAD = struct.pack(">IIII", 2051, 60, 28, 28)


class TestHostileFiles:
    @pytest.mark.parametrize(
        ("name", "content", "sentence"),
        [
            ("a.npz", b"", "is not a data set"), ("a.npz", b"PK\3\4 no archive", "damaged or incomplete"),
            ("a.npy", b"\x93NUMPY", "damaged or incomplete"),
            ("a.npy", npy_head((10**9, 28, 28)), "damaged or incomplete"),
            ("a.npy", npy_head((-1, 28, 28)), "holds no images"), ("a.npy", npy_head((2, 2**40, 2**40)), "too large"),
            ("a.npy", npy_head((1, 8, 8), "|O") + pickle.dumps(1), "Python objects"),
            ("a.npy", npy_head((1, 8, 8), [("a", "<u1")]) + bytes(64), "its type is"),
            ("a.pkl", pickle.dumps(np.eye(3)), "is not a data set"), ("a.csv", b"1,2,3\n", "is not a data set"),
            ("a-images-idx3-ubyte", BOMB_HEAD, "damaged or incomplete"),
            ("a-images-idx3-ubyte.gz", gzip.compress(BOMB_HEAD, mtime=0), "unpacks to more than 4 GB"),
            ("a-images-idx3-ubyte", IDX_HEAD + bytes(100), "damaged or incomplete"),
            ("a-images-idx3-ubyte.gz", b"\x1f\x8b no gzip", "cannot be read"),
            ("a-images-idx3-ubyte.gz", gzip.compress(IDX_HEAD + bytes(47040), mtime=0)[:50], "cannot be read"),
            ("a.png", b"no picture", "None of the 1 images can be read"),
            ("a.zip", b"PK\5\6" + bytes(18), "No images found"),
        ],
    )  # fmt: skip
    def test_files_that_are_damaged_or_something_else(self, tmp_path, name, content, sentence):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=sentence) as caught:
            dataset.read(tmp_path / name)
        assert name in str(caught.value) or "No images found" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_what_is_not_there_or_empty(self, tmp_path):
        with pytest.raises(DataError, match=r"gone\.npz cannot be read: No such file"):
            dataset.read(tmp_path / "gone.npz")
        with pytest.raises(DataError, match="No images found"):
            dataset.read(tmp_path)

    @pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "x/../../a.png", "C:\\a.png", "..\\a.png"])
    def test_paths_that_leave_an_archive(self, tmp_path, name):
        path = zipped(tmp_path / "a.zip", [("in/b.png", png(DIGITS[0])), (name, png(DIGITS[1]))])
        with pytest.raises(DataError, match="leaves the archive"):
            dataset.read(path)

    def test_links_in_an_archive(self, tmp_path):
        link = zipfile.ZipInfo("a.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with pytest.raises(DataError, match=r"has a link, a\.png"):
            dataset.read(zipped(tmp_path / "a.zip", [(link, "/etc/passwd")]))

    def test_links_that_leave_a_folder(self, tmp_path):
        inside, outside = saved(tmp_path / "in" / "a.png", DIGITS[0]), saved(tmp_path / "out" / "b.png", DIGITS[1])
        (tmp_path / "in" / "again.png").symlink_to(inside)
        (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
        assert np.array_equal(dataset.read(tmp_path / "in").images, DIGITS[[0, 0]])
        for target in (outside, outside.parent, tmp_path):
            link = tmp_path / "in" / "link.png"
            link.symlink_to(target)
            with pytest.raises(DataError, match="links to a place outside of the folder in"):
                dataset.read(tmp_path / "in")
            link.unlink()

    def test_archives_that_unpack_to_far_too_much(self, tmp_path, monkeypatch):
        content = png(DIGITS[0])
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", content)
            archive.writestr("b.png", content + bytes(10**6))
        assert len(dataset.read(path)) == 2
        monkeypatch.setattr(piles, "LARGEST_TOTAL", 10**6)
        with pytest.raises(DataError, match="unpacks to more than"):
            dataset.read(path)
        monkeypatch.setattr(piles, "LARGEST_ENTRY", 10**5)
        with pytest.raises(DataError, match=r"b\.png in bomb\.zip unpacks to more than"):
            dataset.read(path)
        np.savez_compressed(tmp_path / "bomb.npz", images=DIGITS)
        monkeypatch.setattr(dataset, "LARGEST_TOTAL", 1000)
        with pytest.raises(DataError, match="unpacks to more than"):
            dataset.read(tmp_path / "bomb.npz")

    def test_an_archive_that_says_another_size_than_it_has(self, tmp_path):
        path = zipped(tmp_path / "a.npz", [("images.npy", npy_head((10**6, 28, 28)) + bytes(100))])
        with pytest.raises(DataError, match="damaged or incomplete"):
            dataset.read(path)

    def test_pictures_that_are_too_large_are_not_decoded(self, tmp_path, monkeypatch):
        monkeypatch.setattr("latent.pictures.MOST_PIXELS", 500)
        with pytest.raises(DataError, match="None of the 1 images can be read"):
            dataset.read(saved(tmp_path / "a.png", DIGITS[0]))
        bomb = struct.pack(">II", 10**5, 10**5).join([png(DIGITS[0])[:16], png(DIGITS[0])[24:]])
        (tmp_path / "a.png").write_bytes(bomb)
        with pytest.raises(DataError, match="None of the 1 images can be read"):
            dataset.read(tmp_path / "a.png")

    def test_names_from_outside_are_cleaned(self, tmp_path):
        for name in (b"caf\xe9", b"line\nbreak", "é".encode()):  # the first is no UTF-8
            saved(tmp_path / "set" / os.fsdecode(name) / "a.png", DIGITS[0])
        assert sorted(dataset.read(tmp_path / "set").classes) == ["caf\ufffd", "line\ufffdbreak", "é"]
        (tmp_path / "a\nb.npz").write_bytes(b"PK\3\4")
        with pytest.raises(DataError) as caught:
            dataset.read(tmp_path / "a\nb.npz")
        assert "\n" not in str(caught.value)


def test_the_ground_of_a_transparent_picture_is_told_by_its_contrast():
    rgba = np.zeros((2, 2, 4), np.uint8)
    with pytest.raises(DataError, match="transparent everywhere"):
        pixels.flattened(Image.fromarray(rgba))
    rgba[0, 0] = 255, 0, 0, 255
    assert np.asarray(pixels.flattened(Image.fromarray(rgba))).tolist() == [
        [[255, 0, 0], [255, 255, 255]], [[255, 255, 255], [255, 255, 255]],
    ]  # fmt: skip
    rgba[0, 0] = 240, 240, 240, 255
    assert np.asarray(pixels.flattened(Image.fromarray(rgba)))[1, 1].tolist() == [0, 0, 0]
