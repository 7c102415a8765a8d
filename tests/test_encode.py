"""Codes of folders and data sets in a file: the same bytes however often a run is killed and however many share it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from latent import checkpoint, data, encode, encoded, inference, sources
from latent.encoded import Encoded
from latent.errors import CodesError
from latent.statistics import QUANTILES, LatentStatistics
from tests.support.exhaustive import few_of, few_rows_of
from tests.support.models import ROOT, tiny

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
DIGITS = data.evaluation_digits()[0]

# A run with chunks of 500 rows that writes half of its fourth, and then waits to be killed.
STOPS_IN_ITS_FOURTH_CHUNK = """
import sys, time
from latent import encode
encode.CHUNK = 500
write = encode.CodeFile.write
def stop(file, chunk, z):
    if chunk == 3:
        with file.path.open("r+b") as codes:
            codes.seek(-(file.n - 1500) * 4 * file.latent_dim, 2)
            codes.write(z[:250].tobytes() + b"garbage")
        print("in the fourth chunk", flush=True)
        time.sleep(600)
    write(file, chunk, z)
encode.CodeFile.write = stop
encode.main(sys.argv[1:])
"""


def command(*options, processes=0):
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"] if processes else []
    return [sys.executable, *launcher, "-m", "latent.encode", *map(str, options)]


def run(*options):
    return encode.main([str(option) for option in options])


def refusal(capsys, *options):
    """The sentence that the command says to these options."""
    assert run(*options) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith(".\n")
    return error


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 500 rows, so that a few thousand images are many chunks."""
    monkeypatch.setattr(encode, "CHUNK", 500)


@pytest.fixture
def images_file(tmp_path):
    """An array of 2,600 digits: five whole chunks of 500 and a part of one."""
    path = tmp_path / "images.npy"
    np.save(path, DIGITS[:2600])
    return path


def files_of(out):
    return {path.name.removeprefix(out.stem): path.read_bytes() for path in out.parent.glob(f"{out.stem}.*")}


class TestCodes:
    def test_they_are_bit_for_bit_those_of_encoding_in_memory(self, tmp_path, tiny_file, images_file, small_chunks):
        out = tmp_path / "out" / "codes.npy"
        assert run(tiny_file, "--data", images_file, "--out", out) == 0
        z = np.load(out)
        assert z.dtype == np.float32
        assert np.array_equal(z, inference.encode(checkpoint.load(tiny_file).model(), DIGITS[:2600]))
        assert sorted(path.name for path in out.parent.iterdir()) == ["codes.files.jsonl", "codes.json", "codes.npy"]

    def test_statistics_are_those_of_the_whole_array(self, tmp_path, tiny_file, images_file, small_chunks):
        out = tmp_path / "codes.npy"
        run(tiny_file, "--data", images_file, "--out", out)
        found, exact = Encoded.open(out), LatentStatistics.of(np.load(out))
        for name in ("mean", "std", "min", "max"):
            assert np.allclose(getattr(found.statistics, name), getattr(exact, name), rtol=1e-6), name
        assert found.statistics.n == exact.n == found.n == 2600
        assert np.abs(found.statistics.quantiles - exact.quantiles).max() <= found.resolution * 1.0001
        said = json.loads(out.with_suffix(".json").read_text())
        assert said["checkpoint"] == {"name": "tiny.pt", "sha256": checkpoint.fingerprint(tiny_file)}
        assert set(said["statistics"]["quantiles"]) == set(map(str, QUANTILES))

    @pytest.mark.exhaustive
    def test_memory_does_not_grow_with_the_number_of_images(self, tmp_path, small_chunks):
        """Python's and NumPy's own peak; the network's tensors are no part of it."""

        class Counted:
            labels = None

            def read(self, start, stop, image_shape, framed=False):
                return np.zeros((stop - start, 28, 28), np.uint8), np.ones(stop - start, bool)

            def name(self, row):
                return str(row)

        peaks = []
        model = tiny().model()
        for n in (5_000, 5_000, 50_000):  # the first warms up what is made once
            begun = Encoded(tmp_path / f"{len(peaks)}.npy", "tiny.pt", "", n, 2, {})
            encode.CodeFile(begun.path, n, 2).prepare()
            tracemalloc.start()
            encode.encode(model, Counted(), begun, say=lambda line: None)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[2] < peaks[1] + 50_000 * 2 * 4  # less than the codes alone would take

    def test_a_data_set_is_encoded_by_name(self, tmp_path, tiny_file, fashion_folder):
        out = tmp_path / "codes.npy"
        options = ["--dataset", "FashionMNIST", "--part", "test", "--data", fashion_folder, "--out", out]
        assert run(tiny_file, *options) == 0
        assert np.array_equal(np.load(out), inference.encode(checkpoint.load(tiny_file).model(), DIGITS[6000:7000]))

    def test_images_of_other_sizes_and_colours_are_fitted(self, tmp_path):
        model_file = tmp_path / "colour.pt"
        checkpoint.save(model_file, tiny(image_shape=(3, 16, 20)))
        folder = tmp_path / "images"
        folder.mkdir()
        colour = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(DIGITS[0]).save(folder / "grey.png")
        Image.fromarray(colour).save(folder / "colour.bmp")
        Image.fromarray(colour).convert("P").save(folder / "palette.gif")
        Image.fromarray(DIGITS[1].astype(np.uint16) * 257).save(folder / "sixteen.png")
        np.save(folder / "array.npy", np.stack([colour, colour[::-1]]))
        out = tmp_path / "codes.npy"
        assert run(model_file, "--data", folder, "--out", out) == 0
        model = checkpoint.load(model_file).model()
        palette = np.asarray(Image.open(folder / "palette.gif").convert("RGB"))
        expected = [np.stack([colour, colour[::-1]]), colour[None], DIGITS[:1], palette[None], DIGITS[1:2]]
        fitted = np.concatenate([data.fit(images, (3, 16, 20)) for images in expected])
        assert np.array_equal(np.load(out), inference.encode(model, fitted))
        back = data.fit(np.repeat(DIGITS[:3, ..., None], 3, axis=-1), (1, 28, 28))
        assert np.array_equal(back, DIGITS[:3]), "grey as colour is no longer the same grey"


