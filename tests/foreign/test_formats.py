"""The kinds of files: what is odd but honest in each is read, what is damaged or forged is refused in a sentence."""

import io
import zipfile
from typing import Final

import numpy as np
import pytest
import torch
from torch import nn

from latent.foreign import readers
from latent.foreign.container import parse
from tests.support.forgery import changed, entry, refusal, safetensors_file
from tests.support.model_files import assert_same, entries_of, keras_bytes, onnx_bytes, rezipped, saved, weights

# ---------------------------------------------------------------------------------------------------- zip archives


def test_a_compressed_archive_whose_stream_is_broken_is_refused():
    content = bytearray(rezipped({"w.npy": bytes(1000)}, zipfile.ZIP_DEFLATED))
    content[30 + len("w.npy")] = 0xFF  # the first byte behind the header: a block of a kind that there is not
    assert "cannot be unpacked" in refusal(bytes(content), "a.npz")


def test_an_archive_that_is_encrypted_or_packed_by_other_means_is_refused():
    content = bytearray(rezipped({"w.npy": bytes(1000)}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refusal(bytes(content), "a.npz")
    assert "unsupported compression" in refusal(rezipped({"w.npy": bytes(1000)}, zipfile.ZIP_BZIP2), "a.npz")


def test_a_pickle_that_goes_on_after_its_end_is_refused():
    pickled = entries_of(saved(weights()))["archive/data.pkl"]
    assert "follow the end of data.pkl" in refusal(changed(data_pkl=pickled + b"N."))


def test_an_array_of_numbers_too_long_for_torch_is_refused():
    npy = io.BytesIO()
    np.save(npy, np.ones(2, np.longdouble))
    assert "array of objects" in refusal(rezipped({"w.npy": npy.getvalue()}), "a.npz")


# ----------------------------------------------------------------------------------------------------- TorchScript


class Bounded(nn.Module):
    limit: Final[float] = float("inf")  # written into the code as a name, not as a number

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(x).clamp(max=self.limit)


@pytest.fixture(scope="module")
def scripted() -> bytes:
    buffer = io.BytesIO()
    try:
        torch.jit.save(torch.jit.script(Bounded()), buffer)
    except (AttributeError, RuntimeError) as error:
        pytest.skip(f"this version of torch writes no TorchScript: {error}")
    return buffer.getvalue()


pytestmark = pytest.mark.filterwarnings("ignore")  # torch's, of TorchScript


def test_a_constant_of_the_code_that_is_no_literal_stays_text(scripted):
    assert parse(scripted, "a.pt").modules()[""].attributes["limit"] == "inf"


def test_constants_that_are_no_tuple_are_refused(scripted):
    entries = entries_of(scripted)
    (name,) = (name for name in entries if name.endswith("/constants.pkl"))
    assert "constants are not a tuple" in refusal(rezipped(entries | {name: b"\x80\x02}."}))


def test_more_code_than_any_network_has_is_refused(scripted, monkeypatch):
    monkeypatch.setattr(readers, "LARGEST_TEXT", 100)
    assert "of code" in refusal(scripted)


# ------------------------------------------------------------------------------------------------ other containers


def test_a_safetensors_header_that_no_honest_file_has_is_refused(monkeypatch):
    huge = entry(0, 0, [0, 2**30, 2**30])
    assert "is impossible" in refusal(safetensors_file({"w": huge}, b""), "a.safetensors")
    monkeypatch.setattr(readers, "MOST_ENTRIES", 1)
    many = {"a": entry(0, 8), "b": entry(8, 16)}
    assert "more than 1 tensors" in refusal(safetensors_file(many), "a.safetensors")


def test_a_keras_archive_of_too_much_configuration_is_refused(monkeypatch):
    monkeypatch.setattr(readers, "LARGEST_TEXT", 10)
    entries = {"config.json": b'{"name": "a long name"}', "model.weights.h5": keras_bytes(False)}
    assert "of configuration" in refusal(rezipped(entries), "a.keras")


# ------------------------------------------------------------------------------------------------------------ ONNX


def onnx_of(*tensors, nodes=(), sparse=()) -> bytes:
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph(list(nodes), "g", [], [], list(tensors), sparse_initializer=list(sparse))
    return onnx.helper.make_model(graph).SerializeToString()


def listed(name="w", kind="FLOAT", shape=(2, 2), values=(1, 2, 3, 4)):
    """A tensor whose values are listed one by one, not as bytes."""
    onnx = pytest.importorskip("onnx")
    tensor = onnx.helper.make_tensor(name, onnx.TensorProto.DataType.Value(kind), [len(values)], list(values))
    del tensor.dims[:]
    tensor.dims.extend(shape)
    return tensor


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT32", "INT64", "UINT8"])
def test_values_that_an_onnx_model_lists_one_by_one_are_read(kind):
    dtype = readers.ONNX_DTYPES[listed(kind=kind).data_type]
    found = parse(onnx_of(listed(kind=kind)), "a.onnx").tensors()
    assert_same(found, {"w": torch.tensor([[1, 2], [3, 4]]).to(dtype)})


def test_attributes_of_every_kind_are_read_and_graphs_are_left_out():
    helper = pytest.importorskip("onnx").helper
    inner = helper.make_graph([], "inner", [], [])
    given = {"text": "same", "numbers": [1.5, 2.5], "sizes": [3, 3], "names": ["a", "b"], "body": inner}
    node = helper.make_node("Conv", ["w"], ["y"], value=listed("t"), **given)
    (found,) = parse(onnx_of(listed(), nodes=[node]), "a.onnx").content["nodes"]
    assert torch.equal(found["attributes"].pop("value"), torch.tensor([[1.0, 2], [3, 4]]))
    assert found["attributes"] == given | {"body": None}


def test_an_onnx_model_that_is_damaged_or_forged_is_refused(monkeypatch):
    helper = pytest.importorskip("onnx").helper
    assert "w does not fit" in refusal(onnx_of(listed(shape=(3, 3))), "a.onnx")
    assert "w is impossible" in refusal(onnx_of(listed(shape=(2**40,))), "a.onnx")
    assert "not of real numbers" in refusal(onnx_of(listed(kind="COMPLEX64")), "a.onnx")
    assert "names one tensor twice" in refusal(onnx_of(listed(), listed()), "a.onnx")
    sparse = helper.make_sparse_tensor(listed(shape=(4,)), listed("i", "INT64", (4,), (0, 1, 2, 3)), [9])
    assert "sparse" in refusal(onnx_of(listed(), sparse=[sparse]), "a.onnx")
    assert "not an ONNX model" in refusal(onnx_bytes()[:-5], "a.onnx")
    monkeypatch.setattr(readers, "MOST_ENTRIES", 1)
    assert "more than 1 parts" in refusal(onnx_of(listed("a"), listed("b")), "a.onnx")
    monkeypatch.setattr(readers, "LARGEST_GRAPH", 10)
    assert "larger than" in refusal(onnx_bytes(), "a.onnx")
