"""A code as a person writes it: text to numbers and back."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError

SEPARATORS = re.compile(r"[\s,;]+")
BRACKETS = str.maketrans(dict.fromkeys("[](){}", " "))
LARGEST = 1e6  # a number beyond it is a slip of the keyboard, and would overflow in the network


def parse(text: str, latent_dim: int) -> NDArray[np.float32]:
    """The code (latent_dim,) in a text: numbers between commas, semicolons, spaces or lines, in brackets or JSON.

    Raises `ArgumentError`, in one sentence, for another count, for words, and for NaN, infinity or absurd numbers.

    >>> parse("[0.5, -1  2e-1]", 3)
    array([ 0.5, -1. ,  0.2], dtype=float32)
    """
    words = [word for word in SEPARATORS.split(text.translate(BRACKETS)) if word]
    values = []
    for position, word in enumerate(words, start=1):
        try:
            value = float(word)
        except ValueError:
            raise ArgumentError(f"Expected numbers, got {shorten(word)} at position {position}.") from None
        if not abs(value) <= LARGEST:  # NaN fails this too
            raise ArgumentError(f"Expected numbers within ±{LARGEST:,.0f}, got {shorten(word)} at position {position}.")
        values.append(value)
    if len(values) != latent_dim:
        raise ArgumentError(f"Expected {latent_dim} number{'s' * (latent_dim != 1)}, got {len(values)}.")
    return np.array(values, np.float32)


def shorten(word: str) -> str:
    """The word in quotes, cut where it is long."""
    return repr(word if len(word) <= 20 else word[:20] + "…")


def text_of(code: ArrayLike, digits: int = 3) -> str:
    """A code as text that `parse` reads back, to ``digits`` decimals.

    >>> text_of([0.5, -1.0])
    '0.500, -1.000'
    """
    return ", ".join(f"{value:.{digits}f}" for value in np.asarray(code, np.float64).ravel())
