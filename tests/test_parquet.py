"""Tables of codes for other programs, read back with pyarrow and Pillow alone."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latent import checkpoint, data, encode, files, parquet
from latent.projection import Plane
from tests.support.models import ROOT, tiny

DIGITS, _ = data.evaluation_digits()


def run(*options):
    return encode.main([str(option) for option in options])


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def options(tmp_path, tiny_file):
    """A run over a folder of an array and of a picture, with the table to write."""
    folder = tmp_path / "images"
    folder.mkdir()
    np.save(folder / "a.npy", DIGITS[:120])
    Image.fromarray(DIGITS[120]).save(folder / "b.png")
    return [tiny_file, "--data", folder, "--out", tmp_path / "codes.npy", "--parquet", tmp_path / "codes.parquet"]


def table_of(options):
    return pq.read_table(options[-1]).to_pydict()


def test_codes_places_names_and_thumbnails_are_those_of_the_images(options, monkeypatch, capsys):
    monkeypatch.setattr(parquet, "NUMBERS_A_GROUP", 30_000)  # so that there are several groups
    assert run(*options) == 0
    assert "codes.parquet: 121 rows with thumbnails." in capsys.readouterr().out
    table, z = table_of(options), np.load(options[4])
    assert pq.ParquetFile(options[-1]).num_row_groups > 2
    assert table["image"] == list(range(121))
    assert table["file"] == [*(f"a.npy, image {i}" for i in range(120)), "b.png"]
    assert np.array_equal(np.array(table["code"], np.float32), z)
    assert np.array_equal(np.stack([table["x"], table["y"]], axis=1).astype(np.float32), Plane.of(z).project(z))
    assert all(np.array_equal(opened(content), image) for content, image in zip(table["thumbnail"], DIGITS))


def test_a_data_set_gives_its_classes_and_places_are_those_of_scikit_learn(tmp_path, fashion_folder):
    from sklearn.decomposition import PCA

    model_file = tmp_path / "three.pt"
    checkpoint.save(model_file, tiny(latent_dim=3))
    where = ["--dataset", "FashionMNIST", "--part", "test", "--data", fashion_folder]
    out = ["--out", tmp_path / "codes.npy", "--parquet", tmp_path / "table" / "codes.parquet"]
    assert run(model_file, *where, *out) == 0
    table, z = table_of(out), np.load(out[1])
    labels = data.load_dataset("FashionMNIST", fashion_folder, train=False)[1]
    assert table["class"] == [data.class_names("FashionMNIST")[label] for label in labels]
    places = np.stack([table["x"], table["y"]], axis=1)
    assert np.allclose(np.abs(places), np.abs(PCA(2).fit_transform(z.astype(np.float64))), atol=1e-4)


def test_an_image_that_cannot_be_read_has_a_row_of_nulls(options):
    (options[2] / "b.png").write_bytes(b"damaged")
    assert run(*options) == 0
    table = table_of(options)
    assert table["file"][120] == "b.png"
    assert [table[name][120] for name in ("code", "x", "y", "thumbnail")] == [None] * 4
    assert None not in table["code"][:120] + table["thumbnail"][:120]


def test_finished_codes_get_a_table_without_being_encoded_again(options, monkeypatch, capsys):
    assert run(*options[:-2]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(encode, "encode_rows", lambda *given: pytest.fail("something was encoded"))
        assert run(*options) == 0
    before = os.stat(options[-1]).st_mtime_ns
    capsys.readouterr()
    assert run(*options) == 0
    assert "codes.parquet: already complete." in capsys.readouterr().out
    assert os.stat(options[-1]).st_mtime_ns == before


def test_a_table_that_was_stopped_is_written_anew_to_the_same_bytes(options, monkeypatch):
    assert run(*options) == 0
    whole = options[-1].read_bytes()
    options[-1].unlink()
    with monkeypatch.context() as patch:

        def stop(image):
            raise KeyboardInterrupt

        patch.setattr(parquet, "thumbnail", stop)
        assert run(*options) == 130
    assert not options[-1].exists()
    (options[-1].parent / f".{options[-1].name}.killed.tmp").write_bytes(b"half of it")
    assert run(*options) == 0
    assert options[-1].read_bytes() == whole
    assert not list(options[-1].parent.glob("*.tmp")) + list(options[-1].parent.glob(".*.tmp"))


@pytest.mark.exhaustive
def test_a_table_of_codes_that_were_made_anew_is_written_anew(options):
    assert run(*options) == 0
    for path in (options[4], options[4].with_suffix(".json"), options[4].with_suffix(".files.jsonl")):
        path.unlink()
    np.save(options[2] / "a.npy", DIGITS[1000:1120])
    assert run(*options) == 0
    assert np.array_equal(opened(table_of(options)["thumbnail"][0]), DIGITS[1000])


def test_images_that_went_since_they_were_encoded_are_counted(options, capsys):
    assert run(*options[:-2]) == 0
    (options[2] / "b.png").unlink()
    assert run(*options) == 0
    assert "thumbnails are missing: 1\n" in capsys.readouterr().out
    assert table_of(options)["thumbnail"][120] is None
    assert table_of(options)["code"][120] is not None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"PAR1 and nothing else", "is damaged or from another program"), (b"notes", "holds something else")],
)
def test_another_file_is_not_written_over_and_nothing_is_encoded(options, capsys, content, sentence):
    options[-1].write_bytes(content)
    assert run(*options) == 1
    assert sentence in capsys.readouterr().err
    assert options[-1].read_bytes() == content
    assert not options[4].exists()


def test_the_table_of_other_images_and_other_endings_are_refused(options, capsys):
    assert run(*options) == 0
    elsewhere = [*options[:3], "--out", options[4].with_name("others.npy"), *options[5:]]
    elsewhere[2] = options[2] / "a.npy"
    assert run(*elsewhere) == 1
    assert "is the table of another model file or of other images" in capsys.readouterr().err
    assert run(*options[:-1], options[4].with_suffix(".csv")) == 1
    assert "ends in .parquet" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence_and_leaves_no_part(options, monkeypatch, capsys):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert run(*options[:-2]) == 1
    monkeypatch.undo()
    assert run(*options[:-2]) == 0
    monkeypatch.setattr(files.os, "fsync", full)
    capsys.readouterr()
    assert run(*options) == 1
    assert "codes.parquet cannot be written: No space left on device" in capsys.readouterr().err
    assert not list(options[-1].parent.glob("*.parquet*")) + list(options[-1].parent.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("shape", "shown"), [((200, 100, 3), (96, 48, 3)), ((10, 8, 2), (10, 8)), ((9, 9, 4), (9, 9, 4))]
)
def test_thumbnails_are_small_and_of_a_kind_that_a_png_has(shape, shown):
    assert opened(parquet.thumbnail(np.full(shape, 90, np.uint8))).shape == shown
    assert (opened(parquet.thumbnail(np.full(shape, 90, np.uint8))) == 90).all()


def test_what_the_guide_writes_for_tensorboard_has_every_code_and_image(options, monkeypatch):
    assert run(*options) == 0
    monkeypatch.chdir(options[-1].parent)
    guide = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (program,) = (each for each in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "projector" in each)
    subprocess.run([sys.executable, "-c", program], check=True)
    assert np.allclose(np.loadtxt("vectors.tsv", delimiter="\t"), np.load(options[4]), atol=1e-6)
    names = [line.split("\t") for line in Path("metadata.tsv").read_text().splitlines()]
    assert names[0] == ["image", "file"]
    assert names[121] == ["120", "b.png"]
    sprite = np.asarray(Image.open("sprite.png"))
    assert sprite.shape == (11 * 28, 11 * 28, 3)
    assert np.array_equal(sprite[10 * 28 :, 10 * 28 :, 0], DIGITS[120])  # the last of 121 in rows of 11


def test_the_table_says_what_it_was_made_from(options):
    assert run(*options) == 0
    said = json.loads(pq.read_schema(options[-1]).metadata[b"latent"])
    assert said["sha256"] == checkpoint.fingerprint(options[0])
    assert (said["x"], said["y"]) == ("dimension 0", "dimension 1")
