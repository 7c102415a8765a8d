"""Readers of the files that weights come in, but for pickles: each makes plain data of bytes and executes nothing.

Each returns a tree of dict, list, tuple, set, str, bytes, numbers, None, tensors and `Record`, and raises
`CheckpointError` with a sentence that lacks its subject, the file, which `latent.foreign.container` puts in front.
"""

from __future__ import annotations

import ast
import io
import json
import math
import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import LARGEST_FILE, label
from latent.foreign.hdf5 import MOST_ENTRIES, MOST_INFLATION, REFUSED
from latent.foreign.pickles import (
    Record,
    Storages,
    Unpickler,
    Unread,
    check_tree,
    from_numpy,
    numbers_of,
    unread_array,
)

LARGEST_TEXT = 16 * 1024**2  # bytes of JSON or of code
LARGEST_GRAPH = 128 * 1024**2  # bytes of an ONNX file, which becomes objects of many times its size
LONGEST_READING = 30  # seconds for an HDF5 file

SAFETENSORS_DTYPES = {
    "F16": torch.float16, "F32": torch.float32, "F64": torch.float64, "BF16": torch.bfloat16, "BOOL": torch.bool,
    "U8": torch.uint8, "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64,
    "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
}  # fmt: skip
ONNX_DTYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 4: torch.uint16, 5: torch.int16, 6: torch.int32, 7: torch.int64,
    9: torch.bool, 10: torch.float16, 11: torch.float64, 12: torch.uint32, 13: torch.uint64, 16: torch.bfloat16,
}  # fmt: skip


