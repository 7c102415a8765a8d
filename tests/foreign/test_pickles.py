"""Pickles as data: what honest ones of every age hold is understood, what forged ones ask for is refused."""

import argparse
import collections
import io
import pickle

import numpy as np
import pytest
import torch

from latent.foreign.container import Record, parse
from latent.foreign.pickles import LEGACY_MAGIC, LEGACY_PROTOCOL
from tests.support.forgery import Block, Call, forged, refusal, tensor_call
from tests.support.model_files import assert_same, entries_of, saved, weights

GOOD = {"w": tensor_call(Block(16), 0, (4,), (1,))}
HOOKS = collections.OrderedDict()


class Table(dict):
    """A class that others derived from dict, as configurations often are."""


class Row(list):
    """A class derived from list."""


class Keyed:
    """A class whose objects are made with arguments by name."""

    def __getnewargs_ex__(self):
        return (), {"latent_dim": 2}

    def __new__(cls, latent_dim=0):
        return super().__new__(cls)


class Stated:
    """A class whose objects are kept as something other than a dictionary."""

    def __getstate__(self):
        return ["linear", 2]

    def __setstate__(self, state):
        raise AssertionError("code of the file was run")


class Marked(torch.Tensor):
    """A tensor of somebody's own class."""


@pytest.mark.parametrize("protocol", range(1, 6))
def test_plain_data_beside_the_weights_is_understood_whatever_the_protocol(protocol):
    values = {
        "counted": collections.Counter("aab"),
        "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
        "queue": collections.deque([1, 2], maxlen=5),
        "endless": collections.deque([3]),
        "default": collections.defaultdict(list, {"k": [1]}),
        "set": {"a", "b"},
        "frozen": frozenset({"c"}),
        "tuple": (1, "two", 3.0, None, True),
        "big": 2**100,
        "bytes": b"\x00\xff",
    }
    found = parse(forged(GOOD | values, protocol=protocol), "a.pt")
    assert_same(found.tensors(), {"w": torch.zeros(4)})
    expected = values | {"queue": [1, 2], "endless": [3], "frozen": {"c"}}
    assert {name: found.content[name] for name in values} == expected
    assert list(found.content["ordered"]) == ["z", "a"]


@pytest.mark.parametrize("protocol", range(1, 6))
def test_an_object_of_any_class_is_noted_with_what_it_held(protocol):
    values = {"table": Table(a=1), "row": Row([1, 2]), "options": argparse.Namespace(latent_dim=2)}
    found = parse(forged(GOOD | values, protocol=protocol), "a.pt").content
    assert all(type(found[name]) is Record for name in values)
    assert found["options"].class_name == "argparse.Namespace"
    assert found["options"].attributes["latent_dim"] == 2
    assert found["table"].class_name.endswith(".Table")
    if protocol >= 2:  # older ones hand the items to the function that makes the object
        assert found["table"].attributes == {"a": 1}
        assert found["row"].attributes == {"__items__": [1, 2]}


def test_arguments_by_name_are_noted_with_the_object_that_they_make():
    found = parse(pickle.dumps({"model": weights(), "net": Keyed()}, 4), "a.pkl").content["net"]
    assert (found.class_name.rpartition(".")[2], found.attributes) == ("Keyed", {"latent_dim": 2})


def test_a_state_that_is_no_dictionary_is_noted_as_it_is():
    found = parse(saved({"model": weights(), "net": Stated()}), "a.pt").content["net"]
    assert found.attributes == {"__state__": ["linear", 2]}


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_that_may_be_changed_are_read_as_bytes(protocol):
    found = parse(forged(GOOD | {"x": bytearray(b"\x00\xff")}, protocol=protocol), "a.pt")
    assert found.content["x"] == b"\x00\xff"


@pytest.mark.parametrize("protocol", range(1, 6))
@pytest.mark.parametrize("length", [1, 4])
def test_a_tuple_in_itself_is_cut_where_it_returns(protocol, length):
    inner: list = []
    inner.append((inner, *range(length - 1)))
    (found, *rest) = parse(forged(GOOD | {"x": inner[0]}, protocol=protocol), "a.pt").content["x"]
    assert rest == list(range(length - 1))
    assert [part.class_name for part in found] == ["what it lies in"]


def test_a_tensor_of_a_class_of_its_own_is_read_as_a_tensor():
    marked = torch.arange(6.0).reshape(2, 3).as_subclass(Marked)
    found = parse(saved({"w": marked}), "a.pt").tensors()
    assert type(found["w"]) is torch.Tensor
    assert torch.equal(found["w"], torch.arange(6.0).reshape(2, 3))


def test_a_tensor_in_a_tensor_in_a_tensor_is_refused():
    """Each level is one call of the interpreter, whose own stack a long row of them would overflow."""
    wrap = torch._tensor._rebuild_from_type_v2
    inner = (wrap, torch.Tensor, (torch._utils._rebuild_tensor_v2, torch.Tensor, (), None), None)
    assert "cut short or invalid" in refusal(forged(GOOD | {"x": Call(wrap, wrap, torch.Tensor, inner, None)}))