class TestFolder:
    def test_files_at_any_depth_come_in_the_order_of_their_paths(self, tmp_path, tiny_file, monkeypatch):
        monkeypatch.setattr(sources, "SORTED_AT_ONCE", 4)  # so that there are parts to merge
        folder = tmp_path / "images"
        names = [
            "z.png",
            "a/b/c/d.webp",
            "a/x.jpg",
            "ä é.png",
            "a.b/1.tif",
            "quote'\"\n.bmp",
            "B.PNG",
            "k/10.png",
            "k/9.png",
        ]
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(DIGITS[number]).save(folder / name, lossless=True)
        np.save(folder / "k" / "9a.npy", DIGITS[20:23])
        np.savez_compressed(folder / "m.npz", labels=np.arange(4, dtype=np.uint8), images=DIGITS[30:34])
        np.save(folder / "labels.npy", np.arange(7, dtype=np.uint8))
        (folder / "notes.txt").write_text("not an image")
        (folder / ".hidden.png").write_bytes(b"")
        out = folder / "codes.npy"
        assert run(tiny_file, "--data", folder, "--out", out) == 0
        lines = [json.loads(line) for line in (folder / "codes.files.jsonl").read_text("utf-8").splitlines()]
        assert [name for _, name in lines] == sorted([*names, "k/9a.npy", "m.npz"])
        pictures = {name: DIGITS[number : number + 1] for number, name in enumerate(names)}
        pictures |= {"k/9a.npy": DIGITS[20:23], "m.npz": DIGITS[30:34]}
        pictures["a/x.jpg"] = np.asarray(Image.open(folder / "a/x.jpg"))[None]  # a JPEG loses a little
        in_order = np.concatenate([pictures[name] for _, name in lines])
        assert np.array_equal(np.load(out), inference.encode(checkpoint.load(tiny_file).model(), in_order))
        assert not Encoded.open(out).unreadable

    def test_what_cannot_be_read_is_nan_named_and_left_out_of_the_statistics(self, tmp_path, tiny_file, capsys):
        folder = tmp_path / "images"
        folder.mkdir()
        for number in range(6):
            Image.fromarray(DIGITS[number]).save(folder / f"{number}.png")
        (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:90])
        (folder / "3.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n")
        whole = tmp_path / "whole.npy"
        np.save(whole, DIGITS[:4])
        (folder / "4a.npy").write_bytes(whole.read_bytes()[:2000])
        (folder / "4b.npz").write_bytes(b"PK no archive")
        out = tmp_path / "codes.npy"
        assert run(tiny_file, "--data", folder, "--out", out) == 0
        z = np.load(out)
        assert np.flatnonzero(np.isnan(z).any(axis=1)).tolist() == [1, 3, 5, 6]
        readable = inference.encode(checkpoint.load(tiny_file).model(), DIGITS[:6])[[0, 2, 4, 5]]
        assert np.allclose(z[[0, 2, 4, 7]], readable, atol=1e-6)
        found = Encoded.open(out)
        assert (found.unreadable, found.first_unreadable) == (4, ("1.png", "3.png", "4a.npy", "4b.npz"))
        assert found.statistics.n == 4
        assert len(found.sample()) == 4
        assert "unreadable images, whose rows are NaN: 4; the first: 1.png, 3.png" in capsys.readouterr().out

    def test_an_array_that_shrank_since_it_was_listed_gives_no_other_images(self, tmp_path):
        path = tmp_path / "a.npy"
        np.save(path, DIGITS[:20])
        n = sources.list_files(path, tmp_path / "listing", leave_out=tmp_path)
        np.save(path, DIGITS[:1])
        images, readable = sources.Files(tmp_path, tmp_path / "listing", n).read(0, 10, (1, 28, 28))
        assert not readable.any()
        assert not images.any()

    def test_a_folder_that_is_gone_stops_the_run_and_marks_nothing(self, tmp_path, tiny_file, capsys, small_chunks):
        folder, out = tmp_path / "images", tmp_path / "codes.npy"
        folder.mkdir()
        np.save(folder / "a.npy", DIGITS[:1200])
        options = [tiny_file, "--data", folder, "--out", out]
        with pytest.MonkeyPatch.context() as patch:
            rows = encode.encode_rows

            def unmount(model, source, start, stop):
                if start:
                    shutil.rmtree(folder, ignore_errors=True)
                return rows(model, source, start, stop)

            patch.setattr(encode, "encode_rows", unmount)
            assert "no longer there" in last_line(capsys, *options)
        assert (tmp_path / "codes.npy.done").read_bytes() == b"\1\0\0"

    @pytest.mark.parametrize("compressed", [True, False])
    def test_a_zipped_array_is_read_from_any_row(self, tmp_path, compressed):
        (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", x=DIGITS[:700])
        n = sources.list_files(tmp_path / "a.npz", tmp_path / "listing", leave_out=tmp_path)
        files = sources.Files(tmp_path, tmp_path / "listing", n)
        for start, stop in ((0, 250), (500, 700), (100, 130)):
            images, readable = files.read(start, stop, (1, 28, 28))
            assert readable.all()
            assert np.array_equal(images, DIGITS[start:stop])


def coded(model_file, images):
    """The codes of images in memory."""
    return inference.encode(checkpoint.load(model_file).model(), images)


class TestWhatPeopleHave:
    """Pictures and arrays as people's programs save them: the same image has the same code, and nothing is left out
    without a word."""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "images").mkdir()
        return tmp_path / "images"

    def test_one_digit_in_every_kind_of_picture_has_one_code(self, tmp_path, tiny_file, folder):
        grey = Image.fromarray(DIGITS[0])
        exif = Image.Exif()
        exif[0x0112] = 6
        white = np.full((28, 28, 4), 255, np.uint8)
        white[..., 3] = DIGITS[0]
        palette = grey.convert("P")
        palette.info["transparency"] = bytes(range(256))  # every grey is as opaque as it is light
        palette.putpalette([255] * 768)
        Image.fromarray(np.rot90(DIGITS[0])).save(folder / "exif.png", exif=exif)
        Image.fromarray(np.rot90(DIGITS[0])).save(folder / "exif.webp", exif=exif, lossless=True)
        Image.fromarray(DIGITS[0] / np.float32(255)).save(folder / "unit.tif")
        Image.fromarray(DIGITS[0].astype(np.float32)).save(folder / "float.tif")
        Image.fromarray(DIGITS[0].astype(np.int32)).save(folder / "int.tif")
        Image.fromarray(DIGITS[0].astype(np.uint16)).save(folder / "eight_in_sixteen.png")
        Image.fromarray(DIGITS[0].astype(np.uint16) * 257).save(folder / "sixteen.tif")
        white_is_zero = (255 - DIGITS[0]).astype(np.uint16) * 257
        Image.fromarray(white_is_zero).save(folder / "white_is_zero.tif", tiffinfo={262: 0})
        Image.fromarray(white).save(folder / "white.png")
        Image.fromarray(white).convert("LA").save(folder / "white_grey.png")
        palette.save(folder / "white_palette.png", transparency=bytes(range(256)))
        Image.fromarray(white).save(folder / "white.webp", lossless=True, exact=True)
        assert run(tiny_file, "--data", folder, "--out", tmp_path / "codes.npy") == 0
        z = np.load(tmp_path / "codes.npy")
        assert len(z) == 12
        lines = (tmp_path / "codes.files.jsonl").read_text().splitlines()
        wrong = [line for line, row in zip(lines, z) if not np.allclose(row, coded(tiny_file, DIGITS[:1]), atol=1e-6)]
        assert wrong == []

    @pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
    def test_a_row_a_page(self, tmp_path, tiny_file, folder, suffix):
        pages = [Image.fromarray(image) for image in DIGITS[:4]]
        options = {"lossless": True} if suffix == "webp" else {}
        pages[0].save(folder / f"pages.{suffix}", save_all=True, append_images=pages[1:], **options)
        Image.fromarray(DIGITS[4]).save(folder / f"single.{suffix}", **options)
        out = tmp_path / "codes.npy"
        assert run(tiny_file, "--data", folder, "--out", out) == 0
        assert np.allclose(np.load(out), coded(tiny_file, DIGITS[:5]), atol=1e-6)

    def test_a_page_that_is_damaged_is_named(self, tmp_path, tiny_file, folder, capsys):
        pages = [Image.fromarray(image) for image in DIGITS[:4]]
        path = folder / "pages.tif"
        pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_adobe_deflate")
        content = path.read_bytes()
        with Image.open(path) as image:
            image.seek(2)
            start, length = image.tag_v2[273][0], image.tag_v2[279][0]
        path.write_bytes(content[:start] + bytes(length) + content[start + length :])
        out = tmp_path / "codes.npy"
        assert run(tiny_file, "--data", folder, "--out", out) == 0
        assert np.flatnonzero(np.isnan(np.load(out)).any(axis=1)).tolist() == [2]
        assert "pages.tif, image 2" in capsys.readouterr().out

    def test_pictures_without_a_meaning_are_named_and_have_no_code(self, tmp_path, tiny_file, folder, capsys):
        Image.fromarray(DIGITS[0]).save(folder / "a.png")
        Image.fromarray(np.zeros((9, 9, 4), np.uint8)).save(folder / "transparent.png")
        Image.fromarray(np.full((9, 9), np.inf, np.float32)).save(folder / "infinite.tif")
        Image.fromarray(np.linspace(-3, 9, 81, dtype=np.float32).reshape(9, 9)).save(folder / "standardised.tif")
        assert run(tiny_file, "--data", folder, "--out", tmp_path / "codes.npy") == 0
        assert np.isnan(np.load(tmp_path / "codes.npy")).any(axis=1).tolist() == [False, True, True, True]
        assert "3; the first: infinite.tif, standardised.tif, transparent.png" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "stored",
        [DIGITS[:50, None], DIGITS[:50, ..., None], DIGITS[:50] / 255, DIGITS[:50] / np.float32(127.5) - 1,
         DIGITS[:50].astype(np.int64), DIGITS[:50].astype(np.float32), DIGITS[:50].astype(">u2") * 257,
         np.asfortranarray(DIGITS[:50]), np.repeat(DIGITS[:50, None], 3, axis=1)],
        ids=lambda stored: f"{stored.dtype} {stored.shape} {stored.max():g}",
    )  # fmt: skip
    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_arrays_of_every_layout_and_range(self, tmp_path, tiny_file, stored, suffix):
        path, out = tmp_path / f"images.{suffix}", tmp_path / "codes.npy"
        np.save(path, stored) if suffix == "npy" else np.savez_compressed(path, images=stored)
        assert run(tiny_file, "--data", path, "--out", out) == 0
        assert np.allclose(np.load(out), coded(tiny_file, DIGITS[:50]), atol=1e-6)

    def test_one_colour_picture_is_one_image(self, tmp_path, tiny_file):
        np.save(tmp_path / "one.npy", np.repeat(DIGITS[0][..., None], 3, axis=2))
        assert run(tiny_file, "--data", tmp_path / "one.npy", "--out", tmp_path / "codes.npy") == 0
        assert np.allclose(np.load(tmp_path / "codes.npy"), coded(tiny_file, DIGITS[:1]), atol=1e-6)

    def test_all_arrays_of_images_in_an_archive_are_taken_and_named(self, tmp_path, tiny_file, capsys, monkeypatch):
        monkeypatch.setattr(inference, "BATCH_SIZE", 30)  # some batches have images of both arrays
        path, out = tmp_path / "mnist.npz", tmp_path / "codes.npy"
        labels = np.arange(100, dtype=np.uint8)
        np.savez(path, x_test=DIGITS[:50], x_train=DIGITS[50:250] / 255, y_test=labels, objects=np.array([{}]))
        assert run(tiny_file, "--data", path, "--out", out) == 0
        assert np.allclose(np.load(out), coded(tiny_file, DIGITS[:250]), atol=1e-6)
        assert "mnist.npz: the images of 2 arrays are taken, x_test (50), x_train (200)." in capsys.readouterr().out

    def test_images_of_an_array_that_are_no_numbers_are_named(self, tmp_path, tiny_file, capsys):
        stored = DIGITS[:5] / 255
        stored[3, 0, 0] = np.nan
        np.save(tmp_path / "images.npy", stored)
        out = tmp_path / "codes.npy"
        assert run(tiny_file, "--data", tmp_path / "images.npy", "--out", out) == 0
        assert np.flatnonzero(np.isnan(np.load(out)).any(axis=1)).tolist() == [3]
        assert "images.npy, image 3" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("stored", "sentence"),
        [(np.zeros((1797, 64), np.uint8), r"got an array of shape (1797, 64)"),
         (np.random.default_rng(0).normal(size=(5, 28, 28)), "Expected pixel values of 0 to 1"),
         (np.array([{}] * 64).reshape(1, 8, 8), "holds Python objects, which are not opened")],
    )  # fmt: skip
    def test_an_array_of_something_else_is_refused_with_the_reason(self, tmp_path, tiny_file, capsys, stored, sentence):
        np.save(tmp_path / "images.npy", stored, allow_pickle=True)
        said = refusal(capsys, tiny_file, "--data", tmp_path / "images.npy", "--out", tmp_path / "codes.npy")
        assert sentence in said
        assert list(tmp_path.glob("codes*")) == []

    def test_links_are_followed_once_and_what_is_passed_over_is_said(self, tmp_path, tiny_file, folder, capsys):
        elsewhere = tmp_path / "real" / "deep"
        elsewhere.mkdir(parents=True)
        for number in range(3):
            Image.fromarray(DIGITS[number]).save(elsewhere / f"{number}.png")
        Image.fromarray(DIGITS[3]).save(folder / "here.png")
        Image.fromarray(DIGITS[4]).save(folder / "photo.jfif", "JPEG")
        (folder / "x.heic").write_bytes(b"ftypheic")
        (folder / "sub").symlink_to(tmp_path / "real")
        (folder / "sub2").symlink_to(tmp_path / "real")
        (elsewhere / "round").symlink_to(folder)
        (elsewhere / "up").symlink_to(tmp_path)
        (folder / "gone.png").symlink_to(tmp_path / "gone")
        out = tmp_path / "codes.npy"
        assert run(tiny_file, "--data", folder, "--out", out) == 0
        names = [json.loads(line)[1] for line in (tmp_path / "codes.files.jsonl").read_text().splitlines()]
        assert names[:3] == ["gone.png", "here.png", "photo.jfif"]
        assert names[3:6] == [f"sub/deep/{number}.png" for number in range(3)]
        said = capsys.readouterr().out
        assert "x.heic" in said
        assert "unreadable images, whose rows are NaN: 1; the first: gone.png" in said

    def test_images_that_look_inverted_are_named(self, tmp_path, folder, capsys):
        for number in range(20):
            Image.fromarray(DIGITS[number] if number % 5 else 255 - DIGITS[number]).save(folder / f"{number:02}.png")
        assert run(ROOT / "checkpoints" / "ae-16.pt", "--data", folder, "--out", tmp_path / "codes.npy") == 0
        said = capsys.readouterr().out
        assert "images that look inverted" in said
        assert "4 of 20 looked at; the first: 00.png, 05.png, 10.png, 15.png." in said
        np.save(tmp_path / "digits.npy", DIGITS[:200])
        run(ROOT / "checkpoints" / "ae-16.pt", "--data", tmp_path / "digits.npy", "--out", tmp_path / "more.npy")
        assert "look inverted" not in capsys.readouterr().out

    @pytest.mark.parametrize("case", ["encode-pictures/pictures", "encode-arrays"])
    def test_the_cases_that_were_handed_out(self, tmp_path, case):
        folder = ROOT.parent / "shared" / "cases" / case
        if not folder.exists():
            pytest.skip("the cases are not beside this checkout")
        out, model_file = tmp_path / "codes.npy", ROOT / "checkpoints" / "ae-16.pt"
        if case == "encode-arrays":
            for name, n in (("mnist.npz", 250), ("one_rgb.npy", 1), ("nchw.npy", 50)):
                assert run(model_file, "--data", folder / name, "--out", out.with_stem(name[:4])) == 0
                assert len(np.load(out.with_stem(name[:4]))) == n
        else:
            assert run(model_file, "--data", folder, "--out", out) == 0
            exif, unit, _, first, _, _, _, plain, white = np.load(out)
            for z in (exif, unit, first, white):
                assert np.linalg.norm(z - plain) / np.linalg.norm(plain) < 0.1


