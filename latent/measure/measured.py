"""Measurements that are made when somebody first asks for them, and once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, TypeVar

from latent.measure.kept import Part

VERSION = 2  # of the measures: raise it with every change to what one of them says, and results kept before are void
MOST_FOUND = 128  # parts in memory: a sampler has one for every seed

M = TypeVar("M", bound="Measured")
T = TypeVar("T")


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """Something of which parts are measured: each when it is first asked for, by whichever section, report or thread.

    It is then ``found``, by its name and arguments; what was ``kept`` on disk is not measured again.
    """

    kept: Mapping[Part, Any] = field(default_factory=dict, repr=False)
    found: dict[tuple[Hashable, ...], Any] = field(default_factory=dict, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def has(self, part: str, *arguments: Hashable) -> bool:
        """Whether the part of this name was measured already."""
        return (part, *arguments) in self.kept or (part, *arguments) in self.found


def measured_once(measure: Callable[Concatenate[M, ...], T]) -> Callable[Concatenate[M, ...], T]:
    """A measurement that is made when it is first asked for; whoever asks meanwhile waits for it."""

    @wraps(measure)
    def kept_or_measured(of: M, *arguments: Hashable) -> T:
        key = (measure.__name__, *arguments)
        if key in of.kept:
            kept: T = of.kept[key]
            return kept
        with of.lock:
            found: T = of.found.pop(key) if key in of.found else measure(of, *arguments)
            of.found[key] = found  # the last asked for is the last to go
            while len(of.found) > MOST_FOUND:
                of.found.pop(next(iter(of.found)))
            return found

    return kept_or_measured