class Archive:
    """A zip archive whose directory has been checked before any of its entries is read.

    Raises `CheckpointError` where it has too many entries, two of one name, names that leave the folder, encrypted
    entries, or more content than it could honestly hold.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        end = content.rfind(b"PK\x05\x06")
        if end < 0 or len(content) != end + 22 + int.from_bytes(content[end + 20 : end + 22], "little"):
            raise CheckpointError("is damaged or cut short: the end of the zip archive is missing")
        if content.count(b"PK\x01\x02") > MOST_ENTRIES:  # counted first, since listing them costs memory
            raise CheckpointError(f"is a zip archive of more than {MOST_ENTRIES:,} entries")
        try:
            entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
        except Exception as error:  # a damaged directory fails in many ways
            raise CheckpointError("is damaged: the directory of the zip archive cannot be read") from error
        self.entries = {entry.filename: entry for entry in entries}
        if len(self.entries) != len(entries):
            raise CheckpointError("is a zip archive with two entries of the same name")
        for name, entry in self.entries.items():
            if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                raise CheckpointError("is a zip archive with a name that leaves its folder")
            if entry.flag_bits & 0x1:
                raise CheckpointError("is an encrypted zip archive")
        if sum(e.compress_size for e in entries) > len(content):
            raise CheckpointError("is a zip archive whose entries overlap")
        total = sum(entry.file_size for entry in entries)
        if total > min(LARGEST_FILE, MOST_INFLATION * len(content)):
            raise CheckpointError("is a zip archive that unpacks to far more than its size")

    def read(self, name: str) -> memoryview:
        """The bytes of an entry. Raises `CheckpointError` where it is absent or damaged."""
        entry = self.entries.get(name)
        if entry is None:
            raise CheckpointError(f"is damaged: the record {label(name)} is missing")
        start = entry.header_offset
        header = self.content[start : start + 30]
        n_name, n_extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        start += 30 + n_name + n_extra
        packed = memoryview(self.content)[start : start + entry.compress_size]
        if header[:4] != b"PK\x03\x04" or entry.header_offset < 0 or len(packed) != entry.compress_size:
            raise CheckpointError(f"is damaged: the record {label(name)} is not where the directory says")
        data = packed
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            try:
                data = memoryview(zlib.decompressobj(-15).decompress(packed, entry.file_size + 1))
            except zlib.error as error:
                raise CheckpointError(f"is damaged: the record {label(name)} cannot be unpacked") from error
        elif entry.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError("is a zip archive with unsupported compression")
        # PyTorch can be told to write no checksums; all are 0 then
        if len(data) != entry.file_size or (entry.CRC and zlib.crc32(data) != entry.CRC):
            raise CheckpointError(f"is damaged: the record {label(name)} does not have the checksum it was saved with")
        return data


def torch_folders(archive: Archive) -> list[str]:
    """The folders of an archive that hold what PyTorch has saved: one, unless something is wrong."""
    return [name.removesuffix("/data.pkl") for name in archive.entries if re.fullmatch(r"[^/]+/data\.pkl", name)]


def _torch_folder(archive: Archive) -> str:
    """The only folder of what PyTorch has saved, as PyTorch itself has packed it."""
    folder, *others = torch_folders(archive)
    if others:
        raise CheckpointError("is a zip archive with more than one data.pkl")
    packed = [name for name, entry in archive.entries.items() if entry.compress_type != zipfile.ZIP_STORED]
    if any(not name.startswith(f"{folder}/code/") for name in packed):  # TorchScript deflates its code
        raise CheckpointError("is a PyTorch archive that was packed again; unpack it and save the model anew")
    return folder


def read_torch(archive: Archive) -> Any:
    """What ``torch.save`` was given."""
    return _torch_pickle(archive, _torch_folder(archive), "data")


def _torch_pickle(archive: Archive, folder: str, pickle: str) -> Any:
    """The tree of one of the pickles of a PyTorch archive, with its blocks of numbers in the folder of its name."""
    if f"{folder}/byteorder" in archive.entries and bytes(archive.read(f"{folder}/byteorder")) != b"little":
        raise CheckpointError("is big-endian: save it again on a little-endian machine")

    def read(key: str, _: int) -> bytearray:
        return bytearray(archive.read(f"{folder}/{pickle}/{key}"))

    data = archive.read(f"{folder}/{pickle}.pkl")
    stream = io.BytesIO(data)
    root = Unpickler(stream, Storages(read, len(archive.content)), budget=4 * len(archive.content)).load()
    if stream.read(1):
        raise CheckpointError("is damaged: data follow the end of data.pkl")
    check_tree(root)
    return root


def read_torchscript(archive: Archive) -> dict[str, Any]:
    """The ``module``, its ``constants`` (c0, c1, …; the weights, where the module was frozen) and its ``code`` as text.

    What the code declares of a class (its parameters, buffers and constants such as a stride) is added to the
    attributes of the records of that class. The code is only looked at, line by line.
    """
    folder = _torch_folder(archive)
    texts = [name for name in archive.entries if name.startswith(f"{folder}/code/") and name.endswith(".py")]
    if sum(archive.entries[name].file_size for name in texts) > LARGEST_TEXT:
        raise CheckpointError(f"holds more than {LARGEST_TEXT // 1024**2} MB of code")
    code = {name.removeprefix(f"{folder}/"): bytes(archive.read(name)).decode("utf-8", "replace") for name in texts}
    declared: dict[str, dict[str, Any]] = {}
    for path, text in code.items():
        module = path.removeprefix("code/").removesuffix(".py").replace("/", ".")
        for name, found in _declarations(text):
            declared[f"{module}.{name}"] = found
    root = _torch_pickle(archive, folder, "data")
    seen: set[int] = set()
    stack = [root]
    while stack:
        record = stack.pop()
        if isinstance(record, Record) and id(record) not in seen:
            seen.add(id(record))
            stack.extend(record.attributes.values())
            for name, value in declared.get(record.class_name, {}).items():
                record.attributes.setdefault(name, value)
    constants = _torch_pickle(archive, folder, "constants")
    if not isinstance(constants, tuple):
        raise CheckpointError("is damaged: its constants are not a tuple")
    return {"module": root, "constants": {f"c{i}": value for i, value in enumerate(constants)}, "code": code}


def _declarations(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The classes in TorchScript's code, each with what it declares by a literal value."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        if match := re.match(r"class (\w+)\(", line):
            found = {}
            yield match[1], found
        elif match := re.match(r"  (__parameters__|__buffers__) = \[(.*)\]$", line):
            found[match[1]] = re.findall(r'"([^"]*)"', match[2])
        elif match := re.match(r"  (\w+) : Final\[.*\] = (.{1,200})$", line):
            try:
                found[match[1]] = ast.literal_eval(match[2])
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                found[match[1]] = match[2]


def read_npz(archive: Archive) -> dict[str, Any]:
    """The arrays by name."""
    return {name.removesuffix(".npy"): _npy(archive.read(name)) for name in archive.entries}


def _npy(data: memoryview) -> Any:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception as error:  # a damaged header fails in many ways
        raise CheckpointError("is damaged: the header of an array cannot be read") from error
    if dtype.hasobject or dtype.kind not in "fiubUS":
        return Unread(unread_array(dtype.kind))
    values = data[stream.tell() :]
    # no more than 32 dimensions, and no overflow of their product where one of them is 0
    if len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape) or math.prod(n or 1 for n in shape) >= 2**48:
        raise CheckpointError("is damaged or forged: an array has an impossible shape")
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(values):
        raise CheckpointError("is damaged or forged: an array's shape does not fit its bytes")
    flat = np.frombuffer(values, dtype=dtype) if len(values) else np.empty(0, dtype)
    return from_numpy(flat.reshape(shape, order="F" if fortran else "C"))


def read_safetensors(content: bytes) -> dict[str, Any]:
    """The tensors by name in the order of their bytes, and ``__metadata__`` where the file has some."""
    length = int.from_bytes(content[:8], "little")
    if length > min(LARGEST_TEXT, len(content) - 8):
        raise CheckpointError("is damaged or forged: its header is longer than the file or than any valid header")
    header = _json(content[8 : 8 + length])  # a table, since it begins with a brace
    tree: dict[str, Any] = {}
    metadata = header.pop("__metadata__", None)
    if metadata is not None:
        if not isinstance(metadata, dict) or any(not isinstance(value, str) for value in metadata.values()):
            raise CheckpointError("is damaged: its metadata is not text")
        tree["__metadata__"] = metadata
    if len(header) > MOST_ENTRIES:
        raise CheckpointError(f"holds more than {MOST_ENTRIES:,} tensors")
    entries: list[tuple[int, int, str, torch.dtype, list[int]]] = []
    for name, entry in header.items():
        match entry:
            case {"dtype": str() as kind, "shape": list() as shape, "data_offsets": [int() as begin, int() as end]}:
                if len(entry) > 3 or any(type(n) is not int or not 0 <= n < 2**48 for n in (begin, end, *shape)):
                    raise CheckpointError(f"is damaged or forged: the entry of {label(name)} is impossible")
            case _:
                raise CheckpointError(f"is damaged: the entry of {label(name)} is incomplete")
        if kind not in SAFETENSORS_DTYPES:
            raise CheckpointError(f"holds the tensor {label(name)} of type {label(kind)}; save the model in float32")
        dtype = SAFETENSORS_DTYPES[kind]
        if len(shape) > 32 or end - begin != math.prod(shape) * dtype.itemsize:
            raise CheckpointError(f"is damaged or forged: the shape of {label(name)} does not fit its bytes")
        if math.prod(n or 1 for n in shape) >= 2**48:
            raise CheckpointError(f"is damaged or forged: the shape of {label(name)} is impossible")
        entries.append((begin, end, name, dtype, shape))
    entries.sort(key=lambda entry: entry[:2])
    edges = [0, *(end for _, end, *_ in entries)]
    if any(begin != edge for (begin, *_), edge in zip(entries, edges)) or edges[-1] != len(content) - 8 - length:
        raise CheckpointError("is damaged or forged: its tensors overlap, leave gaps, or do not fill the file")
    data = memoryview(content)[8 + length :]
    for begin, end, name, dtype, shape in entries:
        tree[name] = numbers_of(bytearray(data[begin:end]), dtype, math.prod(shape)).reshape(shape)
    return tree


def _json(content: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise CheckpointError("is damaged or forged: its header has one name twice")
        return table

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("is damaged: its header is not readable as JSON") from error


def read_keras_archive(archive: Archive) -> dict[str, Any]:
    """A ``.keras`` file: the architecture as JSON text, and the weights in an HDF5 file inside."""
    if archive.entries["config.json"].file_size > LARGEST_TEXT:
        raise CheckpointError(f"holds more than {LARGEST_TEXT // 1024**2} MB of configuration")
    config = bytes(archive.read("config.json")).decode("utf-8", "replace")
    return read_keras(bytes(archive.read("model.weights.h5"))) | {"model_config": config}


def read_keras(content: bytes) -> dict[str, Any]:
    """``weights`` by full name ('encoder/dense_1/kernel:0') in the order of the layers, ``model_config`` the JSON
    text of the architecture or None, ``training_config`` likewise, ``layers`` the names of all layers in order.

    The HDF5 library, written in C, can hang or crash on a forged file. A process of its own reads it, with limits,
    and hands back a NumPy archive.
    """
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}  # :: loads no plugins
    try:
        reader = subprocess.run(
            [sys.executable, "-m", "latent.foreign.hdf5"],
            input=content,
            capture_output=True,
            timeout=LONGEST_READING,
            cwd=Path(__file__).parents[2],
            env=os.environ | quiet,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError("is damaged or forged: the HDF5 file does not end") from error
    if reader.returncode == REFUSED:
        raise CheckpointError(label(reader.stderr.decode("utf-8", "replace"), 200))
    if reader.returncode != 0:
        raise CheckpointError("is damaged: the HDF5 file cannot be read to its end")
    found = read_npz(Archive(reader.stdout))
    return {
        "model_config": found.get("text/model_config"),
        "training_config": found.get("text/training_config"),
        "keras_version": found.get("text/keras_version"),
        "layers": found.get("text/layers"),
        "weights": {n.removeprefix("weights/"): value for n, value in found.items() if n.startswith("weights/")},
    }


def read_onnx(content: bytes) -> dict[str, Any]:
    """``initializers`` by name, ``nodes`` in order (op_type, domain, name, inputs, outputs, attributes), the shapes of
    ``inputs`` and ``outputs`` by name, an open dimension being a name or None, and the rest that says what they mean:
    ``input_types``, the version of the operations ``opset``, the ``producer`` and the model's own ``functions``."""
    try:
        import onnx
    except ImportError as error:
        raise CheckpointError("is an ONNX model, which needs pip install onnx") from error
    if len(content) > LARGEST_GRAPH:
        raise CheckpointError(f"is an ONNX model larger than {LARGEST_GRAPH // 1024**2} MB")
    try:
        model = onnx.load_model_from_string(content)
        graph = model.graph
    except Exception as error:  # the library's own errors come from two languages
        raise CheckpointError("is damaged, or not an ONNX model") from error
    if len(graph.node) > MOST_ENTRIES or len(graph.initializer) > MOST_ENTRIES:
        raise CheckpointError(f"is an ONNX model of more than {MOST_ENTRIES:,} parts")
    if graph.sparse_initializer:
        raise CheckpointError("holds a sparse tensor; only dense tensors with values are read")
    initializers = {_string(tensor.name): _onnx_tensor(tensor) for tensor in graph.initializer}
    if len(initializers) != len(graph.initializer):
        raise CheckpointError("is damaged or forged: it names one tensor twice")
    outside = {n: v for v in graph.input if (n := _string(v.name)) not in initializers}
    return {
        "initializers": initializers,
        "nodes": [_onnx_node(node) for node in graph.node],
        "inputs": {name: _onnx_shape(value) for name, value in outside.items()},
        "input_types": {name: int(value.type.tensor_type.elem_type) for name, value in outside.items()},
        "outputs": {_string(value.name): _onnx_shape(value) for value in graph.output},
        "opset": max((int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0),
        "producer": _string(model.producer_name),
        "functions": [_onnx_function(function) for function in model.functions],
    }


def _onnx_node(node: Any) -> dict[str, Any]:
    return {
        "op_type": _string(node.op_type),
        "domain": _string(node.domain),
        "name": _string(node.name),
        "inputs": [_string(name) for name in node.input],
        "outputs": [_string(name) for name in node.output],
        "attributes": {_string(each.name): _onnx_attribute(each) for each in node.attribute if not each.ref_attr_name},
        "references": {
            _string(each.name): _string(each.ref_attr_name) for each in node.attribute if each.ref_attr_name
        },
    }


def _onnx_function(function: Any) -> dict[str, Any]:
    if len(function.node) > MOST_ENTRIES:
        raise CheckpointError(f"is an ONNX model of more than {MOST_ENTRIES:,} parts")
    return {
        "name": (_string(function.domain), _string(function.name)),
        "inputs": [_string(name) for name in function.input],
        "outputs": [_string(name) for name in function.output],
        "defaults": {_string(each.name): _onnx_attribute(each) for each in function.attribute_proto},
        "nodes": [_onnx_node(node) for node in function.node],
    }


def _string(value: str | bytes) -> str:
    """Text of an ONNX model, which the library gives as bytes where it is not well encoded."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _onnx_tensor(tensor: Any) -> Tensor:
    from onnx import numpy_helper

    name = label(_string(tensor.name))
    if tensor.data_location == 1 or tensor.external_data:
        raise CheckpointError(f"keeps the tensor {name} in another file, which is not read")
    if tensor.data_type not in ONNX_DTYPES:
        raise CheckpointError(f"holds the tensor {name}, which is not of real numbers; save the model in float32")
    dtype, shape = ONNX_DTYPES[tensor.data_type], list(tensor.dims)
    if len(shape) > 32 or any(not 0 <= n < 2**31 for n in shape) or math.prod(n or 1 for n in shape) >= 2**48:
        raise CheckpointError(f"is damaged or forged: the shape of {name} is impossible")
    data = tensor.raw_data
    if not data and math.prod(shape):  # listed one by one
        try:
            data = numpy_helper.to_array(tensor).tobytes()
        except Exception as error:  # counts that do not fit
            raise CheckpointError(f"is damaged or forged: the shape of {name} does not fit its bytes") from error
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise CheckpointError(f"is damaged or forged: the shape of {name} does not fit its bytes")
    return numbers_of(bytearray(data), dtype, math.prod(shape)).reshape(shape)


def _onnx_attribute(attribute: Any) -> Any:
    """The value of an attribute; None for kinds that hold graphs."""
    match attribute.type:
        case 1:
            return float(attribute.f)
        case 2:
            return int(attribute.i)
        case 3:
            return _string(attribute.s)
        case 4:
            return _onnx_tensor(attribute.t)
        case 6:
            return [float(value) for value in attribute.floats]
        case 7:
            return [int(value) for value in attribute.ints]
        case 8:
            return [_string(value) for value in attribute.strings]
    return None


def _onnx_shape(value: Any) -> list[int | str | None]:
    dims = value.type.tensor_type.shape.dim
    return [int(dim.dim_value) if dim.HasField("dim_value") else (_string(dim.dim_param) or None) for dim in dims]