class TestSidecar:
    @pytest.fixture
    def made(self, tmp_path, tiny_file, images_file):
        out = tmp_path / "codes.npy"
        run(tiny_file, "--data", images_file, "--out", out)
        return out

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (("format",), "another"), (("statistics", "mean", 0), float("nan")), (("statistics", "min"), [0.0]),
            (("statistics", "histogram", "counts"), [[1], [1]]), (("statistics", "count"), 0), (("statistics",), None),
        ],
    )  # fmt: skip
    def test_one_that_does_not_say_what_a_run_says_is_refused(self, made, place, value):
        beside = encoded.sidecar(made)
        values = within = json.loads(beside.read_text())
        for key in place[:-1]:
            within = within[key]
        within[place[-1]] = value
        beside.write_text(json.dumps(values))
        with pytest.raises(CodesError, match=r"codes\.json.* is damaged or from another program\.$"):
            Encoded.open(made)

    def test_one_that_is_missing_no_file_or_far_too_large_is_refused(self, made):
        beside = encoded.sidecar(made)
        with beside.open("r+b") as file:
            file.truncate(encoded.LARGEST_SIDECAR + 1)
        with pytest.raises(CodesError, match="larger than 256 MB"):
            Encoded.read(made)
        beside.unlink()
        with pytest.raises(CodesError, match="cannot be read: No such file"):
            Encoded.read(made)
        beside.mkdir()
        with pytest.raises(CodesError, match="cannot be read: Is a directory"):
            Encoded.read(made)

    def test_there_are_no_statistics_before_the_run_is_finished(self, tmp_path):
        with pytest.raises(CodesError, match="incomplete"):
            _ = Encoded(tmp_path / "codes.npy", "tiny.pt", "", 10, 2, {}).statistics

    def test_a_folder_that_is_not_there_holds_no_codes(self, tmp_path, made):
        assert encoded.find(tmp_path, Encoded.read(made).sha256) == [made]
        assert encoded.find(tmp_path, "another checkpoint") == []
        assert encoded.find(tmp_path / "gone", "") == []


