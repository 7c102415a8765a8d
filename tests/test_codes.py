import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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


CODE = np.array([0.5, -1.25] * 8, np.float32)
COMMAS = [str(value).replace(".", ",") for value in CODE]
PASTED = {
    "NumPy, printed": str(CODE),
    "NumPy, in a notebook": repr(CODE),
    "NumPy, two dimensions": repr(CODE[None]),
    "NumPy, scalars": repr(list(CODE)),
    "Python": repr(CODE.tolist()),
    "PyTorch": repr(torch.tensor(CODE)),
    "PyTorch, float64": repr(torch.tensor(CODE).double()),
    "PyTorch, with a gradient": repr(torch.tensor(CODE, requires_grad=True)),
    "PyTorch, of a function": repr(torch.tensor(CODE, requires_grad=True) * 1),
    "PyTorch, on a GPU": repr(torch.tensor(CODE)).replace(")", ", device='cuda:0')"),
    "PyTorch, a parameter": repr(torch.nn.Parameter(torch.tensor(CODE))),
    "JAX": f"Array({CODE.tolist()}, dtype=float32)",
    "TensorFlow": f"<tf.Tensor: shape=(16,), dtype=float32, numpy=\n{CODE!r}>",
    "JSON by dimension": json.dumps({str(i): float(value) for i, value in enumerate(CODE)}),
    "a minus sign": ", ".join(map(str, CODE)).replace("-", "\u2212"),
    "an en dash": ", ".join(map(str, CODE)).replace("-", "\u2013"),
    "decimal commas, semicolons": "; ".join(COMMAS),
    "decimal commas, spaces": " ".join(COMMAS),
    "decimal commas, tabs": "\t".join(COMMAS),
    "decimal commas, commas and spaces": ", ".join(COMMAS),
    "decimal commas, lines": "\n".join(COMMAS),
    "numbered lines": "\n".join(f"{i}: {value}" for i, value in enumerate(CODE)),
    "numbered from 1": "\n".join(f"{i}: {value}" for i, value in enumerate(CODE, 1)),
    "numbered with commas": "\n".join(f"{i}: {value}" for i, value in enumerate(COMMAS)),
    "named lines": "\n".join(f"dim {i} = {value}" for i, value in enumerate(CODE)),
    "a series of pandas": "\n".join(f"{i:<4} {value}" for i, value in enumerate(CODE)),
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_what_programs_print_is_read(text):
    assert parse(text, 16).tolist() == CODE.tolist()


@pytest.mark.parametrize(
    ("text", "latent_dim", "expected"),
    [
        ("1,2; 3,4", 2, [1.2, 3.4]),
        ("1,2; 3,4", 4, [1, 2, 3, 4]),
        ("1, 2,5, 3", 3, [1, 2.5, 3]),
        ("0 1 2 3", 4, [0, 1, 2, 3]),
        ("0 5\n1 6", 2, [5, 6]),
        ("0 5\n1 6", 4, [0, 5, 1, 6]),
        ("-0.5 - 1", 3, None),
    ],
)
def test_one_text_is_read_as_the_length_of_the_code_has_it(text, latent_dim, expected):
    if expected is None:
        with pytest.raises(ArgumentError):
            parse(text, latent_dim)
    else:
        assert parse(text, latent_dim).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "0: 0.5\n2: -1.25",  # a dimension is missing
        "1: 0.5\n0: -1.25",  # not in order
        "array([0.5, ..., 1.0])",  # NumPy leaves out the middle of long arrays
        "0,5, 1,5, 2",  # two or three numbers
        "array([nan, 0.5])",
        "5-3",
        "np.float32(0.5) + 1",
    ],
)
def test_what_leaves_a_doubt_is_refused(text):
    with pytest.raises(ArgumentError):
        parse(text, 2)


@given(st.lists(st.floats(-1e5, 1e5, width=32), min_size=1, max_size=12))
def test_every_printed_array_is_read_to_its_last_digit(values):
    code = np.array(values, np.float32)
    assert parse(repr(code.tolist()), len(code)).tolist() == code.tolist()
    assert parse(repr(list(code)), len(code)).tolist() == code.tolist()
    with np.printoptions(threshold=100):
        assert parse(repr(code), len(code)) == pytest.approx(code, rel=1e-6, abs=1e-30)
