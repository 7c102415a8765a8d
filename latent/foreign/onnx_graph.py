"""ONNX models as graphs: every operation of the standard that networks of images use, from opset 9 on.

An operation is a function under `@translates`, which adds nodes of our own table for a node of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label
from latent.foreign.graph import MOST_NODES, Graph, Input, Node, unknown_operation

OLDEST_OPSET = 7
DEEPEST_FUNCTIONS = 20
FLOATS, WHOLE, BOOL = (1, 10, 11, 16), (2, 3, 4, 5, 6, 7, 12, 13), 9  # the kinds of numbers, as ONNX counts them
STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Call:
    """A node of a model: which operation with which inputs, outputs and attributes, of the operations' ``version``."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int

    def get(self, name: str, default: Any = None) -> Any:
        value = self.attributes.get(name)
        return default if value is None else value

    def input(self, place: int) -> str:
        """The name of an input, empty where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    @property
    def output(self) -> str:
        return self.outputs[0]

    def refuse(self, why: str) -> CheckpointError:
        return CheckpointError(f"uses {self.op} (node {label(self.name)}) {why}, which is not supported")


@dataclass
class Translation:
    """Nodes as they are added, and the tensors that are known."""

    tensors: dict[str, Tensor]
    nodes: list[Node] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    sequences: dict[str, Call] = field(default_factory=dict)  # lists of values, by the call that makes each
    count: int = 0

    def new(self) -> str:
        """A name that no file can give: it holds a zero byte."""
        self.count += 1
        return f"\0{self.count}"

    def add(self, call: Call, op: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        """A node, and the name of what it gives."""
        output = self.new() if to is None else to
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.nodes.append(Node(op, call.name, tuple(inputs), (output,), attributes))
        return output

    def give(self, call: Call, op: str, *inputs: str, **attributes: Any) -> None:
        """A node whose results are those of the call."""
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.nodes.append(Node(op, call.name, tuple(inputs), call.outputs, attributes))

    def known(self, values: Any, dtype: torch.dtype = torch.int64) -> str:
        """A tensor of these values, by the name it gets."""
        name = self.new()
        self.tensors[name] = torch.tensor(values, dtype=dtype)
        return name


Translator = Callable[[Translation, Call], None]
TRANSLATORS: dict[str, Translator] = {}


def translates(*ops: str) -> Callable[[Translator], Translator]:
    def add(function: Translator) -> Translator:
        TRANSLATORS.update(dict.fromkeys(ops, function))
        return function

    return add


def graph_of(tree: Mapping[str, Any]) -> Graph:
    """The graph of what `readers.read_onnx` has read. Raises `CheckpointError`, a sentence without its subject."""
    opset = tree["opset"]
    if opset < OLDEST_OPSET:
        raise CheckpointError(f"is of ONNX opset {opset}; those from {OLDEST_OPSET} on are read: export it again")
    if not tree["nodes"]:
        raise CheckpointError("holds no operations, so there is no network in it")
    translation = Translation({name: as_usual(tensor) for name, tensor in tree["initializers"].items()})
    functions = {function["name"]: function for function in tree["functions"]}
    expand(translation, tree["nodes"], functions, opset, "", {}, 0)
    inputs = {name: Input(sizes_of(shape), input_type(tree, name)) for name, shape in tree["inputs"].items()}
    words = tree["producer"].lower()
    graph = Graph(
        tuple(translation.nodes),
        translation.tensors,
        inputs,
        tuple(tree["outputs"]),
        channels_last="tf2onnx" in words or "keras" in words,
        remarks=tuple(dict.fromkeys(translation.remarks)),
    )
    graph.check()
    return replace(graph, tensors=graph.part({}, graph.outputs).tensors)


def as_usual(tensor: Tensor) -> Tensor:
    """Numbers in the types that are computed with: float32, int64, bool."""
    return tensor.float() if tensor.is_floating_point() else tensor if tensor.dtype == torch.bool else tensor.long()


def sizes_of(shape: Sequence[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)


def input_type(tree: Mapping[str, Any], name: str) -> torch.dtype:
    kind = tree["input_types"][name]
    if kind in FLOATS:
        return torch.float32
    if kind in WHOLE:
        return torch.int64
    raise CheckpointError(f"takes an input, {label(name)}, that is not of numbers")


def expand(
    translation: Translation,
    nodes: Sequence[Mapping[str, Any]],
    functions: Mapping[Any, Mapping[str, Any]],
    opset: int,
    prefix: str,
    names: dict[str, str],
    depth: int,
    given: Mapping[str, Any] | None = None,
) -> None:
    """Add these nodes; where they call functions of the model, the functions' nodes, under names of their own.

    ``names`` what the values of a function are called outside; ``given`` the attributes that it was called with.
    """
    for place, node in enumerate(nodes):
        if len(translation.nodes) > MOST_NODES or depth > DEEPEST_FUNCTIONS:
            raise CheckpointError(f"holds a network of more than {MOST_NODES:,} operations")
        title = node["name"] or f"{node['op_type']} {place + 1}"
        inputs = tuple(names.get(name, prefix + name) if name else "" for name in node["inputs"])
        outputs = tuple(names.get(name, prefix + name) if name else "" for name in node["outputs"])
        attributes = dict(node["attributes"]) | {
            name: (given or {}).get(source) for name, source in node["references"].items()
        }
        function = functions.get((node["domain"], node["op_type"]))
        if function is not None:
            inside = dict(zip(function["inputs"], inputs)) | dict(zip(function["outputs"], outputs))
            translation.count += 1
            expand(
                translation, function["nodes"], functions, opset, f"\0{translation.count}.", inside, depth + 1,
                function["defaults"] | attributes,
            )  # fmt: skip
            continue
        op = node["op_type"]
        if node["domain"] not in STANDARD:
            raise CheckpointError(unknown_operation(f"{node['domain']}.{op}", title))
        if op not in TRANSLATORS:
            raise CheckpointError(unknown_operation(op, title))
        if not outputs:
            raise CheckpointError(f"is damaged or forged: the node {label(title)} gives nothing")
        call = Call(op, title, inputs, outputs, attributes, opset)
        try:
            TRANSLATORS[op](translation, call)
        except CheckpointError:
            raise
        except Exception as error:  # attributes of other types than the standard's
            raise CheckpointError(
                f"is damaged or forged: the node {label(title)} ({label(op)}) has inputs or attributes that do not fit"
            ) from error


# ---------------------------------------------------------------------------------------------------- one to one

PLAIN = {
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Sum": "add", "Min": "minimum",
    "Max": "maximum", "MatMul": "matmul", "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus",
    "Softsign": "softsign", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Reciprocal": "reciprocal", "Abs": "abs",
    "Neg": "neg", "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Round": "round", "Erf": "erf", "Sin": "sin",
    "Cos": "cos", "Tan": "tan", "Asin": "asin", "Acos": "acos", "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh",
    "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh", "IsNaN": "isnan", "Equal": "equal",
    "Less": "less", "LessOrEqual": "less_equal", "Greater": "greater", "GreaterOrEqual": "greater_equal",
    "Not": "not", "And": "and", "Or": "or", "Xor": "xor", "Where": "where", "Identity": "identity",
    "PRelu": "prelu", "Expand": "expand", "Range": "arange", "HardSwish": "hard_swish", "Mish": "mish", "Tile": "tile",
}  # fmt: skip


@translates(*PLAIN)
def plain(t: Translation, call: Call) -> None:
    t.give(call, PLAIN[call.op], *call.inputs)


@translates("Mean")
def mean(t: Translation, call: Call) -> None:
    total = t.add(call, "add", *call.inputs)
    t.give(call, "div", total, t.known(float(len(call.inputs)), torch.float32))


# ---------------------------------------------------------------------------------------------------- constants


@translates("Constant")
def constant(t: Translation, call: Call) -> None:
    for name, dtype in (("value_float", torch.float32), ("value_floats", torch.float32)):
        if call.get(name) is not None:
            t.tensors[call.output] = torch.tensor(call.get(name), dtype=dtype)
            return
    for name in ("value_int", "value_ints"):
        if call.get(name) is not None:
            t.tensors[call.output] = torch.tensor(call.get(name), dtype=torch.int64)
            return
    value = call.get("value")
    if not isinstance(value, Tensor):
        raise call.refuse("without a value of numbers")
    t.tensors[call.output] = as_usual(value)


@translates("ConstantOfShape")
def constant_of_shape(t: Translation, call: Call) -> None:
    value = call.get("value")
    whole = isinstance(value, Tensor) and not value.is_floating_point()
    t.give(call, "full", call.input(0), value=float(value.flatten()[0]) if value is not None else 0.0, whole=whole)


@translates("Cast", "CastLike")
def cast(t: Translation, call: Call) -> None:
    if call.op == "CastLike":
        t.give(call, "cast_like", *call.inputs)
        return
    kind = call.get("to")
    to = "float" if kind in FLOATS else "int" if kind in WHOLE else "bool" if kind == BOOL else None
    if to is None:
        raise call.refuse("to a type that is not of numbers")
    t.give(call, "cast", call.input(0), to=to)


@translates("DequantizeLinear")
def dequantized(t: Translation, call: Call) -> None:
    """Weights that are kept as whole numbers, as the numbers that they stand for."""
    x, scale, zero = (t.tensors.get(call.input(place)) for place in range(3))
    if x is None or scale is None or (call.input(2) and zero is None) or call.get("block_size", 0):
        raise call.refuse("on what is not a weight")
    axis = call.get("axis", 1) % x.ndim if scale.numel() > 1 else 0
    sizes = [-1 if place == axis else 1 for place in range(x.ndim)] if scale.numel() > 1 else []
    lifted = x.float() if zero is None else x.float() - zero.float().reshape(sizes)
    t.tensors[call.output] = lifted * scale.float().reshape(sizes)


@translates("Shape")
def shape(t: Translation, call: Call) -> None:
    t.give(call, "shape", call.input(0), start=call.get("start", 0), end=call.get("end"))


@translates("Size")
def size(t: Translation, call: Call) -> None:
    sizes = t.add(call, "shape", call.input(0))
    t.give(call, "prod", sizes, keep=False)


# ---------------------------------------------------------------------------------------------------- noise

NOISE = "The noise of {} is replaced by its mean, so that a code is the mean of its posterior."


@translates("RandomNormalLike", "RandomUniformLike")
def noise_like(t: Translation, call: Call) -> None:
    t.remarks.append(NOISE.format(call.op))
    t.give(call, "full_like", call.input(0), value=mean_of(call))


@translates("RandomNormal", "RandomUniform")
def noise(t: Translation, call: Call) -> None:
    t.remarks.append(NOISE.format(call.op))
    t.give(call, "full", t.known(call.get("shape")), value=mean_of(call))


def mean_of(call: Call) -> float:
    if "Normal" in call.op:
        return float(call.get("mean", 0.0))
    return (float(call.get("low", 0.0)) + float(call.get("high", 1.0))) / 2


@translates("Dropout")
def dropout(t: Translation, call: Call) -> None:
    t.add(call, "identity", call.input(0), to=call.output)
    for mask in call.outputs[1:]:
        if mask:
            t.add(call, "full_like", call.input(0), to=mask, value=1.0)


# ---------------------------------------------------------------------------------------------------- layers


def spatial(t: Translation, call: Call) -> int:
    """How many spatial axes a convolution has: from its attributes or its weight."""
    kernel = call.get("kernel_shape")
    if kernel is not None:
        return len(kernel)
    weight = t.tensors.get(call.input(1))
    if weight is None:
        raise call.refuse("without the size of its kernel")
    return weight.ndim - 2


@translates("Conv")
def conv(t: Translation, call: Call) -> None:
    axes = spatial(t, call)
    stride, dilation = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    pads, auto = call.get("pads", [0] * 2 * axes), call.get("auto_pad", "NOTSET")
    x = call.input(0)
    kernel = call.get("kernel_shape") or list(t.tensors[call.input(1)].shape[2:])
    if auto.startswith("SAME"):
        x = t.add(call, "pad_same", x, kernel=kernel, stride=stride, dilation=dilation, lower=auto == "SAME_LOWER")
        pads = [0] * 2 * axes
    t.give(
        call, "conv", x, *call.inputs[1:], stride=stride, pads=[0] * 2 * axes if auto == "VALID" else pads,
        dilation=dilation, groups=call.get("group", 1),
    )  # fmt: skip


@translates("ConvTranspose")
def conv_transpose(t: Translation, call: Call) -> None:
    axes = spatial(t, call)
    stride, dilation = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    kernel = call.get("kernel_shape") or list(t.tensors[call.input(1)].shape[2:])
    pads, more = call.get("pads", [0] * 2 * axes), call.get("output_padding", [0] * axes)
    auto, wanted = call.get("auto_pad", "NOTSET"), call.get("output_shape")
    before, behind = list(pads[:axes]), [last - extra for last, extra in zip(pads[axes:], more)]
    if auto.startswith("SAME") or wanted:
        if wanted and len(wanted) == axes + 2:
            wanted = wanted[2:]
        t.give(
            call, "conv_transpose_to", *call.inputs, size=wanted, stride=stride, dilation=dilation, output_padding=more,
            upper=auto == "SAME_UPPER" or (auto == "NOTSET" and call.version < 11), groups=call.get("group", 1),
        )  # fmt: skip
        return
    assert len(kernel) == axes
    t.give(
        call, "conv_transpose", *call.inputs, stride=stride, crops=[*before, *behind], dilation=dilation,
        groups=call.get("group", 1),
    )  # fmt: skip


@translates("Gemm")
def gemm(t: Translation, call: Call) -> None:
    alpha, beta, turned = call.get("alpha", 1.0), call.get("beta", 1.0), bool(call.get("transB", 0))
    weight, bias = t.tensors.get(call.input(1)), t.tensors.get(call.input(2))
    flat = not call.input(2) or (bias is not None and bias.ndim == 1)
    if alpha == beta == 1 and not call.get("transA", 0) and weight is not None and weight.ndim == 2 and flat:
        name = call.input(1)
        if not turned:
            name = t.new()
            t.tensors[name] = weight.T.contiguous()
        if bias is None or len(bias) == t.tensors[name].shape[0]:
            t.give(call, "linear", call.input(0), name, call.input(2))
            return
    t.give(
        call, "gemm", *call.inputs, alpha=alpha, beta=beta, turn_a=bool(call.get("transA", 0)), turn_b=turned
    )  # fmt: skip


@translates("Attention")
def attention(t: Translation, call: Call) -> None:
    """Scaled dot products (Vaswani et al. 2017, arXiv:1706.03762), of maps (n, heads, places, numbers)."""
    masked = call.get("is_causal", 0) or any(call.inputs[3:])
    if masked or call.get("softcap", 0.0) or any(call.outputs[1:]) or call.get("q_num_heads") is not None:
        raise call.refuse("with a mask, in heads that it splits itself, or with more than its result")
    scores = t.add(call, "matmul", call.input(0), t.add(call, "permute", call.input(1), axes=[0, 1, 3, 2]))
    if call.get("scale") is not None:
        scores = t.add(call, "mul", scores, t.known(call.get("scale"), torch.float32))
    else:
        numbers = t.add(call, "cast_like", t.add(call, "shape", call.input(0), start=3), scores)
        scores = t.add(call, "div", scores, t.add(call, "sqrt", numbers))
    t.give(call, "matmul", t.add(call, "softmax", scores, axis=-1), call.input(2))


@translates("Einsum")
def einsum(t: Translation, call: Call) -> None:
    t.give(call, "einsum", *call.inputs, equation=call.get("equation"))


# ---------------------------------------------------------------------------------------------------- normalisations


@translates("BatchNormalization")
def batch_normalization(t: Translation, call: Call) -> None:
    if call.get("training_mode", 0):
        raise call.refuse("as in training, with the statistics of a batch; export the model in evaluation mode")
    t.add(call, "batch_norm", *call.inputs[:5], to=call.output, eps=call.get("epsilon", 1e-5))


@translates("InstanceNormalization")
def instance_normalization(t: Translation, call: Call) -> None:
    t.give(call, "instance_norm", *call.inputs, eps=call.get("epsilon", 1e-5))


@translates("LayerNormalization")
def layer_normalization(t: Translation, call: Call) -> None:
    x, scale, bias = call.input(0), call.input(1), call.input(2)
    t.add(call, "layer_norm", x, scale, bias, to=call.output, axis=call.get("axis", -1), eps=call.get("epsilon", 1e-5))


@translates("RMSNormalization", "SimplifiedLayerNormalization")
def rms_normalization(t: Translation, call: Call) -> None:
    t.give(call, "rms_norm", *call.inputs[:2], axis=call.get("axis", -1), eps=call.get("epsilon", 1e-5))


@translates("GroupNormalization")
def group_normalization(t: Translation, call: Call) -> None:
    groups = call.get("num_groups")
    if call.version < 21:
        x = t.add(call, "group_norm", call.input(0), groups=groups, eps=call.get("epsilon", 1e-5))
        t.give(call, "affine_groups", x, call.input(1), call.input(2), groups=groups)
        return
    t.give(call, "group_norm", *call.inputs, groups=groups, eps=call.get("epsilon", 1e-5))


@translates("LpNormalization")
def lp_normalization(t: Translation, call: Call) -> None:
    t.give(call, "lp_norm", call.input(0), p=float(call.get("p", 2)), axis=call.get("axis", -1), eps=1e-12)


# ---------------------------------------------------------------------------------------------------- pooling


@translates("MaxPool", "AveragePool")
def pool(t: Translation, call: Call) -> None:
    kernel = call.get("kernel_shape")
    axes = len(kernel)
    stride, dilation = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    pads, auto, x = call.get("pads", [0] * 2 * axes), call.get("auto_pad", "NOTSET"), call.input(0)
    ceil, is_max = bool(call.get("ceil_mode", 0)), call.op == "MaxPool"
    if ceil and any(pads):
        raise call.refuse("with padding and sizes rounded up")
    if len([name for name in call.outputs if name]) > 1:
        raise call.refuse("with the places of the largest values")
    if auto.startswith("SAME"):
        choices = {"kernel": kernel, "stride": stride, "lower": auto == "SAME_LOWER"}
        if is_max:
            x = t.add(call, "pad_same", x, dilation=dilation, value=float("-inf"), **choices)
            pads = [0] * 2 * axes
        else:
            t.give(call, "avg_pool_same", x, count_padding=bool(call.get("count_include_pad", 0)), **choices)
            return
    if is_max:
        t.give(call, "max_pool", x, kernel=kernel, stride=stride, pads=pads, dilation=dilation, ceil=ceil)
        return
    t.give(
        call, "avg_pool", x, kernel=kernel, stride=stride, pads=pads, ceil=ceil,
        count_padding=bool(call.get("count_include_pad", 0)),
    )  # fmt: skip


@translates("GlobalAveragePool", "GlobalMaxPool")
def global_pool(t: Translation, call: Call) -> None:
    t.give(call, "global_mean" if call.op == "GlobalAveragePool" else "global_max", call.input(0))


# ---------------------------------------------------------------------------------------------------- resizing, padding


@translates("Upsample")
def upsample(t: Translation, call: Call) -> None:
    scales = call.input(1) or t.known(call.get("scales"), torch.float32)
    mode = {"nearest": "nearest", "linear": "linear", "bilinear": "linear"}[call.get("mode", "nearest")]
    t.give(call, "resize", call.input(0), scales, mode=mode, coordinates="asymmetric", rounding="floor")


@translates("Resize")
def resize(t: Translation, call: Call) -> None:
    mode = call.get("mode", "nearest")
    if call.version < 11:
        t.give(call, "resize", *call.inputs, mode=mode, coordinates="asymmetric", rounding="floor")
        return
    coordinates = call.get("coordinate_transformation_mode", "half_pixel")
    unusual = (
        coordinates in ("tf_crop_and_resize", "half_pixel_symmetric")
        or call.get("axes") is not None
        or call.get("antialias", 0)
        or call.get("keep_aspect_ratio_policy", "stretch") != "stretch"
        or (mode == "cubic" and (call.get("cubic_coeff_a", -0.75) != -0.75 or call.get("exclude_outside", 0)))
    )
    if unusual:
        raise call.refuse("in an unusual way")
    scales, sizes = call.input(2), call.input(3)
    if sizes or (scales in t.tensors and t.tensors[scales].numel() == 0):
        scales = ""
    t.give(
        call, "resize", call.input(0), scales, sizes, mode=mode, coordinates=coordinates,
        rounding=call.get("nearest_mode", "round_prefer_floor"),
    )  # fmt: skip


@translates("Pad")
def pad(t: Translation, call: Call) -> None:
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}[
        call.get("mode", "constant")
    ]
    if call.version < 11:
        pads = call.get("pads")
        t.give(call, "pad", call.input(0), t.known(pads), value=call.get("value", 0.0), mode=mode)
        return
    if call.input(3):
        raise call.refuse("of chosen axes")
    t.give(call, "pad", call.input(0), call.input(1), call.input(2), mode=mode)


@translates("DepthToSpace", "SpaceToDepth")
def depth_to_space(t: Translation, call: Call) -> None:
    if call.op == "DepthToSpace":
        first = call.get("mode", "DCR") == "DCR"
        t.give(call, "depth_to_space", call.input(0), block=call.get("blocksize"), depth_first=first)
    else:
        t.give(call, "space_to_depth", call.input(0), block=call.get("blocksize"), depth_first=True)


# ---------------------------------------------------------------------------------------------------- shapes


@translates("Reshape")
def reshape(t: Translation, call: Call) -> None:
    shape = call.input(1) or t.known(call.get("shape"))
    t.give(call, "reshape", call.input(0), shape, zero_copies=not call.get("allowzero", 0))


@translates("Flatten")
def flatten(t: Translation, call: Call) -> None:
    t.give(call, "flatten", call.input(0), axis=call.get("axis", 1))


@translates("Transpose")
def transpose(t: Translation, call: Call) -> None:
    t.give(
        call,
        "permute" if call.get("perm") else "reversed",
        call.input(0),
        **({"axes": p} if (p := call.get("perm")) else {}),
    )


@translates("Squeeze", "Unsqueeze")
def squeeze(t: Translation, call: Call) -> None:
    t.give(call, call.op.lower(), call.input(0), axes_of(t, call))


def axes_of(t: Translation, call: Call) -> str:
    """The name of the axes of a call, an input or, in older models, an attribute; empty where it names none."""
    axes = call.get("axes")
    return call.input(1) or (t.known(axes) if axes is not None else "")


@translates("Slice")
def slices(t: Translation, call: Call) -> None:
    if call.version < 10:
        axes = call.get("axes")
        t.give(
            call, "slice", call.input(0), t.known(call.get("starts")), t.known(call.get("ends")),
            "" if axes is None else t.known(axes),
        )  # fmt: skip
        return
    t.give(call, "slice", *call.inputs)


@translates("Split")
def split(t: Translation, call: Call) -> None:
    sizes = call.input(1) or (t.known(call.get("split")) if call.get("split") is not None else "")
    t.give(
        call, "split", call.input(0), sizes, axis=call.get("axis", 0), parts=call.get("num_outputs", len(call.outputs))
    )


@translates("SplitToSequence", "SequenceConstruct")
def sequence(t: Translation, call: Call) -> None:
    t.sequences[call.output] = call


@translates("SequenceAt")
def sequence_at(t: Translation, call: Call) -> None:
    made, place = t.sequences.get(call.input(0)), t.tensors.get(call.input(1))
    if made is None or place is None:
        raise call.refuse("of a list, or at a place, that is not in the file")
    index = int(place.flatten()[0])
    if made.op == "SequenceConstruct":
        t.give(call, "identity", made.inputs[index])
        return
    keep = bool(made.get("keepdims", 1)) or bool(made.input(1))
    t.give(call, "part", *made.inputs, axis=made.get("axis", 0), index=index, keep=keep)


@translates("ConcatFromSequence")
def concat_from_sequence(t: Translation, call: Call) -> None:
    made, axis = t.sequences.get(call.input(0)), call.get("axis")
    if made is None:
        raise call.refuse("of a list that is not in the file")
    if made.op == "SplitToSequence":
        if call.get("new_axis", 0) or axis != made.get("axis", 0) or not made.get("keepdims", 1):
            raise call.refuse("of parts along another axis")
        t.give(call, "identity", made.input(0))
        return
    names = made.inputs
    if call.get("new_axis", 0):
        names = tuple(t.add(call, "unsqueeze", name, t.known([axis])) for name in names)
    t.give(call, "concat", *names, axis=axis)


@translates("Concat")
def concat(t: Translation, call: Call) -> None:
    t.give(call, "concat", *call.inputs, axis=call.get("axis"))


@translates("Gather", "GatherElements")
def gather(t: Translation, call: Call) -> None:
    op = "gather" if call.op == "Gather" else "gather_elements"
    t.give(call, op, *call.inputs, axis=call.get("axis", 0))


@translates("GatherND")
def gather_nd(t: Translation, call: Call) -> None:
    t.give(call, "gather_nd", *call.inputs, batch=call.get("batch_dims", 0))


@translates("ScatterND")
def scatter_nd(t: Translation, call: Call) -> None:
    if call.get("reduction", "none") != "none":
        raise call.refuse("with a reduction")
    t.give(call, "scatter_nd", *call.inputs)


@translates("Scatter", "ScatterElements")
def scatter(t: Translation, call: Call) -> None:
    if call.get("reduction", "none") != "none":
        raise call.refuse("with a reduction")
    t.give(call, "scatter", *call.inputs, axis=call.get("axis", 0))


@translates("OneHot")
def one_hot(t: Translation, call: Call) -> None:
    depth, values = t.tensors.get(call.input(1)), t.tensors.get(call.input(2))
    if depth is None or values is None:
        raise call.refuse("of a depth that is not in the file")
    off, on = values.tolist()
    t.give(
        call, "one_hot", call.input(0), depth=int(depth.flatten()[0]), axis=call.get("axis", -1), off=float(off),
        on=float(on),
    )  # fmt: skip


@translates("Trilu")
def triangle(t: Translation, call: Call) -> None:
    t.give(call, "triangle", *call.inputs, upper=bool(call.get("upper", 1)))


@translates("Col2Im")
def fold(t: Translation, call: Call) -> None:
    size, kernel = t.tensors.get(call.input(1)), t.tensors.get(call.input(2))
    if size is None or kernel is None or len(size) != 2:
        raise call.refuse("of a size that is not in the file, or not of two axes")
    pads = call.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:]:
        raise call.refuse("with pads that differ at the two ends of an axis")
    t.give(
        call, "fold", call.input(0), size=size.tolist(), kernel=kernel.tolist(), padding=pads[:2],
        stride=call.get("strides", [1, 1]), dilation=call.get("dilations", [1, 1]),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- reductions

REDUCTIONS = {
    "ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
    "ReduceL1": "norm1", "ReduceL2": "norm2", "ReduceSumSquare": "sum_square", "ReduceLogSumExp": "logsumexp",
}  # fmt: skip


@translates(*REDUCTIONS, "ReduceLogSum")
def reduce(t: Translation, call: Call) -> None:
    x, axes = call.input(0), axes_of(t, call)
    choices: dict[str, Any] = {
        "keep": bool(call.get("keepdims", 1)), "empty_is_none": bool(call.get("noop_with_empty_axes", 0)),
    }  # fmt: skip
    if call.op == "ReduceLogSum":
        t.give(call, "log", t.add(call, "sum", x, axes, **choices))
    else:
        t.give(call, REDUCTIONS[call.op], x, axes, **choices)


@translates("ArgMax", "ArgMin")
def arg(t: Translation, call: Call) -> None:
    if call.get("select_last_index", 0):
        raise call.refuse("of the last of equal values")
    t.give(call, call.op.lower(), call.input(0), axis=call.get("axis", 0), keep=bool(call.get("keepdims", 1)))


@translates("TopK")
def top_k(t: Translation, call: Call) -> None:
    t.give(call, "top_k", call.input(0), call.input(1), axis=call.get("axis", -1), largest=bool(call.get("largest", 1)))


@translates("CumSum")
def cumsum(t: Translation, call: Call) -> None:
    axis = t.tensors.get(call.input(1))
    if axis is None or call.get("exclusive", 0) or call.get("reverse", 0):
        raise call.refuse("in an unusual way")
    t.give(call, "cumsum", call.input(0), axis=int(axis.flatten()[0]))


@translates("Softmax", "LogSoftmax", "Hardmax")
def softmax(t: Translation, call: Call) -> None:
    if call.op == "Hardmax":
        raise call.refuse("at all")
    op = "softmax" if call.op == "Softmax" else "log_softmax"
    if call.version < 13:  # over all axes from this one on, as if they were one
        t.give(call, f"{op}_from", call.input(0), axis=call.get("axis", 1))
    else:
        t.give(call, op, call.input(0), axis=call.get("axis", -1))


# ---------------------------------------------------------------------------------------------------- activations


@translates("LeakyRelu")
def leaky_relu(t: Translation, call: Call) -> None:
    t.give(call, "leaky_relu", call.input(0), slope=call.get("alpha", 0.01))


@translates("Elu", "Celu")
def elu(t: Translation, call: Call) -> None:
    t.give(call, call.op.lower(), call.input(0), alpha=call.get("alpha", 1.0))


@translates("Selu")
def selu(t: Translation, call: Call) -> None:
    alpha, gamma = call.get("alpha", 1.67326319217681884765625), call.get("gamma", 1.05070102214813232421875)
    if abs(alpha - 1.6732632423543772) > 1e-5 or abs(gamma - 1.0507009873554805) > 1e-5:
        raise call.refuse("with factors of its own")
    t.give(call, "selu", call.input(0))


@translates("Gelu")
def gelu(t: Translation, call: Call) -> None:
    t.give(call, "gelu", call.input(0), approximate=call.get("approximate", "none") == "tanh")


@translates("Swish")
def swish(t: Translation, call: Call) -> None:
    if call.get("alpha", 1.0) != 1:
        raise call.refuse("with a factor of its own")
    t.give(call, "silu", call.input(0))


@translates("HardSigmoid")
def hard_sigmoid(t: Translation, call: Call) -> None:
    t.give(call, "hard_sigmoid", call.input(0), slope=call.get("alpha", 0.2), offset=call.get("beta", 0.5))


@translates("ThresholdedRelu")
def thresholded(t: Translation, call: Call) -> None:
    t.give(call, "thresholded", call.input(0), threshold=call.get("alpha", 1.0))


@translates("Shrink")
def shrink(t: Translation, call: Call) -> None:
    t.give(call, "shrink", call.input(0), bias=call.get("bias", 0.0), lambd=call.get("lambd", 0.5))


@translates("Clip")
def clip(t: Translation, call: Call) -> None:
    if call.version < 11:
        t.give(call, "bounded", call.input(0), low=call.get("min", -3.4e38), high=call.get("max", 3.4e38))
    else:
        t.give(call, "clamp", *call.inputs)


@translates("Mod")
def mod(t: Translation, call: Call) -> None:
    if call.get("fmod", 0):
        raise call.refuse("with the sign of what is divided")
    t.give(call, "mod", *call.inputs)