class TestGoingOn:
    def test_a_killed_run_goes_on_to_the_same_bytes_and_a_second_one_beside_it_is_refused(
        self, tmp_path, tiny_file, images_file, capsys, small_chunks
    ):
        if sys.platform == "win32":
            pytest.skip("Windows has no kill -9")
        killed, whole = tmp_path / "killed.npy", tmp_path / "whole.npy"
        options = [tiny_file, "--data", images_file, "--out"]
        arguments = [sys.executable, "-c", STOPS_IN_ITS_FOURTH_CHUNK, *map(str, options), killed]
        process = subprocess.Popen(arguments, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "in the fourth chunk\n"
        assert "another process" in refusal(capsys, *options, killed)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert (tmp_path / "killed.npy.done").read_bytes() == b"\1\1\1\0\0\0"
        with pytest.raises(CodesError, match="incomplete"):
            Encoded.open(killed)

        encoded_again = []
        rows = encode.encode_rows
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encode, "encode_rows", lambda *given: encoded_again.append(given[2]) or rows(*given))
            assert run(*options, killed) == 0
        assert encoded_again == [1500, 2000, 2500]
        assert "50.0% of 2,600 images" in capsys.readouterr().out
        assert run(*options, whole) == 0
        assert files_of(killed) == files_of(whole)

    @pytest.mark.parametrize(
        "lost", few_of(["codes.npy", "codes.npy.done", "half of the marks", "half of the codes"], ["half of the codes"])
    )
    def test_a_run_that_lost_its_files_begins_again(self, tmp_path, tiny_file, images_file, small_chunks, lost):
        out, whole = tmp_path / "codes.npy", tmp_path / "whole.npy"
        run(tiny_file, "--data", images_file, "--out", whole)
        begun = Encoded.read(whole)
        for path in tmp_path.glob("whole.*"):
            shutil.copy(path, tmp_path / path.name.replace("whole", "codes"))
        Encoded(out, begun.checkpoint, begun.sha256, begun.n, begun.latent_dim, begun.source).save()
        (tmp_path / "codes.npy.done").write_bytes(b"\1" * 6)
        if lost.startswith("half"):
            half = tmp_path / ("codes.npy.done" if "marks" in lost else "codes.npy")
            half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
        else:
            (tmp_path / lost).unlink()
        assert run(tiny_file, "--data", images_file, "--out", out) == 0
        assert files_of(out) == files_of(whole)

    def test_a_finished_run_has_nothing_to_do(self, tmp_path, tiny_file, images_file, capsys):
        out = tmp_path / "codes.npy"
        run(tiny_file, "--data", images_file, "--out", out)
        before = files_of(out)
        assert run(tiny_file, "--data", images_file, "--out", out) == 0
        assert "already complete" in capsys.readouterr().out
        assert files_of(out) == before

    @pytest.mark.exhaustive
    def test_two_processes_make_the_same_files_as_one(self, tmp_path, tiny_file):
        images = tmp_path / "images.npy"
        np.save(images, np.concatenate([DIGITS, DIGITS[:7000]]))  # four chunks, the last of them not whole
        one, two = tmp_path / "one.npy", tmp_path / "two.npy"
        run(tiny_file, "--data", images, "--out", one)
        options = [tiny_file, "--data", images, "--out", two]
        done = subprocess.run(
            command(*options, processes=2), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("17,000 codes") == 1
        assert files_of(two) == files_of(one)

    @pytest.mark.parametrize("processes", [2, 3, 7])
    def test_the_shares_of_all_processes_are_all_of_it_once(self, tmp_path, processes, monkeypatch):
        for n in (1, 20_001, 5_000_000, 12_345_678):
            file = encode.CodeFile(tmp_path / "a.npy", n, 2)
            shares = [list(file.parts(encode.Worker(rank, processes))) for rank in range(processes)]
            chunks = sorted(chunk for share in shares for part in share for chunk in part)
            assert chunks == list(range(file.n_chunks))
            sizes = [sum(map(len, share)) for share in shares]
            assert max(sizes) - min(sizes) <= 1 + -(-file.n_chunks // encode.PARTS) * 2
            assert file.rows(file.n_chunks - 1)[1] == n


class TestRefusals:
    def test_another_checkpoint_and_other_images(self, tmp_path, tiny_file, images_file, capsys):
        out = tmp_path / "codes.npy"
        run(tiny_file, "--data", images_file, "--out", out)
        before = files_of(out)
        other = tmp_path / "other.pt"
        checkpoint.save(other, tiny(seed=5))
        capsys.readouterr()
        assert "another model file, tiny.pt" in refusal(capsys, other, "--data", images_file, "--out", out)
        np.save(tmp_path / "more.npy", DIGITS[:10])
        assert "images.npy" in refusal(capsys, tiny_file, "--data", tmp_path / "more.npy", "--out", out)
        assert files_of(out) == before

    def test_a_file_of_somebody_else(self, tmp_path, tiny_file, images_file, capsys):
        out = tmp_path / "codes.npy"
        np.save(out, np.zeros(3))
        assert "not made by this command" in refusal(capsys, tiny_file, "--data", images_file, "--out", out)
        out.with_suffix(".json").write_text("{}")
        assert "another program" in refusal(capsys, tiny_file, "--data", images_file, "--out", out)
        assert np.array_equal(np.load(out), np.zeros(3))

    def test_images_that_are_none(self, tmp_path, tiny_file, capsys):
        out, folder = tmp_path / "codes.npy", tmp_path / "images"
        assert "not found" in refusal(capsys, tiny_file, "--data", folder, "--out", out)
        folder.mkdir()
        assert "No images in" in refusal(capsys, tiny_file, "--data", folder, "--out", out)
        np.save(folder / "floats.npy", np.zeros((3, 28, 28), np.float32))
        assert "uint8" in refusal(capsys, tiny_file, "--data", folder / "floats.npy", "--out", out)
        assert list(tmp_path.glob("codes*")) == []
        (folder / "broken.png").write_bytes(b"no picture")
        assert "None of the 1 images" in last_line(capsys, tiny_file, "--data", folder, "--out", out)

    def test_a_run_that_encoded_nothing_claims_nothing(self, tmp_path, tiny_file, images_file, capsys):
        out, other = tmp_path / "out" / "codes.npy", tmp_path / "other.npy"
        np.save(other, DIGITS[:1])
        options = [tiny_file, "--out", out, "--data"]
        assert "abacus" in refusal(capsys, *options, images_file, "--device", "abacus")
        assert not out.parent.exists()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
            assert "more than is free" in refusal(capsys, *options, images_file)
        assert list(out.parent.iterdir()) == []
        (tmp_path / "broken.png").write_bytes(b"no picture")
        assert "None of the 1 images" in last_line(capsys, *options, tmp_path / "broken.png")
        assert list(out.parent.iterdir()) == []
        with pytest.MonkeyPatch.context() as patch:  # stopped before the first chunk was finished
            patch.setattr(encode, "encode_rows", stopped)
            assert run(*options, images_file) == 130
        assert out.exists()
        assert run(*options, other) == 0
        assert len(np.load(out)) == 1
        assert Encoded.open(out).source == {"data": str(other)}

    def test_a_run_that_finished_a_chunk_keeps_its_file(self, tmp_path, tiny_file, images_file, capsys, small_chunks):
        out, other, rows = tmp_path / "codes.npy", tmp_path / "other.npy", encode.encode_rows
        np.save(other, DIGITS[:1])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encode, "encode_rows", lambda *given: stopped() if given[2] else rows(*given))
            assert run(tiny_file, "--data", images_file, "--out", out) == 130
        capsys.readouterr()
        assert "other images" in refusal(capsys, tiny_file, "--data", other, "--out", out)
        assert run(tiny_file, "--data", images_file, "--out", out) == 0

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [(["--out", "codes.txt", "--data", "."], ".npy"), (["--out", "codes.npy"], "--data"),
         (["--out", "codes.npy", "--data", ".", "--device", "abacus"], "abacus")],
    )  # fmt: skip
    def test_a_mistake_on_the_command_line(
        self, tmp_path, tiny_file, images_file, capsys, monkeypatch, options, sentence
    ):
        monkeypatch.chdir(tmp_path)
        assert sentence in refusal(capsys, tiny_file, *options)

    def test_a_disk_without_the_room_is_told_before_anything_is_encoded(self, tmp_path, tiny_file, images_file, capsys):
        out = tmp_path / "codes.npy"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
            assert "more than is free on its disk" in refusal(capsys, tiny_file, "--data", images_file, "--out", out)
        assert run(tiny_file, "--data", images_file, "--out", out) == 0

    def test_a_disk_that_fills_keeps_what_is_finished(self, tmp_path, tiny_file, images_file, capsys, small_chunks):
        out, whole = tmp_path / "codes.npy", tmp_path / "whole.npy"
        write = encode.CodeFile.write

        def full(file, chunk, z):
            if chunk == 3:
                raise OSError(28, "No space left on device")
            write(file, chunk, z)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encode.CodeFile, "write", full)
            assert "No space left" in last_line(capsys, tiny_file, "--data", images_file, "--out", out)
        assert run(tiny_file, "--data", images_file, "--out", out) == 0
        run(tiny_file, "--data", images_file, "--out", whole)
        assert files_of(out) == files_of(whole)


