"""Tests of many models or files, of which a few stand for all unless ``--exhaustive`` asks for every one."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def few_of(values: Iterable[Any], kept: Collection[Any]) -> list[Any]:
    """The parameters of a test: the ``kept`` ones always, the others only where all are asked for."""
    values = list(values)
    missing = [each for each in kept if each not in values]
    assert not missing, f"not among the values: {missing}"
    return [each if each in kept else pytest.param(each, marks=pytest.mark.exhaustive) for each in values]
