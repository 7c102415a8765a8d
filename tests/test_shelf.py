import base64
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent import shelf
from latent.errors import ArgumentError
from latent.selection import Selection
from latent.shelf import Kept, Shelf

RNG = np.random.default_rng(0)


def kept(name="seven", kind="code", latent_dim=3, picture_shape=(28, 28)):
    picture = RNG.integers(0, 256, picture_shape).astype(np.uint8)
    return Kept(name, "Map", RNG.standard_normal(latent_dim).astype(np.float32), picture, kind)


def full():
    return Shelf("abc").keep(kept()).keep(kept("thick", "direction", picture_shape=(28, 28, 3))).keep(kept())


def test_names_stay_apart():
    assert full().names() == ["seven", "thick", "seven (2)"]
    assert full().names("direction") == ["thick"]
    assert full().keep(kept()).names()[-1] == "seven (3)"
    assert Shelf("abc").keep(kept("  ")).names() == ["unnamed"]
    assert len(Shelf("abc").keep(kept("x" * 99)).names()[0]) == shelf.LONGEST_NAME


def test_keeping_renaming_and_removing_leave_the_others_alone():
    before = full()
    after = before.rename("thick", " thin ").remove("seven")
    assert after.names() == ["thin", "seven (2)"]
    assert after["thin"].vector is before["thick"].vector
    assert before.names() == ["seven", "thick", "seven (2)"]  # a shelf is never changed, only replaced


@pytest.mark.parametrize("new", ["", "   ", "x" * 41, "seven"])
def test_a_name_that_cannot_be_is_refused(new):
    with pytest.raises(ArgumentError):
        full().rename("thick", new)


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ArgumentError, match="thick"):
        full()["eight"]


def test_a_full_shelf_takes_no_more(monkeypatch):
    monkeypatch.setattr(shelf, "MOST_KEPT", 3)
    with pytest.raises(ArgumentError, match="at most"):
        full().keep(kept())


def test_a_saved_shelf_comes_back_whole():
    before = full()
    after = Shelf("abc").add_file(before.to_bytes(), 3)
    assert after.names() == before.names()
    for old, new in zip(before, after, strict=True):
        assert (old.origin, old.kind) == (new.origin, new.kind)
        assert np.array_equal(old.vector, new.vector)
        assert np.array_equal(shelf.rgb(old.picture), new.picture)
    assert before.add_file(before.to_bytes(), 3).names()[3:] == ["seven (3)", "thick (2)", "seven (2) (2)"]


def test_an_empty_shelf_is_not_saved():
    with pytest.raises(ArgumentError, match="empty"):
        Shelf("abc").to_bytes()


def test_a_shelf_of_another_checkpoint_is_refused_with_the_reason():
    with pytest.raises(ArgumentError, match=r"another model.*'abc'.*'xyz'"):
        Shelf("xyz").add_file(full().to_bytes(), 3)


def changed(**arrays):
    with np.load(io.BytesIO(full().to_bytes())) as file:
        values = dict(file) | arrays
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in values.items() if value is not None})
    return buffer.getvalue()