def stopped(*given):
    """What happens when somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def last_line(capsys, *options):
    """The last line of the errors of a run that shows a bar before it fails."""
    assert run(*options) == 1
    return capsys.readouterr().err.splitlines()[-1]


class TestPage:
    """A file of codes in the checkpoint folder, in the Statistics section."""

    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        st.cache_data.clear()
        st.cache_resource.clear()
        checkpoint.save(tmp_path / "first.pt", tiny(latent_dim=3))
        checkpoint.save(tmp_path / "second.pt", tiny(latent_dim=3, seed=1))
        np.save(tmp_path / "images.npy", DIGITS[:300])
        images = tmp_path / "few"
        images.mkdir()
        np.save(images / "a.npy", DIGITS[:300])
        (images / "b.png").write_bytes(b"damaged")
        run(tmp_path / "first.pt", "--data", images, "--out", tmp_path / "mine.npy")
        run(tmp_path / "second.pt", "--data", images, "--out", tmp_path / "others.npy")
        monkeypatch.setenv("LATENT_CHECKPOINTS", str(tmp_path))
        return tmp_path

    def opened(self, **query):
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
        app.query_params.update({"section": "Statistics", "checkpoint": "first", **query})
        app.session_state["python"] = True
        app.run()
        assert not app.exception, app.exception[0].message
        return app

    def table(self, app):
        return app.dataframe[0].value

    def test_it_is_offered_to_its_checkpoint_and_shows_its_statistics(self, folder):
        app = self.opened()
        picker = app.selectbox(key="statistics_codes")
        assert picker.options == ["the images in use", "mine"]
        of_digits = self.table(app)
        picker.set_value("mine").run()
        assert not app.exception
        exact = LatentStatistics.of(np.load(folder / "mine.npy")[:300])
        assert np.allclose(self.table(app)["mean"], exact.mean, rtol=1e-5)
        assert np.allclose(self.table(app)["max"], exact.max)
        assert not self.table(app).equals(of_digits)
        assert any("<dd>300</dd>" in element.proto.body for element in app.main.get("html"))
        assert any("Images of few; 1 unreadable, left out (b.png)" in text.value for text in app.text)
        assert any("All 300 codes are counted" in caption.value for caption in app.caption)
        assert not app.error

    @pytest.mark.exhaustive
    def test_a_link_reproduces_the_choice(self, folder):
        app = self.opened(statistics_codes="mine")
        assert app.selectbox(key="statistics_codes").value == "mine"
        assert any("<dd>300</dd>" in element.proto.body for element in app.main.get("html"))
        unknown = self.opened(statistics_codes="gone")
        assert unknown.selectbox(key="statistics_codes").value == "the images in use"

    @pytest.mark.exhaustive
    def test_its_python_gives_its_arrays(self, folder, monkeypatch):
        offered = {}
        monkeypatch.setattr(
            st, "download_button", lambda label, content, *rest, **more: offered.update({label: content})
        )
        app = self.opened(statistics_codes="mine")
        (folder / "arrays.npz").write_bytes(offered["NPZ"]())
        variables = {}
        exec(next(code.value for code in app.code if "LatentSpace.open" in code.value), variables)
        for name, array in np.load(folder / "arrays.npz").items():
            assert np.array_equal(array, variables[name]), name

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        few_rows_of(
            [("no codes", "missing or damaged"), ("other shape", "does not fit"), ("no sidecar", "is damaged"),
             ("unfinished", "incomplete"), ("wrong counts", "is damaged")],
            [("other shape", "does not fit"), ("unfinished", "incomplete")],
        ),
    )  # fmt: skip
    def test_a_damaged_or_mismatching_file_is_one_sentence_and_nothing_else_breaks(self, folder, damage, sentence):
        out, beside = folder / "mine.npy", folder / "mine.json"
        values = json.loads(beside.read_text())
        if damage == "no codes":
            out.write_bytes(out.read_bytes()[:200])
        elif damage == "other shape":
            np.save(out, np.zeros((7, 3), np.float32))
        elif damage == "no sidecar":
            beside.write_bytes(beside.read_bytes()[:500])
        elif damage == "unfinished":
            beside.write_text(json.dumps(values | {"finished": False}))
        else:
            values["statistics"]["histogram"]["counts"][1][5] += 1
            beside.write_text(json.dumps(values))
        app = self.opened(statistics_codes="mine")
        assert any(sentence in text.value for text in app.text)
        assert len(app.error) == 1
        app.selectbox(key="statistics_codes").set_value("the images in use").run()
        assert not app.error
        assert not app.exception
        assert len(self.table(app)) == 3

    def test_what_is_drawn_of_a_large_file_is_small_seeded_and_without_repetition(self, tmp_path):
        n = 300_000
        z = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float32, (n, 1))
        z[:, 0] = np.arange(n)
        z.flush()
        file = Encoded(tmp_path / "large.npy", "", "", n, 1, {})
        drawn = file.sample()
        assert drawn.shape == (encoded.MOST_SHOWN, 1)
        assert len(np.unique(drawn)) == len(drawn)
        assert np.array_equal(drawn, file.sample())
        assert not np.array_equal(drawn, file.sample(seed=1))
        assert abs(drawn.mean() / n - 0.5) < 0.02
        assert not isinstance(drawn, np.memmap)
