import numpy as np
import pytest

from latent.codes import parse, text_of
from latent.errors import ArgumentError


@pytest.mark.parametrize(
    "text", ["1,2,3", "1 2 3", "[1, 2, 3]", "[1, 2, 3,]", "(1;2;3)", "\n1\n2\n3\n", "1.0, 2e0, +3", "[[1,2,3]]"]
)
def test_numbers_are_read_in_every_usual_form(text):
    assert parse(text, 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 2 3 4 5 6 7 8", "Expected 16 numbers, got 8."),
        ("", "Expected 16 numbers, got 0."),
        ("a b", "Expected numbers, got 'a' at position 1."),
        ("1 nan", "Expected numbers within ±1,000,000, got 'nan' at position 2."),
        ("inf", "Expected numbers within ±1,000,000, got 'inf' at position 1."),
        ("-1e999", "Expected numbers within ±1,000,000, got '-1e999' at position 1."),
        ("x" * 100, f"Expected numbers, got '{'x' * 20}…' at position 1."),
    ],
)
def test_what_is_no_vector_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(ArgumentError) as caught:
        parse(text, 16)
    assert str(caught.value) == sentence


def test_one_number_is_singular():
    with pytest.raises(ArgumentError, match=r"Expected 1 number, got 2\."):
        parse("1 2", 1)


def test_text_and_back():
    code = np.random.default_rng(0).normal(size=20).astype(np.float32)
    assert np.allclose(parse(text_of(code), 20), code, atol=5e-4)