def without_its_magic(entry):
    """The file with an entry that does not begin as an array does: NumPy hands out its bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(full().to_bytes())) as archive, zipfile.ZipFile(buffer, "w") as forged:
        for name in archive.namelist():
            forged.writestr(name, archive.read(name)[3 * (name == entry) :])
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        without_its_magic("vectors.npy"),
        without_its_magic("names.npy"),
        full().to_bytes()[:-20],
        changed(names=None),
        changed(names=np.array(["a"])),
        changed(vectors=np.zeros((3, 2), np.float32)),
        changed(vectors=np.full((3, 3), np.nan, np.float32)),
        changed(vectors=np.zeros((3, 3), np.int64)),
        changed(kinds=np.array(["code", "code", "other"])),
        changed(pictures=np.zeros((3, 28, 28), np.uint8)),
        changed(names=np.array([{}, {}, {}], object)),
    ],
)
def test_a_file_that_is_no_shelf_is_refused_in_a_sentence(content):
    with pytest.raises(ArgumentError, match=r"not a shelf file|damaged"):
        Shelf("abc").add_file(content, 3)


@given(
    st.text(max_size=60), st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9)
)
def test_a_link_carries_every_bit_of_a_vector(name, numbers):
    vector = np.array(numbers, np.float32)
    before = Kept(name, "Draw", vector, np.zeros((1, 1), np.uint8), "direction")
    name_again, origin, kind, again = shelf.from_link(shelf.to_link(before), len(numbers))
    assert (name_again, origin, kind) == (name, "Draw", "direction")
    assert again.tobytes() == vector.tobytes()


@given(st.text(max_size=40))
def test_any_other_text_is_refused(text):
    with pytest.raises(ArgumentError):
        shelf.from_link(text, 3)


@pytest.mark.parametrize("cut", [1, 5, 18, 25])
def test_a_link_that_was_cut_short_is_refused(cut):
    text = shelf.to_link(kept())
    with pytest.raises(ArgumentError):
        shelf.from_link(text[:-cut], 3)
    with pytest.raises(ArgumentError):
        shelf.from_link(text, 4)


def test_a_link_whose_words_are_nested_deep_is_refused():
    numbers, _, _ = shelf.to_link(kept()).partition(".")
    words = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    with pytest.raises(ArgumentError, match="has no name"):
        shelf.from_link(f"{numbers}.{words}", 3)


def test_a_vector_in_a_link_is_finite():
    with pytest.raises(ArgumentError, match="finite"):
        shelf.vector_from_text(shelf.vector_to_text(np.array([np.nan, 1], np.float32)), 2)


class TestSelections:
    SELECTION = Selection.of("mine", "typed numbers", "0123" * 16, [3, 1, 9])

    def shelf(self):
        item = replace(kept("mine"), kind="selection", selection=self.SELECTION)
        return full().keep(item).keep(replace(item, name="again", selection=self.SELECTION.called("again")))

    def test_a_saved_shelf_brings_its_images_back(self):
        after = Shelf("abc").add_file(self.shelf().to_bytes(), 3)
        assert after.names("selection") == ["mine", "again"]
        for name in ("mine", "again"):
            assert after[name].selection.rows.tolist() == [1, 3, 9]
            assert after[name].selection.dataset == self.SELECTION.dataset
        assert after["seven"].selection is None

    @pytest.mark.parametrize(
        "arrays",
        [
            {"selected": np.arange(5)}, {"selected_counts": np.array([0, 0, 0, 6, 0])}, {"selected": -np.arange(6)},
            {"selected_counts": np.array([3, 0, 0, 3, 0])}, {"selected": np.arange(6.0)},
            {"selected_of": np.array(["a"])}, {"selected_of": np.arange(5)},
        ],
    )  # fmt: skip
    def test_a_file_whose_images_do_not_match_its_items_is_refused(self, arrays):
        with np.load(io.BytesIO(self.shelf().to_bytes())) as file:
            parts = dict(file) | arrays
        buffer = io.BytesIO()
        np.savez(buffer, **parts)
        with pytest.raises(ArgumentError, match="damaged"):
            Shelf("abc").add_file(buffer.getvalue(), 3)

    def test_a_file_of_before_there_were_selections_is_read(self):
        with np.load(io.BytesIO(full().to_bytes())) as file:
            parts = {name: array for name, array in file.items() if not name.startswith("selected")}
        buffer = io.BytesIO()
        np.savez(buffer, **parts)
        assert Shelf("abc").add_file(buffer.getvalue(), 3).names() == full().names()

    def test_a_link_holds_the_images_under_the_name_on_the_shelf(self):
        text = shelf.to_link(self.shelf().rename("mine", "yours")["yours"])
        assert Selection.from_link(text).name == "yours"
        assert Selection.from_link(text).rows.tolist() == [1, 3, 9]
