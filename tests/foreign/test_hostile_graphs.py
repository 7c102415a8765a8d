"""Graphs that are damaged or forged: each is refused in one sentence, and nothing of them is run or allocated."""

import io
import json
import re
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from latent import checkpoint
from latent.errors import CheckpointError
from latent.space import LatentSpace
from tests.support.memory import needs_linux
from tests.support.models import ROOT

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def refusal(content: bytes, name: str = "model.onnx") -> str:
    with pytest.raises(CheckpointError) as caught:
        LatentSpace.of("model", checkpoint.parse(content, name))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "\0" not in sentence
    assert len(sentence) < 500
    return sentence


# -------------------------------------------------------------------------------------------------------------- ONNX


def onnx_of(nodes, weights=None, sizes=(1, 784), outputs=("y",), opset=17, functions=(), out_sizes=None) -> bytes:
    given = {"w": np.ones((784, 4)), "v": np.ones((4, 784))} | (weights or {})
    tensors = [
        each if isinstance(each, onnx.TensorProto) else onnx.numpy_helper.from_array(as_usual(each), name)
        for name, each in given.items()
    ]
    x = helper.make_tensor_value_info("x", 1, sizes)
    values = [helper.make_tensor_value_info(name, 1, out_sizes or sizes) for name in outputs]
    graph = helper.make_graph(nodes, "g", [x], values, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions)).SerializeToString()


def as_usual(array):
    array = np.asarray(array)
    return array if array.dtype.kind == "i" else array.astype(np.float32)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, name=f"the {op}", **attributes)


FIRST, LAST = node("MatMul", ["x", "w"], ["z"]), node("MatMul", ["z", "v"], ["y"])


def through(*nodes, **choices):
    """An autoencoder with these between its halves, from z to q."""
    return onnx_of([FIRST, *nodes, node("MatMul", ["q", "v"], ["y"])], **choices)


