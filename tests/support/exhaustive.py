"""Tests of many models or files, of which a few stand for all unless ``--exhaustive`` asks for every one."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def few_of(values: Iterable[Any], kept: Collection[Any]) -> list[Any]:
    """The parameters of a test: the ``kept`` ones always, the others only where all are asked for."""
    return few_rows_of([(each,) for each in values], [(each,) for each in kept])


def few_rows_of(rows: Iterable[tuple[Any, ...]], kept: Collection[tuple[Any, ...]]) -> list[Any]:
    """The same of tests that take several parameters, a tuple of them in each row."""
    rows = list(rows)
    missing = [row for row in kept if row not in rows]
    assert not missing, f"not among the values: {missing}"
    return [pytest.param(*row, marks=() if row in kept else pytest.mark.exhaustive) for row in rows]
