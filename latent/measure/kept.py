"""Results that are kept beside a model file: what takes long to measure, measured once and then shipped.

A file holds values by the parts of `Evidence` that they are. It is JSON with its arrays beside it, in a compressed
archive of numpy: nothing in it is executed. Whoever reads it says what it must be of, and gets nothing where it is of
anything else.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import files
from latent.errors import ArgumentError

SUFFIX = ".results"
BEGINS = b"PK"  # as all archives of numpy
LARGEST = 1_000_000  # bytes of a file
LARGEST_INFLATED = 32 * LARGEST
HEADER = "results"  # the name of the JSON in the archive

Part = tuple[Any, ...]  # of the evidence: the name of a measurement, and its arguments


def beside(model_file: Path) -> Path:
    """The file of results of a model file.

    >>> beside(Path("checkpoints/ae-16.pt")).name
    'ae-16.results'
    """
    return model_file.with_suffix(SUFFIX)


def to_bytes(values: Mapping[Part, Any], of: Mapping[str, Any]) -> bytes:
    """The content of a file: ``values`` by part, and what they are ``of``, as plain JSON values.

    A value may be a number, text, None, an array, or a tuple, list, mapping or dataclass of such. Raises
    `ArgumentError` for another, and where the file would be larger than `LARGEST`.
    """
    arrays: list[NDArray[Any]] = []
    parts = [[list(part), to_tree(value, arrays)] for part, value in values.items()]
    header = json.dumps({"of": of, "parts": parts}, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    named: dict[str, Any] = {str(number): array for number, array in enumerate(arrays)}
    named[HEADER] = np.frombuffer(header, np.uint8)
    np.savez_compressed(buffer, **named)
    content = buffer.getvalue()
    if len(content) > LARGEST:
        raise ArgumentError(f"The results would take {len(content):,} bytes, more than {LARGEST:,}.")
    return content


def to_tree(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """A value as JSON has it; its arrays are added to ``arrays`` and stand in it by their numbers."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple):
        return {"tuple": [to_tree(each, arrays) for each in value]}
    if isinstance(value, list):
        return [to_tree(each, arrays) for each in value]
    if isinstance(value, Mapping):
        return {"mapping": [[to_tree(key, arrays), to_tree(each, arrays)] for key, each in value.items()]}
    if is_dataclass(value) and not isinstance(value, type):
        values = {each.name: to_tree(getattr(value, each.name), arrays) for each in fields(value)}
        return {"record": type(value).__name__, "values": values}
    raise ArgumentError(f"A {type(value).__name__} cannot be saved in a file of results.")


def from_tree(tree: Any, arrays: Mapping[str, NDArray[Any]], records: Mapping[str, type]) -> Any:
    """The value that `to_tree` made this of; raises `KeyError` or `TypeError` where it did not."""
    if isinstance(tree, list):
        return [from_tree(each, arrays, records) for each in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        array = arrays[str(tree["array"])]
        array.flags.writeable = False
        return array
    if "tuple" in tree:
        return tuple(from_tree(each, arrays, records) for each in tree["tuple"])
    if "mapping" in tree:
        return dict(from_tree(tree["mapping"], arrays, records))
    values = {name: from_tree(each, arrays, records) for name, each in tree["values"].items()}
    return records[tree["record"]](**values)


def read(path: Path, of: Mapping[str, Any], records: Iterable[type]) -> dict[Part, Any]:
    """The values in a file by part; ``records`` are the dataclasses that may be among them.

    None at all where the file is missing, damaged, too large, or of anything but ``of``: what is not known is measured.
    """
    try:
        if path.stat().st_size > LARGEST:
            return {}
        content = files.read(path)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_INFLATED:
                return {}
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            header = json.loads(archive[HEADER].tobytes())
            if header["of"] != dict(of):
                return {}
            arrays = {name: archive[name] for name in archive.files if name != HEADER}
        by_name = {record.__name__: record for record in records}
        return {tuple(part): from_tree(tree, arrays, by_name) for part, tree in header["parts"]}
    except Exception:  # a damaged archive fails in many ways: OSError, BadZipFile, zlib.error, KeyError
        return {}
