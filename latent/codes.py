"""A code as a person writes it, or as programs print it: text to numbers and back."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError

SEPARATORS = re.compile(r"[\s,;]+")
BRACKETS = str.maketrans(dict.fromkeys("[](){}\"'", " "))
MINUS = str.maketrans(dict.fromkeys("\u2212\ufe63\uff0d", "-"))  # as axes, word processors and East Asian keyboards do
DASH = re.compile(r"(?<![^\s,;\[({:=])[\u2012\u2013](?=[\d.])")  # in front of a number, which word processors replace
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
OPTION = re.compile(r"[,\s]*\b[A-Za-z_]\w*\s*=\s*(?:'[^']*'|\"[^\"]*\"|<[^<>]*>|[A-Za-z_][\w.]*)")  # dtype=float32
CALL = re.compile(r"\b[A-Za-z_][\w.]*\s*(?=\()")  # array(…), tensor(…), np.float32(…)
NUMBERED = re.compile(rf"[^\w.+-]*(?:dim(?:ension)?\s*)?(\d+)\s*[\"']?\s*(?::|=|->|→)\s*({NUMBER})[\s,;}}]*")
IN_TWO_COLUMNS = re.compile(rf"\s*(?:dim(?:ension)?\s*)?(\d+)\s*[:=]?\s+({NUMBER}|[-+]?\d+,\d+)\s*")
PRINTED = re.compile(r"\b(?:array|tensor|Array)\s*\(.*\)", re.DOTALL)  # also within what names or describes it
WITH_COMMA = re.compile(r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?")
LARGEST = 1e6  # a number beyond it is a slip of the keyboard, and would overflow in the network


def parse(text: str, latent_dim: int) -> NDArray[np.float32]:
    """The code (latent_dim,) in a text: numbers between commas, semicolons, spaces or lines, in brackets or JSON.

    Also as NumPy and PyTorch print an array, with a typographic minus, with decimal commas, or a number on each line
    behind its dimension, wherever that leaves no doubt. Raises `ArgumentError`, in one sentence, for another count, for
    words, and for NaN, infinity or absurd numbers.

    >>> parse("[0.5, -1  2e-1]", 3)
    array([ 0.5, -1. ,  0.2], dtype=float32)
    """
    text = DASH.sub("-", text.translate(MINUS))
    values = []
    for position, word in enumerate(words_of(text, latent_dim), start=1):
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


def words_of(text: str, latent_dim: int) -> list[str]:
    """The numbers of a text, as words; the first way of writing that gives as many as asked for, or the plain one."""
    for way in WAYS:
        words = way(text)
        if words is not None and len(words) == latent_dim:
            return words
    return plain(text)


def plain(text: str) -> list[str]:
    """What stands between separators, less brackets, and names and options of a printed array."""
    printed = PRINTED.search(text)
    text = printed[0] if printed else text
    bare = CALL.sub("", OPTION.sub("", text)) if "(" in text else text
    return [word for word in SEPARATORS.split(bare.translate(BRACKETS)) if word]


def numbered(text: str) -> list[str] | None:
    """The numbers behind those of their dimensions, each from the first to the last one; None where it is not so."""
    lines = [line for line in text.splitlines() if line.strip(" \t{}")]
    for found in (
        [match.groups() for match in NUMBERED.finditer(text)] if NUMBERED.sub("", text).strip(" \t\n{}") == "" else [],
        [match.groups() for line in lines if len(lines) > 1 and (match := IN_TWO_COLUMNS.fullmatch(line))],
    ):
        places = [int(place) for place, _ in found]
        if found and places in (list(range(len(found))), list(range(1, len(found) + 1))):
            return [value.replace(",", ".") for _, value in found] if len(found) >= len(lines) else None
    return None


def with_decimal_commas(text: str) -> list[str] | None:
    """Numbers with a comma for a point, between other signs than commas; None where it is not so.

    >>> with_decimal_commas("0,5; -1,25 2"), with_decimal_commas("1, 2, 3")
    (['0.5', '-1.25', '2'], None)
    """
    words = [word.rstrip(",") for word in re.split(r"[\s;]+", text.translate(BRACKETS)) if word.rstrip(",")]
    if all(map(WITH_COMMA.fullmatch, words)) and any("," in word for word in words):
        return [word.replace(",", ".") for word in words]
    return None


WAYS: tuple[Callable[[str], list[str] | None], ...] = (plain, numbered, with_decimal_commas)


def shorten(word: str) -> str:
    """The word in quotes, cut where it is long."""
    return repr(word if len(word) <= 20 else word[:20] + "…")


def text_of(code: ArrayLike, digits: int = 3) -> str:
    """A code as text that `parse` reads back, to ``digits`` decimals.

    >>> text_of([0.5, -1.0])
    '0.500, -1.000'
    """
    return ", ".join(f"{value:.{digits}f}" for value in np.asarray(code, np.float64).ravel())
