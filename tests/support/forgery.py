"""Files of weights that were damaged or forged, and the sentence that each is refused with."""

import collections
import io
import json
import pickle
import struct

import pytest
import torch

from latent.errors import CheckpointError
from latent.foreign.container import parse
from tests.support.model_files import entries_of, rezipped, saved, weights


def refusal(content: bytes, name="bad.pt") -> str:
    """The sentence a file is refused with; it has the file's name and nothing of the libraries' own advice."""
    with pytest.raises(CheckpointError) as caught:
        parse(content, name)
    sentence = str(caught.value)
    assert sentence.startswith(name[:40])
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 300
    for word in ("weights_only", "pickle.load", "Unpickl", "Traceback", "torch.load", "persistent_load"):
        assert word not in sentence
    return sentence


def changed(**changes: bytes | None) -> bytes:
    """A good archive in which entries, named by their last part with _ for a dot or slash, are changed or left out."""
    entries = {}
    for name, content in entries_of(saved(weights())).items():
        key = name.split("/", 1)[1].replace(".", "_").replace("/", "_")
        content = changes.get(key, content)
        if content is not None:
            entries[name] = content
    return rezipped(entries)


class Block:
    """A block of numbers as a torch pickle refers to it."""

    def __init__(self, count, kind=torch.FloatStorage, location="cpu"):
        self.identity = ("storage", kind, "0", location, count)


class Call:
    """Something that pickles as the call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self):
        return (self.function, self.arguments, self.state) if self.state else (self.function, self.arguments)


def forged(values, record=bytes(64), protocol=2) -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return thing.identity if isinstance(thing, Block) else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(values)
    return rezipped({"a/data.pkl": buffer.getvalue(), "a/data/0": record, "a/version": b"3\n"})


def tensor_call(block, offset, shape, stride):
    hooks = collections.OrderedDict()
    return Call(torch._utils._rebuild_tensor_v2, block, offset, shape, stride, False, hooks)


def safetensors_file(header: object, data: bytes = bytes(16)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin, end, shape=None, dtype="F32"):
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}
