"""The formats that files of weights come in: one record each, from which all else follows.

A file's format is told by its bytes, since a name may end in anything; endings only say which files of a folder to
list. Where a file cannot be read, `CheckpointError` is raised with a sentence that lacks its subject, the file.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latent.errors import CheckpointError
from latent.foreign import exported_program, keras_graph, onnx_graph, torchscript_graph
from latent.foreign.graph import Graph
from latent.foreign.operations import by_name
from latent.foreign.pickles import Record, read_legacy, read_pickle
from latent.foreign.readers import (
    Archive,
    read_keras,
    read_keras_archive,
    read_npz,
    read_onnx,
    read_safetensors,
    read_torch,
    read_torchscript,
    torch_folders,
)

KERAS_ENTRIES = {"model.weights.h5", "config.json"}
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


@dataclass(frozen=True)
class Format:
    """One format.

    ``name`` in words, for a single file; ``family`` as lists of formats name it; ``suffixes`` of its files;
    ``recognises`` whether a file is of this format; ``read`` the file as a tree of plain data. Both get the file's
    bytes or, where ``zipped``, its `Archive`; ``recognises`` looks at the first bytes or the archive's names alone.
    ``graph`` the network in what was read, where the file says what it is, else None; ``has_named_weights`` whether
    its weights can be read by themselves, where what it says is not supported; ``modules`` what it lists of layers
    beside their weights, by path.
    """

    name: str
    family: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Any], bool]
    read: Callable[[Any], Any]
    zipped: bool = False
    graph: Callable[[Any], Graph | None] = lambda tree: None
    has_named_weights: bool = False
    modules: Callable[[Any], dict[str, Record]] = lambda tree: {}


def is_torch(archive: Archive) -> bool:
    return bool(torch_folders(archive)) and not is_torchscript(archive)


def is_torchscript(archive: Archive) -> bool:
    folders = torch_folders(archive)
    return len(folders) == 1 and f"{folders[0]}/constants.pkl" in archive.entries


def is_exported(archive: Archive) -> bool:
    return bool(exported_program.models_in(archive))


def is_hdf5(raw: bytes) -> bool:
    return raw.startswith(b"\x89HDF\r\n\x1a\n")


def is_keras(archive: Archive) -> bool:
    return archive.entries.keys() >= KERAS_ENTRIES


def is_npz(archive: Archive) -> bool:
    return bool(archive.entries) and all(name.endswith(".npy") for name in archive.entries)


def is_safetensors(raw: bytes) -> bool:
    return raw[8:9] == b"{" and raw[6:8] == b"\0\0"  # a header of less than 2**48 bytes


def is_pickle(raw: bytes) -> bool:
    return re.match(rb"\x80[\x02-\x05]", raw) is not None


def is_onnx(raw: bytes) -> bool:
    """Whether the first field is the version of the format, and another one follows that is no TensorFlow graph."""
    return not is_saved_model(raw) and re.match(rb"\x08[\x01-\x1f][\x12\x1a\x22\x2a\x32\x3a\x42]", raw) is not None


def is_saved_model(raw: bytes) -> bool:
    """Whether it is the graph of a TensorFlow SavedModel, which begins as an ONNX model may."""
    return raw.startswith(b"\x08\x01\x12") and (b"\x05serve" in raw[:4096] or b"VarHandleOp" in raw)


# The first that recognises a file reads it: the bytes of a legacy file, and of some safetensors files, begin as a
# pickle does.
FORMATS = by_name(
    Format("PyTorch archive", "PyTorch", (".pt", ".pth", ".ckpt", ".bin"), is_torch, read_torch, zipped=True),
    Format("PyTorch legacy file", "PyTorch", (), lambda raw: raw.startswith(LEGACY_START), read_legacy),
    Format(
        "TorchScript archive",
        "TorchScript",
        (".jit",),
        is_torchscript,
        read_torchscript,
        True,
        torchscript_graph.graph_of,
        has_named_weights=True,
    ),
    Format(
        "torch.export program",
        "torch.export",
        (".pt2",),
        is_exported,
        exported_program.read,
        True,
        exported_program.graph_of,
    ),
    Format("safetensors", "safetensors", (".safetensors",), is_safetensors, read_safetensors),
    Format(
        "Keras HDF5",
        "Keras",
        (".h5",),
        is_hdf5,
        read_keras,
        graph=keras_graph.graph_of,
        modules=keras_graph.layers_listed,
    ),
    Format("Keras archive", "Keras", (".keras",), is_keras, read_keras_archive, True, keras_graph.graph_of),
    Format("ONNX model", "ONNX", (".onnx",), is_onnx, read_onnx, graph=onnx_graph.graph_of),
    Format("NumPy archive", ".npz", (".npz",), is_npz, read_npz, zipped=True),
    Format("Python pickle", "PyTorch", (".pkl",), is_pickle, read_pickle),
)


def suffixes() -> tuple[str, ...]:
    """The endings of the files of a folder that may be weights."""
    return tuple(suffix for format in FORMATS.values() for suffix in format.suffixes)


def begins_as_one(path: Path) -> bool:
    """Whether a file, whatever its name, begins as weights do; of a zip archive, whether its directory says so.

    NumPy archives are left out: most of them hold other things. Raises `OSError`.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if not start.startswith(b"PK"):
        return any(not each.zipped and each.recognises(start) for each in FORMATS.values())
    with suppress(zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        return names >= KERAS_ENTRIES or any(name.endswith(("/data.pkl", "/models/model.json")) for name in names)
    return False


def names(conjunction: str = "and") -> str:
    """The formats in words, as "PyTorch, TorchScript, …, ONNX and .npz"."""
    *first, last = dict.fromkeys(format.family for format in FORMATS.values())
    return f"{', '.join(first)} {conjunction} {last}"


def read(content: bytes) -> tuple[str, Any]:
    """The name of a file's format, and what the file holds. Raises `CheckpointError`."""
    zipped = content.startswith(b"PK")
    source = Archive(content) if zipped else content
    for format in FORMATS.values():
        if format.zipped == zipped and format.recognises(source):
            return format.name, format.read(source)
    raise CheckpointError(what_instead(content))


def what_instead(content: bytes) -> str:
    """What a file of no known format seems to be, and what could be read."""
    start = content[:512].lstrip().lower()
    expected = f"{names()} files are read"
    if content.startswith(b"PK") and b"serialized_exported_program.json" in content:
        return "is a program of torch.export from before PyTorch 2.8; export it again with a newer version"
    if content.startswith(b"PK"):
        return "is a zip archive, but not of PyTorch, Keras or NumPy: it has no data.pkl and no weights"
    if is_saved_model(content):
        return "is the graph of a TensorFlow SavedModel, whose weights lie in other files; save the model as .keras"
    if content.startswith(b"version https://git-lfs"):
        return "is only a pointer to a file in Git LFS; download the file itself"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not a model file; the download saved the page instead of the file"
    if content.startswith(b"\x93NUMPY"):
        return "is a single array; weights need names, as in an .npz file"
    if content[257:262] == b"ustar":
        return "is a tar archive; unpack it, or save the PyTorch file again with a newer version"
    if start and all(byte >= 32 or byte in b"\t\n\r" for byte in start):
        return f"is text, not a model file; {expected}"
    return f"has an unknown format; {expected}"
