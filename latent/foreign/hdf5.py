"""Reads Keras weights from an HDF5 file, in a process of its own.

``python -m latent.foreign.hdf5 < file.h5 > weights.npz``. The HDF5 library is large and written in C; a forged file can
make it hang or crash. So `latent.foreign.readers` starts this room as a program, with limits to its time and memory,
and takes only arrays and text from it. It writes a NumPy archive: ``weights/NAME`` in the order of the layers,
``text/model_config``, ``text/training_config``, ``text/keras_version``, and in ``text/layers`` the names of all layers
in order as JSON, where the file lists them. A file that is refused ends in the status `REFUSED` and a sentence without
its subject.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from latent.errors import CheckpointError
from latent.files import LARGEST_FILE

if TYPE_CHECKING:
    import h5py

MOST_ENTRIES = 20_000
MOST_INFLATION = 100  # no weights deflate to a hundredth
MOST_MEMORY = 4 * 1024**3  # bytes of address space
MOST_SECONDS = 10  # of computing; half a gigabyte takes two
REFUSED = 3


def translate(content: bytes) -> bytes:
    """The NumPy archive of an HDF5 file's bytes. Raises `CheckpointError` for a file that is not to be read."""
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError("is a Keras HDF5 file, which needs pip install h5py") from error
    buffer = io.BytesIO()
    try:
        with h5py.File(io.BytesIO(content), "r") as file, zipfile.ZipFile(buffer, "w") as archive:
            for text in ("model_config", "training_config", "keras_version"):
                value = _text(file.attrs.get(text))
                if value:
                    _write(archive, f"text/{text}", np.array(value))
            inside = isinstance(file.get("model_weights", getlink=True), h5py.HardLink)
            group = file["model_weights"] if inside else file
            if layers := _listed_names(group, "layer_names"):
                _write(archive, "text/layers", np.array(json.dumps(layers)))
            for name, array in _weights(group, len(content)):
                _write(archive, f"weights/{name}", array)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file fails in many ways inside the library
        raise CheckpointError("is damaged: the HDF5 file cannot be read to its end") from error
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray[Any, Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


def _weights(group: h5py.Group, size: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    total = 0
    seen: set[str] = set()
    for name, dataset in _datasets(group):
        if len(seen) >= MOST_ENTRIES or name in seen:
            raise CheckpointError("is damaged or forged: it names one tensor twice, or far too many")
        seen.add(name)
        if dataset.external or dataset.is_virtual:
            raise CheckpointError(f"keeps the tensor {name[:80]} in another file, which is not read")
        stored = dataset.id.get_storage_size()
        total += dataset.nbytes
        honest = dataset.nbytes <= (MOST_INFLATION * stored if dataset.chunks else stored)
        if not honest or total > min(LARGEST_FILE, MOST_INFLATION * size):
            raise CheckpointError(f"is damaged or forged: the tensor {name[:80]} is larger than its bytes")
        if dataset.dtype.kind in "fiubc":  # the others are text, such as the vocabulary of a layer
            yield name, np.asarray(dataset[()])


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """The datasets by name: in the order that the attributes give or, in files without, as a tree in natural order."""
    layers = _listed_names(group, "layer_names")
    if layers is None:
        yield from _tree(group, "", 0)
        return
    for layer in layers:
        inside = _inside(group, layer)
        for weight in _listed_names(inside, "weight_names") or []:
            name = weight if weight.startswith(f"{layer}/") else f"{layer}/{weight}"
            yield name, _inside(inside, weight)


def _tree(group: h5py.Group, prefix: str, depth: int) -> Iterator[tuple[str, h5py.Dataset]]:
    import h5py

    if depth > 20 or len(group) > MOST_ENTRIES:
        raise CheckpointError("is damaged or forged: its groups are nested too deep or too many")
    for name in sorted(group, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)]):
        if not prefix and name in ("optimizer", "optimizer_weights"):
            continue
        child = _inside(group, name)
        if isinstance(child, h5py.Dataset):
            yield f"{prefix}{name}", child
        else:
            yield from _tree(child, f"{prefix}{name}/", depth + 1)


def _inside(group: h5py.Group, path: str) -> Any:
    """What lies at a path inside the file. Raises `CheckpointError` for links that lead elsewhere."""
    import h5py

    for part in path.split("/"):
        if part in ("", ".", "..") or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise CheckpointError(f"is damaged: the HDF5 file has nothing of its own at {path[:80]}")
        group = group[part]
    return group


def _listed_names(group: h5py.Group, attribute: str) -> list[str] | None:
    """A list of names among the attributes; Keras spreads long ones over attribute0, attribute1, …"""
    if attribute in group.attrs:
        parts = [attribute]
    else:
        parts = [f"{attribute}{i}" for i in range(len(group.attrs)) if f"{attribute}{i}" in group.attrs]
    names = [_text(name) for part in parts for name in np.ravel(group.attrs[part])]
    if any(name is None for name in names):
        raise CheckpointError("is damaged: the HDF5 file names its layers by something other than text")
    return [name for name in names if name is not None] if parts else None


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else None


def _limit_this_process() -> None:
    try:
        import resource
    except ImportError:  # there is none on Windows; the caller's time limit holds everywhere
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit_this_process()
    try:
        sys.stdout.buffer.write(translate(sys.stdin.buffer.read()))
    except CheckpointError as error:
        sys.stderr.buffer.write(str(error).encode("utf-8", "replace"))
        sys.exit(REFUSED)
