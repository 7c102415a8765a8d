"""Parcels: values by name as one block of bytes, which `inbox.js` takes apart for the components in the browser."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def parcel(name: str, *, stays: bool = False, **values: Any) -> bytes:
    """A parcel; ``name`` stands for the content, and one that ``stays`` is not taken in a second time.

    Bytes and arrays of uint8, uint16, uint32 or floats (as float32) go as they are, all else as JSON. In this order:
    how long the JSON is (uint32), the JSON, which says where each array begins behind it, the arrays, each at a
    multiple of 4.
    """
    plain: dict[str, Any] = {"name": name, "stays": stays, "arrays": {}}
    blocks: list[bytes] = []
    end = 0
    for key, value in values.items():
        if isinstance(value, bytes):
            value = np.frombuffer(value, np.uint8)
        if not isinstance(value, np.ndarray):
            plain[key] = value
            continue
        array = value.astype("<f4") if value.dtype.kind == "f" else value
        plain["arrays"][key] = [array.dtype.name, end, array.size]
        blocks.append(array.tobytes() + bytes(-array.nbytes % 4))
        end += len(blocks[-1])
    head = json.dumps(plain).encode()
    head += b" " * (-len(head) % 4)
    return b"".join([len(head).to_bytes(4, "little"), head, *blocks])