def exploding_functions() -> bytes:
    """Each function calls the one below it twice: 2**40 nodes."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = [helper.make_function("own", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)]
    for i in range(1, 40):
        calls = [
            helper.make_node(f"f{i - 1}", ["a"], ["m"], domain="own"),
            helper.make_node(f"f{i - 1}", ["m"], ["b"], domain="own"),
        ]
        functions.append(helper.make_function("own", f"f{i}", ["a"], ["b"], calls, opsets))
    return through(helper.make_node("f39", ["z"], ["q"], domain="own"), functions=functions)


def recursive_function() -> bytes:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    body = [helper.make_node("f", ["a"], ["b"], domain="own")]
    function = helper.make_function("own", "f", ["a"], ["b"], body, opsets)
    return through(helper.make_node("f", ["z"], ["q"], domain="own"), functions=[function])


def external() -> bytes:
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[784, 4], data_location=1)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return onnx_of([FIRST, LAST], {"w": tensor})


def branch() -> bytes:
    body = helper.make_graph([], "b", [], [helper.make_tensor_value_info("z", 1, [1, 4])])
    return through(node("If", ["c"], ["q"], then_branch=body, else_branch=body), weights={"c": np.array([1])})


BIG = 2**40
HOSTILE = {
    "a cycle": (lambda: through(node("Add", ["z", "q"], ["p"]), node("Relu", ["p"], ["q"])), "which nothing before"),
    "a missing tensor": (lambda: through(node("Add", ["z", "nowhere"], ["q"])), "takes nowhere"),
    "a name twice": (lambda: through(node("Relu", ["z"], ["q"]), node("Tanh", ["z"], ["q"])), "a second time"),
    "an unknown operation": (lambda: through(node("LSTM", ["z"], ["q"])), r"the operation LSTM \(node the LSTM\)"),
    "a custom operation": (lambda: through(helper.make_node("Run", ["z"], ["q"], domain="own")), r"own\.Run"),
    "a branch": (branch, "the operation If"),
    "external data": (external, "another file"),
    "exploding functions": (exploding_functions, "more than"),
    "a recursive function": (recursive_function, "more than"),
    "a huge expansion": (
        lambda: through(node("Expand", ["z", "s"], ["q"]), weights={"s": np.array([BIG, 1, 4])}), "too much memory|fit"
    ),
    "a huge constant": (
        lambda: through(
            node("ConstantOfShape", ["s"], ["c"]), node("Add", ["z", "c"], ["q"]), weights={"s": np.array([BIG])}
        ),
        "too much memory|fit",
    ),
    "a huge range": (
        lambda: through(
            node("Range", ["a", "b", "d"], ["c"]), node("Add", ["z", "c"], ["q"]),
            weights={"a": np.array(0), "b": np.array(BIG), "d": np.array(1)},
        ),
        "too much memory|fit",
    ),
    "a huge pad": (
        lambda: through(node("Pad", ["z", "s"], ["q"]), weights={"s": np.array([0, 0, 0, BIG])}), "too much memory|fit"
    ),
    "a huge tile": (
        lambda: through(node("Tile", ["z", "s"], ["q"]), weights={"s": np.array([BIG, 1])}), "too much memory|fit"
    ),
    "a negative shape": (
        lambda: through(node("Reshape", ["z", "s"], ["q"]), weights={"s": np.array([-1, -5])}), "does not fit together"
    ),
    "an axis far out": (lambda: through(node("Concat", ["z", "z"], ["q"], axis=-99)), "does not fit together"),
    "a permutation that is none": (lambda: through(node("Transpose", ["z"], ["q"], perm=[0, 0])), "does not fit"),
    "weights that do not meet": (lambda: onnx_of([FIRST, LAST], {"v": np.ones((5, 784))}), "does not fit together"),
    "an attribute of another type": (lambda: through(node("Concat", ["z"], ["q"], axis="one")), "fit"),
    "a stride of 0": (
        lambda: onnx_of(
            [node("Conv", ["x", "k"], ["y"], strides=[0, 0])], {"k": np.ones((1, 1, 3, 3))}, (1, 1, 28, 28)
        ),
        "fit",
    ),
    "hours of pooling": (
        lambda: onnx_of(
            [node("Pad", ["x", "s"], ["p"]), node("MaxPool", ["p"], ["y"], kernel_shape=[2000, 2000])],
            {"s": np.array([0, 0, 0, 0, 0, 0, 4000, 4000])}, (1, 1, 28, 28),
        ),
        "billion multiplications",
    ),
    "a sum over three": (
        lambda: through(node("Einsum", ["z", "z", "z"], ["q"], equation="na,nb,nc->na")), "does not fit together"
    ),
    "a huge input": (lambda: onnx_of([FIRST, LAST], sizes=(1, BIG)), "too large|damaged"),
    "no input": (lambda: onnx_of([node("MatMul", ["w", "v"], ["y"])]), "nothing for each"),
    "an output of nobody": (lambda: onnx_of([FIRST], outputs=("nobody",)), "nothing gives its output nobody"),
    "no nodes": (lambda: onnx_of([], outputs=("x",)), "no operations"),
    "an old opset": (lambda: onnx_of([FIRST, LAST], opset=3), "opset 3"),
    "not a number": (lambda: onnx_of([FIRST, LAST], {"v": np.full((4, 784), np.nan)}), "not finite"),
    "a path around the code": (
        lambda: onnx_of([FIRST, node("MatMul", ["z", "v"], ["p"]), node("Add", ["p", "x"], ["y"])]), "has no code"
    ),
    "sizes that follow from the image": (
        lambda: through(node("Cast", ["z"], ["s"], to=7), node("Reshape", ["z", "s"], ["q"])), "depend on the image"
    ),
    "training mode": (
        lambda: through(
            node("BatchNormalization", ["z", "o", "o", "o", "o"], ["q"], training_mode=1), weights={"o": np.ones(4)}
        ),
        "evaluation mode",
    ),
    "a classifier": (
        lambda: onnx_of([node("MatMul", ["x", "c"], ["y"])], {"c": np.ones((784, 10))}, out_sizes=(1, 10)),
        "encoder-only file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_onnx_model_is_refused_in_one_sentence(name):
    make, words = HOSTILE[name]
    sentence = refusal(make())
    assert re.search(words, sentence), sentence


# ------------------------------------------------------------------------------------------------------------- Keras


def keras_of(layers, ends=("b", 0, 0), class_name="Functional", text=None, packed=None) -> bytes:
    config = {
        "class_name": class_name,
        "config": {"name": "m", "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [list(ends)]},
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((784, 784), np.float32))
        file.create_dataset("layers/dense/vars/1", data=np.ones(784, np.float32))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED if packed is None else packed) as entries:
        entries.writestr("config.json", json.dumps(config) if text is None else text)
        entries.writestr("metadata.json", "{}")
        entries.writestr("model.weights.h5", buffer.getvalue())
    return archive.getvalue()


def after(name, source, class_name="Dense", **config):
    return {
        "class_name": class_name, "name": name, "module": "keras.layers", "config": {"name": name} | config,
        "inbound_nodes": [[[source, 0, 0, {}]]],
    }  # fmt: skip


INPUT = {
    "class_name": "InputLayer", "name": "a", "config": {"name": "a", "batch_shape": [None, 784]}, "inbound_nodes": [],
}  # fmt: skip
CODE = {"class_name": "__lambda__", "config": {"code": "4wAAAAAAAAAA", "defaults": None, "closure": None}}


def nested(depth: int) -> list:
    layers = [INPUT, after("b", "a", units=784)]
    for _ in range(depth):
        inner = {"name": "b", "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["b", 0, 0]]}
        layers = [INPUT, after("b", "a", "Functional") | {"config": inner}]
    return layers


HOSTILE_KERAS = {
    "a Lambda": (lambda: keras_of([INPUT, after("b", "a", "Lambda", function=CODE)]), "Lambda layer b"),
    "a layer of its own": (lambda: keras_of([INPUT, after("b", "a", "Magic")]), "b of the class Magic"),
    "a circle": (lambda: keras_of([INPUT, after("b", "c", units=784), after("c", "b", units=784)]), "in a circle"),
    "a missing layer": (lambda: keras_of([INPUT, after("b", "gone")]), "no layer gone"),
    "one name twice": (lambda: keras_of([INPUT, INPUT, after("b", "a")]), "the same name"),
    "missing weights": (lambda: keras_of([INPUT, after("c", "a"), after("b", "c")]), "holds no kernel for the layer b"),
    "deep models": (lambda: keras_of(nested(40)), "nested too deep"),
    "deep JSON": (lambda: keras_of([], text="[" * 100_000 + "]" * 100_000), "not readable|more memory"),
    "a huge reshape": (
        lambda: keras_of([INPUT, after("b", "a", "Reshape", target_shape=[2**40, 2**40])]), "does not fit together"
    ),
    "a huge repetition": (lambda: keras_of([INPUT, after("b", "a", "RepeatVector", n=2**50)]), "too much memory|fit"),
    "a huge input": (
        lambda: keras_of([INPUT | {"config": {"name": "a", "batch_shape": [None, 2**40]}}, after("b", "a")]),
        "impossible",
    ),
    "sizes in words": (
        lambda: keras_of([INPUT | {"config": {"name": "a", "batch_shape": [None, "x"]}}, after("b", "a")]),
        "not numbers",
    ),
    "an unknown activation": (lambda: keras_of([INPUT, after("b", "a", activation="boom")]), "activation boom"),
    "no outputs": (lambda: keras_of([INPUT, after("b", "a")], ends=("gone", 0, 0)), "no layer gone"),
    "a call that is none": (lambda: keras_of([INPUT, after("b", "a") | {"inbound_nodes": [7]}]), "incomplete"),
    "a zip bomb": (lambda: keras_of([], text=" " * 10**8, packed=zipfile.ZIP_DEFLATED), "unpacks|configuration"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_KERAS)
def test_a_hostile_keras_model_is_refused_in_one_sentence(name):
    make, words = HOSTILE_KERAS[name]
    sentence = refusal(make(), "model.keras")
    assert re.search(words, sentence), sentence


# ------------------------------------------------------------------------------------------------------------ memory

WATCHED = """
import sys
from pathlib import Path
import h5py, onnx
from latent import checkpoint
from latent.errors import CheckpointError
from latent.space import LatentSpace
from tests.support import memory
before = memory.forget_peak()
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        LatentSpace.of("model", checkpoint.parse(path.read_bytes(), path.name))
        print("read:", path.name)
    except CheckpointError:
        pass
print((memory.peak() - before) // 2**20)
"""


@pytest.mark.exhaustive
@needs_linux
def test_hostile_graphs_cost_little_memory(tmp_path):
    for ending, graphs in ((".onnx", HOSTILE), (".keras", HOSTILE_KERAS)):
        for name, (make, _) in graphs.items():
            (tmp_path / f"{name}{ending}").write_bytes(make())
    command = [sys.executable, "-c", WATCHED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1, done.stdout
    assert int(done.stdout) < 300