def test_a_pickle_in_a_pickle_is_read_once_and_no_deeper():
    inside = saved(torch.arange(4.0).untyped_storage(), legacy=True)
    load = torch.storage._load_from_bytes
    deeper = saved({"x": Call(load, inside)}, legacy=True)
    assert "a pickle in a pickle in a pickle" in refusal(saved({**weights(), "x": Call(load, deeper)}))


def view(start, length):
    """A block seen through a window, as PyTorch wrote it before version 0.4."""
    block = Block(16)
    block.identity = (*block.identity, ("1", start, length))
    return block


def test_a_window_on_a_block_of_numbers_is_seen_through():
    numbers = np.arange(16, dtype="<f4").tobytes()
    found = parse(forged({"w": tensor_call(view(4, 3), 0, (3,), (1,))}, numbers), "a.pt")
    assert_same(found.tensors(), {"w": torch.tensor([4.0, 5, 6])})


@pytest.mark.parametrize("window", [(14, 3), (-1, 3), (3, -1)])
def test_a_window_outside_its_block_is_refused(window):
    assert "outside its tensor storage" in refusal(forged(GOOD | {"x": tensor_call(view(*window), 0, (1,), (1,))}))


def test_a_tensor_of_bytes_that_do_not_divide_into_its_numbers_is_refused():
    make = torch._utils._rebuild_tensor_v3
    block = Block(7, torch.storage.UntypedStorage)
    odd = Call(make, block, 0, (3,), (1,), False, HOOKS, torch.uint16)
    assert "does not divide" in refusal(forged(GOOD | {"x": odd}))
    blockless = Call(make, "other than tensor storage", 0, (3,), (1,), False, HOOKS, torch.uint16)
    assert "cut short or invalid" in refusal(forged(GOOD | {"x": blockless}))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.ones(3, np.complex64), "complex"),
        (np.array(["2020-01-01"], "datetime64[D]"), "array of dates"),
        (np.array([{}, 1], object), "array of objects"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_of_anything_but_real_numbers_is_noted(array, expected):
    assert expected in parse(pickle.dumps({"w": np.ones(2), "x": array}, 4), "a.pkl").unread()["x"]


@pytest.mark.parametrize(
    ("shape", "expected"), [((-3,), "impossible shape"), ((1,) * 40, "impossible shape"), ((4,), "does not fit")]
)
def test_an_array_of_a_forged_shape_is_refused(shape, expected):
    array = Call(np._core.numeric._frombuffer, bytes(12), np.dtype("f4"), shape, "C")
    assert expected in refusal(pickle.dumps({"w": np.ones(2), "x": array}, 4), "a.pkl")


def test_attributes_that_are_not_named_by_text_are_noted_as_they_are():
    odd = Call(argparse.Namespace, state={1: 2})
    found = parse(pickle.dumps({"w": np.ones(2), "x": odd}, 4), "a.pkl").content["x"]
    assert found.attributes == {"__state__": {1: 2}}


def test_the_pickle_of_an_archive_alone_is_refused():
    assert "refers to data outside itself" in refusal(entries_of(saved(weights()))["archive/data.pkl"], "a.pkl")


@pytest.mark.parametrize(
    "pickled",
    [b"\x80\x02\x85.", b"\x80\x02K\x01K\x02\x93.", b"\x80\x02K\x01)R.", b"\x80\x02K\x01K\x02a.", b"\x80\x02NN."],
    ids=["a tuple of nothing", "a class named by numbers", "a call of a number", "an append to a number", "two values"],
)
def test_opcodes_in_an_order_that_means_nothing_are_refused(pickled):
    assert "cut short or invalid" in refusal(pickled, "a.pkl")


def legacy(version=LEGACY_PROTOCOL, keys=None, values=GOOD) -> bytes:
    """A file as PyTorch wrote it before version 1.6, with one block of 16 numbers."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return (*thing.identity, None) if isinstance(thing, Block) else None

    stream = io.BytesIO()
    for part in (LEGACY_MAGIC, version, {"little_endian": True}):
        pickle.dump(part, stream, 2)
    Pickler(stream, 2).dump(values)
    pickle.dump(["0"] if keys is None else keys, stream, 2)
    return stream.getvalue() + (16).to_bytes(8, "little") + np.arange(16, dtype="<f4").tobytes()


def test_a_legacy_file_as_the_forger_writes_it_is_read():
    assert_same(parse(legacy(), "a.pt").tensors(), {"w": torch.arange(4.0)})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (legacy(version=999), "PyTorch file of an unsupported version"),
        (legacy(keys="0"), "cut short or invalid"),
        (legacy(keys=[None]), "cut short or invalid"),
        (legacy(keys=["1"]), "do not match"),
        (legacy(keys=["0", "0"]), "do not match"),
    ],
    ids=["another version", "text for a list", "nothing for a name", "another block", "one block twice"],
)
def test_a_legacy_file_whose_parts_do_not_fit_is_refused(content, expected):
    assert expected in refusal(content)
