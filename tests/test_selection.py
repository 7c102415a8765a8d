import base64
import json
import zlib

import numpy as np
import pytest

from latent import selection
from latent.errors import ArgumentError
from latent.selection import Selection, inside, numbers_in

RNG = np.random.default_rng(0)
SHA256 = "0123456789abcdef" * 4


def some(*rows):
    return Selection.of("mine", "lasso on the PCA map of ae-16", SHA256, rows)


def test_images_are_in_order_and_come_once():
    assert some(7, 3, 7, 0).rows.tolist() == [0, 3, 7]
    assert len(some(7, 3, 7, 0)) == 3
    with pytest.raises(ValueError, match="read-only"):
        some(1).rows[0] = 2


def test_the_others_are_all_that_are_not_selected():
    assert some(1, 3).others(5).tolist() == [0, 2, 4]
    assert some(0, 1).others(2).tolist() == []


def test_a_name_is_tidied_and_never_empty():
    assert some(1).called("  thick ones ").name == "thick ones"
    assert some(1).called("  ").name == "mine"
    assert len(some(1).called("x" * 99).name) == selection.LONGEST_NAME


@pytest.mark.parametrize("n", [1, 3, 1000, 5000, 10_000])
def test_any_selection_of_ten_thousand_images_fits_a_link_exactly(n):
    before = Selection.of("größer <b>", "typed numbers", SHA256, RNG.choice(10_000, n, replace=False))
    text = before.to_link()
    after = Selection.from_link(text)
    assert np.array_equal(after.rows, before.rows)
    assert (after.name, after.origin, after.dataset) == (before.name, before.origin, SHA256[:8])
    assert len(text) <= selection.LONGEST_LINK
    assert text.isascii()


def test_a_link_says_which_images_it_is_of():
    after = Selection.from_link(some(2, 9).to_link())
    assert after.is_of(SHA256, 10)
    assert not after.is_of(SHA256, 9)  # which has no image 9
    assert not after.is_of("f" * 64, 10)
    assert not Selection.of("none", "", SHA256, []).is_of(SHA256, 10)


def test_a_link_that_was_cut_anywhere_is_refused():
    text = some(*range(0, 500, 7)).to_link()
    for end in range(len(text)):
        with pytest.raises(ArgumentError, match="damaged"):
            Selection.from_link(text[:end])


def test_a_link_whose_words_are_nested_deep_is_refused():
    numbers, _, _ = some(2, 9).to_link().rpartition(".")
    with pytest.raises(ArgumentError, match="damaged"):
        Selection.from_link(f"{numbers}.{base64.urlsafe_b64encode(b'[' * 100_000).decode().rstrip('=')}")


def test_a_link_cannot_unpack_into_more_than_a_set_has():
    bits = base64.urlsafe_b64encode(zlib.compress(b"\xff" * 10_000_000)).decode().rstrip("=")
    about = base64.urlsafe_b64encode(json.dumps(["a", "b", "c"]).encode()).decode().rstrip("=")
    with pytest.raises(ArgumentError, match="damaged"):
        Selection.from_link(f"images.{bits}.{about}")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("5", [5]), (" 3, 10-12;7 ", [3, 7, 10, 11, 12]), ("4 - 6", [4, 5, 6]), ("4–6 4", [4, 5, 6]),
        ("0-99", list(range(100))),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, numbers):
    assert numbers_in(text, 100).tolist() == numbers


@pytest.mark.parametrize("text", ["", "  ", "three", "-3", "3-", "100", "98-100", "5-3", "1.5", "1,,x", "٣"])
def test_other_text_is_refused_in_a_sentence(text):
    with pytest.raises(ArgumentError, match=r"[Ii]mage numbers"):
        numbers_in(text, 100)


def test_a_box_holds_what_lies_in_it_or_on_its_border():
    places = np.array([[0, 0], [1, 1], [2, 1], [1, 3]], np.float32)
    assert inside(places, (0.5, 0.5, 2, 2)).tolist() == [1, 2]
