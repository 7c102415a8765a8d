"""What TorchScript's code computes of plain values while its network is followed: numbers, texts, lists and tables.

A closed table by name. Nothing here knows tensors: a list may hold the names of some, which are only passed on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from latent.foreign.torchscript_code import DamagedError

LONGEST = 2**16  # values in a list, or signs in a text
LARGEST = 2**63  # of TorchScript's whole numbers
TOO_LARGE = "is damaged or forged: its code makes a value that is larger than any network needs"

Function = Callable[..., Any]


def within(value: Any) -> Any:
    """The value, where it is not larger than any that a network needs. Raises `DamagedError`."""
    too_large = (type(value) is int and not -LARGEST <= value < LARGEST) or (
        isinstance(value, str | list | tuple | dict) and len(value) > LONGEST
    )
    if too_large:
        raise DamagedError(TOO_LARGE)
    return value


def repeated(values: list[Any], times: int) -> list[Any]:
    if len(values) * times > LONGEST:
        raise DamagedError(TOO_LARGE)
    return values * times


def power(a: float, b: float) -> float:
    """Whole numbers are not raised to more than 64, from which on only 0 and ±1 would fit."""
    if abs(b) > 64:
        raise DamagedError(TOO_LARGE)
    return float(a) ** b if isinstance(a, float) or b < 0 else a**b


def remainder(a: float, b: float) -> float:
    """With the sign of ``b``, as `torch.remainder`."""
    return a - b * math.floor(a / b) if isinstance(a, float) or isinstance(b, float) else a % b


def sliced(values: Any, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return values[start:end:step]


def inserted(values: list[Any], place: int, value: Any) -> None:
    values.insert(place, value)
    within(values)


def appended(values: list[Any], value: Any) -> list[Any]:
    values.append(value)
    return within(values)


def extended(values: list[Any], more: list[Any]) -> None:
    values.extend(more)
    within(values)


# Of numbers alone.
NUMBERS: dict[str, Function] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b, "remainder": remainder, "neg": lambda a: -a, "pow": power,
    "floor": math.floor, "ceil": math.ceil, "round": lambda a: float(round(a)), "sqrt": lambda a: math.sqrt(a),
    "exp": math.exp, "log": lambda a: math.log(a), "abs": abs, "sin": math.sin, "cos": math.cos, "tanh": math.tanh,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "__not__": lambda a: not a,
    "__and__": lambda a, b: a & b, "__or__": lambda a, b: a | b, "__xor__": lambda a, b: a ^ b,
    "__range_length": lambda first, last, step: len(range(first, last, step)),
    "__derive_index": lambda place, first, step: first + place * step, "Int": int, "Float": float, "Bool": bool,
}  # fmt: skip

# Of lists, texts and tables, whatever is in them.
COLLECTIONS: dict[str, Function] = {
    "len": len, "list": list, "append": appended, "extend": extended, "insert": inserted,
    "pop": lambda values, place=-1: values.pop(place), "reverse": lambda values: values.reverse(),
    "clear": lambda values: values.clear(), "copy": lambda values: values.copy(),
    "slice": sliced, "add": lambda a, b: a + b, "mul": repeated, "__contains__": lambda values, each: each in values,
    "__getitem__": lambda values, place: values[place], "keys": lambda table: list(table),
    "values": lambda table: list(table.values()), "items": lambda table: list(table.items()),
    "any": any, "all": all, "eq": lambda a, b: a == b, "ne": lambda a, b: a != b,
    "format": lambda text, *values: text, "lower": lambda text: text.lower(), "upper": lambda text: text.upper(),
    "startswith": lambda text, start: text.startswith(start), "endswith": lambda text, end: text.endswith(end),
}  # fmt: skip
