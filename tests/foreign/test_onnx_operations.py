"""Each ONNX operation gives what onnxruntime gives, and each of torch's functions in ONNX what torch gives."""

import contextlib
import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent.errors import CheckpointError
from latent.foreign import onnx_graph
from latent.foreign.graph import Graph
from latent.foreign.readers import read_onnx
from tests.support.aten_functions import FUNCTIONS, images

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
node = onnx.helper.make_node

ALLOWED = 1e-5


def graph_in(content: bytes) -> Graph:
    return onnx_graph.graph_of(read_onnx(content))


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


def whole(*values: object) -> np.ndarray:
    return np.array(values[0] if len(values) == 1 else values, np.int64)


Model = tuple[list, dict[str, np.ndarray]]  # nodes from x (2, 4, 6, 8) to y, and the weights by name

MODELS: dict[str, Model] = {
    "a size": (
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "first"], ["n"]),
            node("Unsqueeze", ["n", "axes"], ["m"]),
            node("Concat", ["m", "rest"], ["sizes"], axis=0),
            node("Reshape", ["x", "sizes"], ["y"]),
        ],
        {"first": np.array(0), "axes": whole([0]), "rest": whole([-1])},
    ),
    "GatherND": (
        [node("Transpose", ["x"], ["t"], perm=[2, 3, 0, 1]), node("GatherND", ["t", "i"], ["y"])],
        {"i": whole([[0, 1], [5, -1], [2, 2]])},
    ),
    "GatherND in batches": (
        [node("GatherND", ["x", "i"], ["y"], batch_dims=2)],
        {"i": np.random.default_rng(0).integers(0, 6, (2, 4, 3, 2))},
    ),
    "ScatterND": ([node("ScatterND", ["x", "i", "v"], ["y"])], {"i": whole([[0, 1], [1, 3]]), "v": numbers(2, 6, 8)}),
    "SplitToSequence": (
        [node("SplitToSequence", ["x", "sizes"], ["s"], axis=1), node("SequenceAt", ["s", "at"], ["y"])],
        {"sizes": whole([1, 3]), "at": np.array(1)},
    ),
    "SplitToSequence of one size": (
        [node("SplitToSequence", ["x", "size"], ["s"], axis=2), node("SequenceAt", ["s", "at"], ["y"])],
        {"size": np.array(4), "at": np.array(-1)},
    ),
    "SplitToSequence without its axis": (
        [node("SplitToSequence", ["x"], ["s"], axis=3, keepdims=0), node("SequenceAt", ["s", "at"], ["y"])],
        {"at": np.array(2)},
    ),
    "a list": (
        [
            node("Relu", ["x"], ["r"]),
            node("SequenceConstruct", ["x", "r"], ["s"]),
            node("SequenceAt", ["s", "at"], ["a"]),
            node("ConcatFromSequence", ["s"], ["b"], axis=1),
            node("ConcatFromSequence", ["s"], ["c"], axis=1, new_axis=1),
            node("ReduceSum", ["c", "axes"], ["d"]),
            node("Concat", ["a", "b"], ["e"], axis=1),
            node("ReduceMean", ["d"], ["f"]),
            node("Add", ["e", "f"], ["y"]),
        ],
        {"at": np.array(1), "axes": whole([1])},
    ),
    "Mean": ([node("Mean", ["x", "w", "x"], ["y"])], {"w": numbers(6, 8)}),
    "ReduceLogSum": ([node("Exp", ["x"], ["e"]), node("ReduceLogSum", ["e"], ["y"], axes=[1], keepdims=0)], {}),
    "weights as whole numbers": (
        [node("DequantizeLinear", ["q", "scale", "zero"], ["w"], axis=0), node("Conv", ["x", "w"], ["y"])],
        {
            "q": (100 * numbers(3, 4, 3, 3)).astype(np.int8),
            "scale": np.array([0.01, 0.02, 0.03], np.float32),
            "zero": np.array([0, 3, -5], np.int8),
        },
    ),
    "Col2Im, opset 18": (
        [
            node("Reshape", ["x", "sizes"], ["r"]),
            node("Col2Im", ["r", "size", "kernel"], ["y"], pads=[1, 0, 1, 0], strides=[2, 1], dilations=[1, 2]),
        ],
        {"sizes": whole([2, 16, 12]), "size": whole([5, 6]), "kernel": whole([2, 2])},
    ),
    "Attention, opset 23": (
        [node("Attention", ["x", "k", "v"], ["y"])],
        {"k": numbers(2, 4, 5, 8), "v": numbers(2, 4, 5, 3)},
    ),
    "Attention by its scale, opset 23": ([node("Attention", ["x", "x", "x"], ["y"], scale=0.3)], {}),
} | {
    name: ([node("Softsign", ["x"], ["t"]), node(name, ["t"], ["y"])], {})
    for name in ("Asin", "Acos", "Asinh", "Atanh")
}


def written(model: Model, opset: int) -> bytes:
    nodes, weights = model
    x = onnx.helper.make_tensor_value_info("x", 1, [2, 4, 6, 8])
    y = onnx.helper.make_tensor_value_info("y", 1, None)
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = onnx.helper.make_graph(nodes, "g", [x], [y], tensors)
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


@pytest.mark.parametrize("name", MODELS)
def test_an_operation_gives_what_onnxruntime_gives(name):
    content = written(MODELS[name], int(name.rpartition("opset ")[2]) if "opset" in name else 17)
    (right,) = onnxruntime.InferenceSession(content).run(None, {"x": images(0).numpy()})
    graph = graph_in(content)
    graph.looked_at(2)
    (found,) = graph.run({"x": images(0)})
    assert found.shape == right.shape
    assert np.abs(found.numpy() - right).max() <= ALLOWED


@pytest.mark.parametrize(
    "model",
    [
        ([node("SequenceAt", ["x", "at"], ["y"])], {"at": np.array(0)}),
        ([node("ScatterND", ["x", "i", "v"], ["y"], reduction="add")], {"i": whole([[0]]), "v": numbers(1, 4, 6, 8)}),
        ([node("DequantizeLinear", ["x", "scale"], ["y"])], {"scale": np.float32(0.1)}),
        ([node("Attention", ["x", "x", "x"], ["y"], is_causal=1)], {}),
    ],
    ids=lambda model: model[0][0].op_type,
)
def test_a_way_that_is_not_run_is_refused_by_its_name(model):
    with pytest.raises(CheckpointError, match=rf"uses {model[0][0].op_type} .*, which is not supported"):
        graph_in(written(model, 23))


class Function(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return FUNCTIONS[self.name](x)


ANOTHER = {"floor_divide": "torch writes a division that is rounded towards zero, and onnxruntime gives that too"}
BRANCHING = {"tile"}  # with an If


@pytest.mark.filterwarnings("ignore")  # torch's own
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ANOTHER.keys() | BRANCHING])
def test_what_torch_writes_for_any_number_of_images_gives_what_torch_gives(name):
    right = FUNCTIONS[name](images(1))
    buffer = io.BytesIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(
                Function(name).eval(), (images(0),), buffer, opset_version=17, dynamo=False, input_names=["x"],
                dynamic_axes={"x": {0: "n"}},
            )  # fmt: skip
    except Exception as error:  # torch has many kinds for what it cannot write
        pytest.skip(f"torch does not write it: {str(error).splitlines()[0]}")
    graph = graph_in(buffer.getvalue())
    graph.looked_at(2)
    (found,) = graph.run(dict.fromkeys(graph.inputs, images(1)))
    assert found.shape == right.shape
    assert float((found.float() - right.float()).abs().max()) <= ALLOWED
