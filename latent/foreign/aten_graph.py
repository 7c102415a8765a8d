"""PyTorch's own operations (ATen) as a graph: what `torch.export` writes, and what it makes of a network in memory.

    Program (steps, tensors, inputs) ──> a function under `@translates` a step ──> Graph

A translator has the arguments of its operation in ATen's schema, by their names; ``self`` and ``input`` are called
``x``. While steps are added, the graph is looked at on shapes alone, so that each translator can ask how many axes a
value has, and what does not fit is refused at the step that it belongs to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from latent.errors import CheckpointError, UnsupportedError
from latent.files import label
from latent.foreign.graph import (
    LARGEST_KNOWN,
    MOST_KNOWN,
    MOST_NODES,
    TOO_MANY_MADE,
    Graph,
    Input,
    Look,
    Node,
    TooMuchError,
    unknown_operation,
)
from latent.foreign.onnx_graph import NOISE, as_usual

FAR = 2**62  # behind the end of any axis
OF_THE_PLACE = ("device", "layout", "pin_memory", "memory_format", "non_blocking", "requires_grad", "generator")
TRAINING = "as in training; put the network into evaluation mode by .eval() and export it again"


@dataclass(frozen=True)
class Value:
    """What a step takes that another one gives, or a tensor of the program, by name."""

    name: str


Argument: TypeAlias = Any  # a Value, a number, a text, a type of numbers, None, or a list of these


@dataclass(frozen=True)
class Step:
    """One call: ``target`` as "aten.conv2d.default", its arguments by place and by name; ``name`` for sentences.

    ``outputs`` are the names of what it gives, empty for what nobody uses.
    """

    target: str
    name: str
    arguments: tuple[Argument, ...]
    named: Mapping[str, Argument]
    outputs: tuple[str, ...]

    @property
    def operation(self) -> str:
        """The operation without its overload: "aten.conv2d"."""
        return ".".join(self.target.split(".")[:2])

    def refuse(self, why: str) -> UnsupportedError:
        return UnsupportedError(f"uses {label(self.target)} (node {label(self.name)}) {why}, which is not supported")


@dataclass(frozen=True)
class Program:
    """Steps in an order in which they can run, the tensors that are known, inputs and outputs by name."""

    steps: Sequence[Step]
    tensors: Mapping[str, Tensor]
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def graph_of(program: Program) -> Graph:
    """The graph of a program. Raises `CheckpointError`, a sentence without its subject."""
    if len(program.steps) > MOST_NODES:
        raise CheckpointError(f"holds a network of more than {MOST_NODES:,} operations")
    lowering = Lowering.of(program)
    for step in program.steps:
        lowering.take(step)
    return lowering.graph(program.inputs, program.outputs, program.remarks)


@dataclass
class Lowering:
    """Nodes as they are added, with the shape of every value so far."""

    tensors: dict[str, Tensor]
    look: Look
    values: dict[str, Tensor]
    nodes: list[Node] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    now: dict[str, str] = field(
        default_factory=dict
    )  # values under other names than their nodes give, as after a change in place
    memory: dict[str, str] = field(default_factory=dict)  # views, and the value whose memory they show
    same: dict[str, str] = field(default_factory=dict)  # what a change in place gives, and what was changed
    stale: set[str] = field(default_factory=set)  # values that share memory with one that was changed in place
    not_given: dict[str, Step] = field(default_factory=dict)  # further results, and the step that should give them
    turned: dict[str, str] = field(default_factory=dict)  # matrices of the program, transposed
    step: Step = field(default_factory=lambda: Step("", "", (), {}, ()))
    count: int = 0
    made: int = 0  # numbers that were not in the file

    @classmethod
    def of(cls, program: Program) -> Lowering:
        sizes = {size for each in program.inputs.values() for size in each.sizes[:1]}
        n = next((size for size in sizes if size is not None), 2)
        tensors = {name: as_usual(tensor) for name, tensor in program.tensors.items()}
        known = Graph((), tensors, program.inputs, ()).looked_at(n)
        return cls(tensors, Look(n), known)

    def graph(self, inputs: Mapping[str, Input], outputs: Sequence[str], remarks: Sequence[str]) -> Graph:
        """What has been added, as far as it leads to these outputs. Raises `CheckpointError`."""
        graph = Graph(
            tuple(self.nodes),
            self.tensors,
            inputs,
            tuple(dict.fromkeys(self.current(name) for name in outputs)),
            remarks=tuple(dict.fromkeys((*remarks, *self.remarks))),
        )
        graph = graph.part({}, graph.outputs)
        graph.check()
        return graph

    # What the translators ask and say.

    def take(self, step: Step, names: Callable[[int], Sequence[str]] | None = None) -> str | tuple[str, ...] | None:
        """Add what a step does; the name of what it gives, several for several things, None for nothing.

        ``names`` makes names for so many things where the step does not say what they are called.
        """
        self.step = step
        operation, in_place = step.operation, False
        if operation not in TRANSLATORS and operation.endswith("_") and operation[:-1] in TRANSLATORS:
            operation, in_place = operation[:-1], True
        if operation not in TRANSLATORS:
            raise UnsupportedError(unknown_operation(step.target, step.name))
        start = len(self.nodes)
        renaming = {"self": "x", "input": "x"}
        named = {renaming.get(n, n): argument for n, argument in step.named.items() if n not in OF_THE_PLACE}
        try:
            found = TRANSLATORS[operation](self, *step.arguments, **named)
        except CheckpointError:
            raise
        except Exception as error:  # arguments of other kinds than the schema's
            raise CheckpointError(
                f"is damaged or forged: the node {label(step.name)} ({label(step.target)}) has arguments that do not "
                "fit"
            ) from error
        if found is None:
            return None
        results = [found] if isinstance(found, str) else list(found)
        called = step.outputs if names is None else tuple(names(len(results)))
        given = self.call_them(called, results, start)
        first = step.arguments[0] if step.arguments else step.named.get("self", step.named.get("input"))
        if isinstance(first, Value):
            if in_place or operation in VIEWS:
                self.memory.update({name: first.name for name in called if name})
            if in_place:
                self.same.update({name: first.name for name in called if name})
                self.rewrite(first.name, given[0])
        return called[0] if isinstance(found, str) and called else called

    def call_them(self, names: Sequence[str], given: list[str], start: int) -> list[str]:
        """Let what a step gives be known by its names, also in the nodes from ``start`` on, which it has added."""
        self.not_given.update(dict.fromkeys(names[len(given) :], self.step))
        added = {output for node in self.nodes[start:] for output in node.outputs}
        for name, value in zip(names, given):
            if name and (name in self.values or name in self.now):
                raise CheckpointError(f"is damaged or forged: two steps give {label(name)}")
            if name and value in added and given.count(value) == 1:
                self.values[name] = self.values.pop(value)
                self.nodes[start:] = [renamed(node, value, name) for node in self.nodes[start:]]
                given[given.index(value)] = name
            elif name:
                self.now[name] = value
        return given

    def rewrite(self, name: str, value: str) -> None:
        """A value that has been changed in place; views of its memory must not be used any more."""
        family, root = self.root(name, self.memory), self.root(name, self.same)
        for each in {*self.memory, *self.memory.values()}:
            if self.root(each, self.same) == root:
                self.now[each] = value
            elif self.root(each, self.memory) == family:
                self.stale.add(each)

    @staticmethod
    def root(name: str, links: Mapping[str, str]) -> str:
        """Where the links from a value end."""
        while name in links:
            name = links[name]
        return name

    def current(self, name: str) -> str:
        """The name of a value as it is by now."""
        if name in self.stale:
            raise self.step.refuse(f"on {label(name)}, a view of what was changed in place")
        return self.now.get(name, name)

    def name_of(self, argument: Argument) -> str:
        """The name of an argument that is a tensor, a number or None; the last by the empty name."""
        match argument:
            case None:
                return ""
            case str() if argument in self.values:  # given by a translator
                return argument
            case Value(name):
                name = self.current(name)
                if name in self.not_given:
                    raise self.not_given[name].refuse(f"for its result {label(name)}")
                if name not in self.values:
                    raise CheckpointError(
                        f"is damaged or forged: the node {label(self.step.name)} takes {label(name)}, which nothing "
                        "before it gives"
                    )
                return name
            case bool() | int() | float():
                return self.known(argument)
        raise TypeError(f"no tensor: {argument!r}")

    def known(self, values: Any, dtype: torch.dtype | None = None) -> str:
        """A tensor of these values, by the name it gets."""
        tensor = values if isinstance(values, Tensor) else torch.tensor(values, dtype=dtype)
        self.made += tensor.numel()
        if self.made > MOST_KNOWN:
            raise TooMuchError(TOO_MANY_MADE)
        return self.given(tensor)

    def given(self, tensor: Tensor) -> str:
        """A tensor that takes no memory of its own, by the name it gets."""
        name = self.new()
        self.tensors[name] = as_usual(tensor)
        self.values[name] = self.look.known(self.tensors[name])
        return name

    def new(self) -> str:
        """A name that no file can give: it holds a zero byte."""
        self.count += 1
        return f"\0{self.count}"

    def add(self, op: str, *arguments: Argument, **attributes: Any) -> str:
        """A node, and the name of what it gives."""
        return self.add_all(op, 1, *arguments, **attributes)[0]

    def add_all(self, op: str, n: int, *arguments: Argument, **attributes: Any) -> list[str]:
        """A node, and the names of the ``n`` things that it gives."""
        inputs = [self.name_of(argument) for argument in arguments]
        while inputs and not inputs[-1]:
            inputs.pop()
        outputs = [self.new() for _ in range(n)]
        node = Node(op, self.step.name, tuple(inputs), tuple(outputs), attributes)
        found = self.look.run(node, [self.values.get(name) for name in inputs])
        if len(found) != n:
            raise ValueError("another number of results")
        self.nodes.append(node)
        self.values.update(zip(outputs, found))
        return outputs

    def shape(self, argument: Argument) -> torch.Size:
        """The shape of a value, for the number of images that is looked at."""
        return self.values[self.name_of(argument)].shape

    def axis(self, argument: Argument, dim: int, more: int = 0) -> int:
        """An axis counted from the front; ``more`` where there will be more of them."""
        n = len(self.shape(argument)) + more
        if not -n <= whole(dim) < max(n, 1):
            raise IndexError("no such axis")
        return dim % max(n, 1)

    def dtype(self, argument: Argument) -> torch.dtype:
        return self.values[self.name_of(argument)].dtype

    def as_float(self, argument: Argument) -> str:
        name = self.name_of(argument)
        return name if self.values[name].is_floating_point() else self.add("cast", name, to="float")

    def sizes(self, values: Sequence[Argument]) -> str:
        """A tensor of whole numbers, some of which may be values."""
        if all(isinstance(value, int) for value in values):
            return self.known([whole(value) for value in values], torch.int64)
        one = self.known([1], torch.int64)
        parts = [
            self.known([whole(value)], torch.int64) if isinstance(value, int) else self.add("reshape", value, one)
            for value in values
        ]
        return parts[0] if len(parts) == 1 else self.add("concat", *parts, axis=0)

    def reshape(self, x: Argument, sizes: Sequence[Argument]) -> str:
        return self.add("reshape", x, self.sizes(sizes), zero_copies=False)

    def reshape_between(self, x: Argument, first: int, last: int, middle: Sequence[Argument]) -> str:
        """The axes from ``first`` to before ``last`` reshaped, the others as they are."""
        rank = len(self.shape(x))
        parts = [self.add("shape", x, start=0, end=first)] if first else []
        parts += [self.sizes(middle)] if middle else []
        parts += [self.add("shape", x, start=last, end=None)] if last < rank else []
        shape = self.known([], torch.int64) if not parts else parts[0]
        shape = self.add("concat", *parts, axis=0) if len(parts) > 1 else shape
        return self.add("reshape", x, shape, zero_copies=False)

    def matrix_turned(self, argument: Argument) -> str | None:
        """The tensor of the program of which a matrix is the transposed, None for others."""
        return self.turned.get(self.name_of(argument))


def renamed(node: Node, before: str, after: str) -> Node:
    """A node in which a value has another name."""
    inputs, outputs = (
        tuple(after if name == before else name for name in names) for names in (node.inputs, node.outputs)
    )
    return replace(node, inputs=inputs, outputs=outputs)


Translator = Callable[..., str | Sequence[str] | None]
TRANSLATORS: dict[str, Translator] = {}


Function = TypeVar("Function", bound=Translator)


def translates(*operations: str) -> Callable[[Function], Function]:
    def add(function: Function) -> Function:
        TRANSLATORS.update({f"aten.{name}" if "." not in name else name: function for name in operations})
        return function

    return add


def whole(value: Any) -> int:
    if not isinstance(value, int) or abs(value) > 2**63 - 1:
        raise TypeError("not a whole number that is known")
    return int(value)


def wholes(values: Any, n: int) -> list[int]:
    """``n`` whole numbers, of which one may stand for all."""
    found = [whole(value) for value in values] if isinstance(values, list | tuple) else [whole(values)]
    found = found * n if len(found) == 1 else found
    if len(found) != n:
        raise ValueError("another number of sizes")
    return found


def number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError("not a number that is known")
    return float(value)


# ---------------------------------------------------------------------------------------------------- one to one

PLAIN = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "exp": "exp", "log": "log", "sqrt": "sqrt", "rsqrt": "rsqrt",
    "reciprocal": "reciprocal", "square": "square", "abs": "abs", "neg": "neg", "sign": "sign", "floor": "floor",
    "ceil": "ceil", "erf": "erf", "sin": "sin", "cos": "cos", "tan": "tan", "atan": "atan", "sinh": "sinh",
    "cosh": "cosh", "asin": "asin", "acos": "acos", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh",
    "isnan": "isnan", "silu": "silu", "mish": "mish", "hardswish": "hard_swish", "selu": "selu",
    "relu6": "relu6", "logical_not": "not", "mul": "mul", "multiply": "mul", "minimum": "minimum",
    "maximum": "maximum", "matmul": "matmul", "bmm": "matmul", "eq": "equal", "lt": "less", "le": "less_equal",
    "gt": "greater", "ge": "greater_equal", "logical_and": "and", "logical_or": "or", "logical_xor": "xor",
    "remainder": "mod", "where": "where", "mv": "matmul", "dot": "matmul", "vdot": "matmul",
}  # fmt: skip


def plain(op: str) -> Translator:
    return lambda t, *arguments, **named: t.add(op, *arguments, *named.values())


TRANSLATORS.update({f"aten.{name}": plain(op) for name, op in PLAIN.items()})


@translates(
    "detach", "detach_", "clone", "contiguous", "alias", "lift_fresh", "lift_fresh_copy", "lift", "positive", "data",
    "view_copy_identity",
)  # fmt: skip
def identity(t: Lowering, x: Argument) -> str:
    return t.name_of(x)


@translates(
    "sym_constrain_range", "sym_constrain_range_for_size", "_assert_scalar", "_assert_tensor_metadata", "_assert_async"
)
def says_nothing(t: Lowering, *arguments: Argument, **named: Argument) -> None:
    """What only checks."""


VIEWS = {
    f"aten.{name}"
    for name in (
        "view", "reshape", "_unsafe_view", "view_as", "reshape_as", "flatten", "unflatten", "permute", "transpose", "t",
        "numpy_T", "mT", "swapaxes", "movedim", "expand", "expand_as", "squeeze", "unsqueeze", "slice", "split",
        "split_with_sizes", "chunk", "unbind", "select", "narrow", "detach", "contiguous", "alias", "to", "type_as",
        "dropout", "lift_fresh", "pad", "diagonal",
    )
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------- arithmetic


@translates("add", "sub", "subtract")
def add(t: Lowering, x: Argument, other: Argument, alpha: Argument = 1) -> str:
    op = "add" if t.step.operation.startswith("aten.add") else "sub"
    return t.add(op, x, other if alpha == 1 else t.add("mul", other, alpha))


@translates("rsub")
def rsub(t: Lowering, x: Argument, other: Argument, alpha: Argument = 1) -> str:
    return t.add("sub", other, x if alpha == 1 else t.add("mul", x, alpha))


@translates("div", "divide", "true_divide", "floor_divide")
def div(t: Lowering, x: Argument, other: Argument, rounding_mode: str | None = None) -> str:
    rounding = "floor" if "floor_divide" in t.step.operation else rounding_mode
    are_whole = not any(t.values[t.name_of(each)].is_floating_point() for each in (x, other))
    if rounding == "trunc" and are_whole:
        return t.add("div", x, other)
    y = t.add("div", t.as_float(x), t.as_float(other))
    if rounding is None:
        return y
    if rounding == "trunc":
        return t.add("mul", t.add("sign", y), t.add("floor", t.add("abs", y)))
    if rounding != "floor":
        raise t.step.refuse(f"rounded by {label(str(rounding))}")
    y = t.add("floor", y)
    return t.add("cast", y, to="int") if are_whole else y


@translates("fmod")
def fmod(t: Lowering, x: Argument, other: Argument) -> str:
    """What is left of a division towards zero."""
    if t.dtype(x).is_floating_point or isinstance(other, float):
        raise t.step.refuse("of other than whole numbers")
    return t.add("sub", x, t.add("mul", t.add("div", x, other), other))


@translates("log1p")
def log1p(t: Lowering, x: Argument) -> str:
    return t.add("log", t.add("add", x, 1.0))


@translates("expm1")
def expm1(t: Lowering, x: Argument) -> str:
    return t.add("sub", t.add("exp", x), 1.0)


@translates("pow")
def power(t: Lowering, x: Argument, exponent: Argument) -> str:
    if exponent in (2, 0.5) and not isinstance(exponent, Value):
        return t.add("square" if exponent == 2 else "sqrt", x)
    return t.add("pow", x, exponent)


@translates("addcmul")
def addcmul(t: Lowering, x: Argument, tensor1: Argument, tensor2: Argument, value: Argument = 1) -> str:
    return t.add("add", x, t.add("mul", tensor1, tensor2, *([] if value == 1 else [value])))


@translates("lerp")
def lerp(t: Lowering, x: Argument, end: Argument, weight: Argument) -> str:
    return t.add("add", x, t.add("mul", t.add("sub", end, x), weight))


@translates("clamp", "clip")
def clamp(t: Lowering, x: Argument, min: Argument = None, max: Argument = None) -> str:
    if isinstance(min, int | float) and isinstance(max, int | float):
        return t.add("bounded", x, low=min, high=max)
    return t.add("clamp", x, min, max)


@translates("clamp_min")
def clamp_min(t: Lowering, x: Argument, min: Argument) -> str:
    return t.add("clamp", x, min)


@translates("clamp_max")
def clamp_max(t: Lowering, x: Argument, max: Argument) -> str:
    return t.add("clamp", x, None, max)


@translates("hardtanh")
def hardtanh(t: Lowering, x: Argument, min_val: Argument = -1.0, max_val: Argument = 1.0) -> str:
    return t.add("bounded", x, low=number(min_val), high=number(max_val))


@translates("masked_fill")
def masked_fill(t: Lowering, x: Argument, mask: Argument, value: Argument) -> str:
    return t.add("where", mask, t.as_float(value) if t.dtype(x).is_floating_point else value, x)


# Whole numbers that are computed of sizes.
for name, op in {
    "add": "add", "sub": "sub", "mul": "mul", "floordiv": "div", "mod": "mod", "neg": "neg", "eq": "equal",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "and_": "and", "or_": "or",
}.items():  # fmt: skip
    TRANSLATORS[f"_operator.{name}"] = plain(op)


@translates("_operator.ne", "ne")
def not_equal(t: Lowering, x: Argument, other: Argument) -> str:
    return t.add("not", t.add("equal", x, other))


@translates("sym_size", "size")
def size(t: Lowering, x: Argument, dim: int) -> str:
    axis = t.axis(x, dim)
    return t.add("shape", x, start=axis, end=axis + 1)


@translates("sym_numel", "numel")
def numel(t: Lowering, x: Argument) -> str:
    return t.add("prod", t.add("shape", x), keep=False)


# ---------------------------------------------------------------------------------------------------- activations


@translates("leaky_relu")
def leaky_relu(t: Lowering, x: Argument, negative_slope: float = 0.01) -> str:
    return t.add("leaky_relu", x, slope=number(negative_slope))


@translates("rrelu")
def rrelu(
    t: Lowering, x: Argument, lower: float = 0.125, upper: float = 1 / 3, training: bool = False, generator: None = None
) -> str:
    if training:
        raise t.step.refuse(TRAINING)
    return t.add("leaky_relu", x, slope=(number(lower) + number(upper)) / 2)


@translates("elu")
def elu(t: Lowering, x: Argument, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> str:
    if input_scale != 1:
        raise t.step.refuse("with a scale of what it takes")
    y = t.add("elu", x, alpha=number(alpha))
    return y if scale == 1 else t.add("mul", y, number(scale))


@translates("celu")
def celu(t: Lowering, x: Argument, alpha: float = 1.0) -> str:
    return t.add("celu", x, alpha=number(alpha))


@translates("gelu")
def gelu(t: Lowering, x: Argument, approximate: str = "none") -> str:
    return t.add("gelu", x, approximate=approximate == "tanh")


@translates("softplus")
def softplus(t: Lowering, x: Argument, beta: float = 1.0, threshold: float = 20.0) -> str:
    if threshold != 20:
        raise t.step.refuse("with a threshold of its own")
    if beta == 1:
        return t.add("softplus", x)
    return t.add("div", t.add("softplus", t.add("mul", x, number(beta))), number(beta))


@translates("log_sigmoid")
def log_sigmoid(t: Lowering, x: Argument) -> str:
    return t.add("neg", t.add("softplus", t.add("neg", x)))


@translates("hardsigmoid")
def hardsigmoid(t: Lowering, x: Argument) -> str:
    return t.add("hard_sigmoid", x, slope=1 / 6, offset=0.5)


@translates("threshold")
def threshold(t: Lowering, x: Argument, threshold: float, value: float) -> str:
    if value != 0:
        raise t.step.refuse("with a value of its own")
    return t.add("thresholded", x, threshold=number(threshold))


@translates("hardshrink", "softshrink")
def shrink(t: Lowering, x: Argument, lambd: float = 0.5) -> str:
    return t.add("shrink", x, bias=number(lambd) if "soft" in t.step.operation else 0.0, lambd=number(lambd))


@translates("prelu", "_prelu_kernel")
def prelu(t: Lowering, x: Argument, weight: Argument) -> str:
    n, rank = math.prod(t.shape(weight)), len(t.shape(x))
    if n > 1 and rank > 1:
        weight = t.reshape(weight, [n, *[1] * (rank - 2)])
    return t.add("prelu", x, weight)


@translates("glu")
def glu(t: Lowering, x: Argument, dim: int = -1) -> str:
    axis = t.axis(x, dim)
    first, second = t.add_all("split", 2, x, axis=axis, parts=2)
    return t.add("mul", first, t.add("sigmoid", second))


@translates("softmax", "_softmax", "_safe_softmax", "log_softmax", "_log_softmax")
def softmax(t: Lowering, x: Argument, dim: int, dtype: Argument = None, half_to_float: bool = False) -> str:
    op = "log_softmax" if "log" in t.step.operation else "softmax"
    return t.add(op, x, axis=t.axis(x, dim))


@translates("dropout", "feature_dropout", "alpha_dropout", "native_dropout")
def dropout(t: Lowering, x: Argument, p: float, train: bool | None) -> list[str]:
    if train:
        raise t.step.refuse(TRAINING)
    return [t.name_of(x)]


# ---------------------------------------------------------------------------------------------------- noise


def noise_of(t: Lowering, shape_of: Argument, mean: float) -> str:
    t.remarks.append(NOISE.format(t.step.target))
    return t.add("full_like", shape_of, value=mean)


@translates("randn_like", "rand_like", "normal_functional", "uniform", "bernoulli", "normal", "exponential")
def noise_like(t: Lowering, x: Argument, *arguments: Argument, **named: Argument) -> str:
    operation = t.step.operation
    if "normal" in operation and "functional" not in operation and not operation.endswith("_"):
        t.remarks.append(NOISE.format(t.step.target))  # torch.normal takes the means themselves
        if isinstance(x, int | float):
            return t.add("full", t.sizes(arguments[1]), value=number(x))
        return t.name_of(x)
    if "bernoulli" in operation or "exponential" in operation or ("uniform" in operation and (arguments or named)):
        raise t.step.refuse("at all")
    given = [*arguments, *named.values()]
    mean = number(given[0]) if "normal" in operation and given else 0.5 if "uniform" in operation else 0.0
    return noise_of(t, x, 0.5 if "rand_like" in operation else mean)


@translates("randn", "rand")
def noise(t: Lowering, size: Sequence[Argument], dtype: Argument = None) -> str:
    t.remarks.append(NOISE.format(t.step.target))
    return t.add("full", t.sizes(size), value=0.0 if "randn" in t.step.operation else 0.5)


# ---------------------------------------------------------------------------------------------------- layers


@translates("conv1d", "conv2d", "conv3d")
def conv(
    t: Lowering, x: Argument, weight: Argument, bias: Argument = None, stride: Argument = 1, padding: Argument = 0,
    dilation: Argument = 1, groups: int = 1,
) -> str:  # fmt: skip
    axes = len(t.shape(weight)) - 2
    if isinstance(padding, str):
        total = [d * (k - 1) for d, k in zip(wholes(dilation, axes), t.shape(weight)[2:], strict=True)]
        total = total if padding == "same" else [0] * axes
        pads = [*(each // 2 for each in total), *(each - each // 2 for each in total)]
    else:
        pads = wholes(padding, axes) * 2
    return t.add(
        "conv", x, weight, bias, stride=wholes(stride, axes), pads=pads, dilation=wholes(dilation, axes),
        groups=whole(groups),
    )  # fmt: skip


@translates("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    t: Lowering, x: Argument, weight: Argument, bias: Argument = None, stride: Argument = 1, padding: Argument = 0,
    output_padding: Argument = 0, groups: int = 1, dilation: Argument = 1,
) -> str:  # fmt: skip
    axes = len(t.shape(weight)) - 2
    before = wholes(padding, axes)
    behind = [first - more for first, more in zip(before, wholes(output_padding, axes), strict=True)]
    return t.add(
        "conv_transpose", x, weight, bias, stride=wholes(stride, axes), crops=[*before, *behind],
        dilation=wholes(dilation, axes), groups=whole(groups),
    )  # fmt: skip


@translates("_convolution_mode")
def convolution_mode(
    t: Lowering, x: Argument, weight: Argument, bias: Argument, stride: Argument, padding: str, dilation: Argument,
    groups: int,
) -> str:  # fmt: skip
    return conv(t, x, weight, bias, stride, padding, dilation, groups)


@translates("convolution", "_convolution")
def convolution(
    t: Lowering, x: Argument, weight: Argument, bias: Argument, stride: Argument, padding: Argument,
    dilation: Argument, transposed: bool, output_padding: Argument, groups: int, *flags: bool,
) -> str:  # fmt: skip
    if transposed:
        return conv_transpose(t, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(t, x, weight, bias, stride, padding, dilation, groups)


@translates("linear")
def linear(t: Lowering, x: Argument, weight: Argument, bias: Argument = None) -> str:
    return t.add("linear", x, weight, bias)


@translates("addmm")
def addmm(t: Lowering, x: Argument, mat1: Argument, mat2: Argument, beta: float = 1.0, alpha: float = 1.0) -> str:
    turned = t.matrix_turned(mat2)
    if turned is not None and alpha == beta == 1 and len(t.shape(x)) == 1:
        return t.add("linear", mat1, turned, x)
    return t.add("gemm", mat1, mat2, x, alpha=number(alpha), beta=number(beta), turn_a=False, turn_b=False)


@translates("mm")
def mm(t: Lowering, x: Argument, mat2: Argument) -> str:
    turned = t.matrix_turned(mat2)
    return t.add("matmul", x, mat2) if turned is None else t.add("linear", x, turned)


@translates("baddbmm")
def baddbmm(t: Lowering, x: Argument, batch1: Argument, batch2: Argument, beta: float = 1, alpha: float = 1) -> str:
    y = t.add("matmul", batch1, batch2)
    y = y if alpha == 1 else t.add("mul", y, number(alpha))
    return y if beta == 0 else t.add("add", y, x if beta == 1 else t.add("mul", x, number(beta)))


@translates("einsum")
def einsum(t: Lowering, equation: str, tensors: Sequence[Argument], path: Argument = None) -> str:
    if len(tensors) != 2:
        raise t.step.refuse("of other than two tensors")
    return t.add("einsum", *tensors, equation=equation)


@translates("embedding")
def embedding(t: Lowering, weight: Argument, indices: Argument, *arguments: Argument, **named: Argument) -> str:
    return t.add("embedding", indices, weight)


@translates("cdist", "_cdist_forward", "_euclidean_dist")
def cdist(t: Lowering, x1: Argument, x2: Argument, p: float = 2.0, compute_mode: Argument = None) -> str:
    if p != 2:
        raise t.step.refuse("by another norm than the Euclidean")
    squares = [t.add("sum_square", each, t.known([-1])) for each in (x1, x2)]
    products = t.add("matmul", x1, transpose(t, x2, -1, -2))
    together = t.add("add", squares[0], transpose(t, squares[1], -1, -2))
    return t.add("sqrt", t.add("clamp", t.add("sub", together, t.add("mul", products, 2.0)), 0.0))


@translates("scaled_dot_product_attention")
def attention(
    t: Lowering, query: Argument, key: Argument, value: Argument, attn_mask: Argument = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: Argument = None, enable_gqa: bool = False,
) -> str:  # fmt: skip
    """Softmax of the scaled products of queries and keys, over the values (Vaswani et al. 2017, arXiv:1706.03762)."""
    if dropout_p or enable_gqa:
        raise t.step.refuse(TRAINING if dropout_p else "with queries in groups")
    factor = 1 / math.sqrt(t.shape(query)[-1]) if scale is None else number(scale)
    products = t.add("matmul", t.add("mul", query, factor), transpose(t, key, -1, -2))
    if is_causal:
        rows, columns = t.shape(products)[-2:]
        if rows * columns > LARGEST_KNOWN**2:
            raise t.step.refuse(f"over {rows:,} × {columns:,} places")
        products = t.add("add", products, t.known(torch.full((rows, columns), -math.inf).triu(1)))
    if attn_mask is not None:
        if t.dtype(attn_mask) == torch.bool:
            attn_mask = t.add("where", attn_mask, 0.0, -math.inf)
        products = t.add("add", products, attn_mask)
    return t.add("matmul", t.add("softmax", products, axis=len(t.shape(products)) - 1), value)


@translates("_scaled_dot_product_flash_attention_for_cpu")
def attention_for_cpu(
    t: Lowering, query: Argument, key: Argument, value: Argument, dropout_p: float = 0.0, is_causal: bool = False,
    attn_mask: Argument = None, scale: Argument = None,
) -> list[str]:  # fmt: skip
    return [attention(t, query, key, value, attn_mask, dropout_p, is_causal, scale)]


# ---------------------------------------------------------------------------------------------------- normalisations


@translates("batch_norm", "native_batch_norm", "cudnn_batch_norm", "_batch_norm_impl_index")
def batch_norm(
    t: Lowering, x: Argument, weight: Argument, bias: Argument, running_mean: Argument, running_var: Argument,
    training: bool, momentum: float, eps: float, cudnn_enabled: bool = False,
) -> str:  # fmt: skip
    if training or running_mean is None or running_var is None:
        raise t.step.refuse(f"with the statistics of a batch, {TRAINING}")
    return t.add("batch_norm", x, weight, bias, running_mean, running_var, eps=number(eps))


@translates("_native_batch_norm_legit_no_training")
def batch_norm_as_trained(
    t: Lowering, x: Argument, weight: Argument, bias: Argument, running_mean: Argument, running_var: Argument,
    momentum: float, eps: float,
) -> str:  # fmt: skip
    return t.add("batch_norm", x, weight, bias, running_mean, running_var, eps=number(eps))


@translates("layer_norm", "native_layer_norm")
def layer_norm(
    t: Lowering, x: Argument, normalized_shape: Sequence[int], weight: Argument = None, bias: Argument = None,
    eps: float = 1e-5, cudnn_enable: bool = False,
) -> str:  # fmt: skip
    return t.add("layer_norm", x, weight, bias, axis=-len(normalized_shape), eps=number(eps))


@translates("rms_norm", "_fused_rms_norm")
def rms_norm(
    t: Lowering, x: Argument, normalized_shape: Sequence[int], weight: Argument = None, eps: float | None = None
) -> str:
    least = torch.finfo(torch.float32).eps if eps is None else number(eps)
    return t.add("rms_norm", x, weight, axis=-len(normalized_shape), eps=least)


@translates("group_norm")
def group_norm(
    t: Lowering, x: Argument, num_groups: int, weight: Argument = None, bias: Argument = None, eps: float = 1e-5,
    cudnn_enabled: bool = False,
) -> str:  # fmt: skip
    return t.add("group_norm", x, weight, bias, groups=whole(num_groups), eps=number(eps))


@translates("native_group_norm")
def native_group_norm(
    t: Lowering, x: Argument, weight: Argument, bias: Argument, N: Argument, C: Argument, HxW: Argument, group: int,
    eps: float,
) -> str:  # fmt: skip
    return t.add("group_norm", x, weight, bias, groups=whole(group), eps=number(eps))


@translates("instance_norm")
def instance_norm(
    t: Lowering, x: Argument, weight: Argument, bias: Argument, running_mean: Argument, running_var: Argument,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = False,
) -> str:  # fmt: skip
    if not use_input_stats:
        return t.add("batch_norm", x, weight, bias, running_mean, running_var, eps=number(eps))
    return t.add("instance_norm", x, weight, bias, eps=number(eps))


@translates("_weight_norm", "_weight_norm_interface")
def weight_norm(t: Lowering, v: Argument, g: Argument, dim: int = 0) -> str:
    """Directions ``v`` at the lengths ``g`` (Salimans and Kingma 2016); of all numbers together where dim is -1."""
    kept = None if dim == -1 else t.axis(v, dim)
    lengths = vector_norm(t, v, 2, [axis for axis in range(len(t.shape(v))) if axis != kept], True)
    return t.add("mul", v, t.add("div", g, lengths))


@translates("norm")
def norm(t: Lowering, x: Argument, p: Argument = 2, dim: Argument = None, keepdim: bool = False) -> str:
    return vector_norm(t, x, 2 if p is None else p, dim, keepdim)


@translates("linalg_vector_norm")
def vector_norm(
    t: Lowering, x: Argument, ord: float = 2.0, dim: Argument = None, keepdim: bool = False, dtype: Argument = None
) -> str:
    if ord not in (1, 2):
        raise t.step.refuse(f"of the order {number(ord):g}")
    return reduced(t, f"norm{int(ord)}", x, dim, keepdim)


# ---------------------------------------------------------------------------------------------------- pooling, resizing


def spatial(t: Lowering) -> int:
    """How many spatial axes an operation has, from the digit in its name."""
    return next(int(sign) for sign in t.step.operation if sign in "123")


@translates("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool(
    t: Lowering, x: Argument, kernel_size: Argument, stride: Argument = (), padding: Argument = 0,
    dilation: Argument = 1, ceil_mode: bool = False,
) -> str:  # fmt: skip
    axes = spatial(t)
    if ceil_mode and any(wholes(padding, axes)):
        raise t.step.refuse("with padding and sizes rounded up")
    kernel = wholes(kernel_size, axes)
    return t.add(
        "max_pool", x, kernel=kernel, stride=wholes(stride, axes) if stride else kernel,
        pads=wholes(padding, axes) * 2, dilation=wholes(dilation, axes), ceil=bool(ceil_mode),
    )  # fmt: skip


@translates("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    t: Lowering, x: Argument, kernel_size: Argument, stride: Argument = (), padding: Argument = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Argument = None,
) -> str:  # fmt: skip
    axes = spatial(t)
    if divisor_override is not None or (ceil_mode and any(wholes(padding, axes))):
        raise t.step.refuse("with a divisor of its own, or with padding and sizes rounded up")
    kernel = wholes(kernel_size, axes)
    return t.add(
        "avg_pool", x, kernel=kernel, stride=wholes(stride, axes) if stride else kernel,
        pads=wholes(padding, axes) * 2, count_padding=bool(count_include_pad), ceil=bool(ceil_mode),
    )  # fmt: skip


ADAPTIVE = ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool3d")


@translates(*ADAPTIVE, "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_pool(t: Lowering, x: Argument, output_size: Argument) -> str:
    kind = "avg" if "avg" in t.step.operation else "max"
    axes = spatial(t)
    size = wholes(output_size, axes)
    if size == [1] * axes:
        return t.add("global_mean" if kind == "avg" else "global_max", x)
    before = t.shape(x)[-axes:]
    if all(n % m == 0 for n, m in zip(before, size, strict=True)):  # windows that do not overlap
        kernel = [n // m for n, m in zip(before, size, strict=True)]
        choices: dict[str, Any] = {"kernel": kernel, "stride": kernel, "pads": [0] * 2 * axes}
        choices |= {"count_padding": True} if kind == "avg" else {"dilation": [1] * axes}
        return t.add(f"{kind}_pool", x, **choices)
    return t.add(f"adaptive_{kind}_pool", x, size=size)


def resized(
    t: Lowering, x: Argument, size: Argument, scales: Sequence[Argument], mode: str, coordinates: str, rounding: str
) -> str:
    factors = [number(each) for each in scales if each is not None]
    before = t.shape(x)[2:]
    if not factors and all(isinstance(m, int) and m % n == 0 for n, m in zip(before, size, strict=True)):
        factors = [m / n for n, m in zip(before, size)]  # whole ones, which do not depend on the number of images
    if factors:
        by = t.known([1.0, 1.0, *factors], torch.float32)
        return t.add("resize", x, by, mode=mode, coordinates=coordinates, rounding=rounding)
    to = t.add("concat", t.add("shape", x, start=0, end=2), t.sizes(size), axis=0)
    return t.add("resize", x, None, to, mode=mode, coordinates=coordinates, rounding=rounding)


@translates(
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
)  # fmt: skip
def upsample_nearest(t: Lowering, x: Argument, output_size: Argument, *scales: Argument, **named: Argument) -> str:
    found = [*scales, *named.values()]
    if found and isinstance(found[0], list | tuple):
        found = list(found[0])
    exact = "exact" in t.step.operation
    coordinates, rounding = ("half_pixel", "round_prefer_ceil") if exact else ("asymmetric", "floor")
    return resized(t, x, output_size, found, "nearest", coordinates, rounding)


@translates("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d")
def upsample_linear(
    t: Lowering, x: Argument, output_size: Argument, align_corners: bool, *scales: Argument, **named: Argument
) -> str:
    found = [*scales, *named.values()]
    if found and isinstance(found[0], list | tuple):
        found = list(found[0])
    mode = "cubic" if "cubic" in t.step.operation else "linear"
    return resized(t, x, output_size, found, mode, "align_corners" if align_corners else "half_pixel", "floor")


@translates("constant_pad_nd", "pad")
def pad(t: Lowering, x: Argument, pad: Sequence[int], *more: Argument, **named: Argument) -> str:
    if t.step.operation == "aten.constant_pad_nd":
        mode, value = "constant", [*more, *named.values(), 0][0]
    else:
        choices = dict(zip(("mode", "value"), more)) | named
        mode, value = choices.get("mode", "constant"), choices.get("value")
    return padded(t, x, pad, {"constant": "constant", "reflect": "reflect", "replicate": "replicate",
                              "circular": "circular"}[mode], value or 0)  # fmt: skip


@translates(*(f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)))
def pad_by_itself(t: Lowering, x: Argument, padding: Sequence[int]) -> str:
    return padded(t, x, padding, "reflect" if "reflection" in t.step.operation else "replicate", 0)


def padded(t: Lowering, x: Argument, pads: Sequence[int], mode: str, value: float) -> str:
    """``pads`` before and behind the last axis, then before and behind the one before it, …"""
    rank = len(t.shape(x))
    found = [whole(each) for each in pads]
    if len(found) % 2 or len(found) > 2 * rank:
        raise ValueError("another number of sizes")
    before, behind = [0] * rank, [0] * rank
    for place in range(len(found) // 2):
        before[rank - 1 - place], behind[rank - 1 - place] = found[2 * place : 2 * place + 2]
    extra = [number(value)] if mode == "constant" and value else []
    return t.add("pad", x, t.known([*before, *behind], torch.int64), *extra, mode=mode)


@translates("pixel_shuffle")
def pixel_shuffle(t: Lowering, x: Argument, upscale_factor: int) -> str:
    return t.add("depth_to_space", x, block=whole(upscale_factor))


@translates("pixel_unshuffle")
def pixel_unshuffle(t: Lowering, x: Argument, downscale_factor: int) -> str:
    return t.add("space_to_depth", x, block=whole(downscale_factor))


@translates("im2col")
def unfold(
    t: Lowering, x: Argument, kernel_size: Sequence[int], dilation: Sequence[int], padding: Sequence[int],
    stride: Sequence[int],
) -> str:  # fmt: skip
    return t.add("unfold", x, **tiles(kernel_size, dilation, padding, stride))


@translates("col2im")
def fold(
    t: Lowering, x: Argument, output_size: Sequence[int], kernel_size: Sequence[int], dilation: Sequence[int],
    padding: Sequence[int], stride: Sequence[int],
) -> str:  # fmt: skip
    return t.add("fold", x, size=wholes(output_size, 2), **tiles(kernel_size, dilation, padding, stride))


def tiles(
    kernel_size: Sequence[int], dilation: Sequence[int], padding: Sequence[int], stride: Sequence[int]
) -> dict[str, list[int]]:
    """The attributes of `node_operations.unfold` and `fold`."""
    found = {"kernel": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    return {name: wholes(values, 2) for name, values in found.items()}


# ---------------------------------------------------------------------------------------------------- shapes


@translates("view", "reshape", "_unsafe_view", "_reshape_alias", "view_copy")
def view(t: Lowering, x: Argument, size: Sequence[Argument], *strides: Argument) -> str:
    if not isinstance(size, list | tuple):
        raise t.step.refuse("as numbers of another type")
    return t.reshape(x, size)


TRANSLATORS["aten.reshape"] = lambda t, x, shape: view(t, x, shape)


@translates("view_as", "reshape_as")
def view_as(t: Lowering, x: Argument, other: Argument) -> str:
    return t.add("reshape", x, t.add("shape", other), zero_copies=False)


@translates("flatten")
def flatten(t: Lowering, x: Argument, start_dim: int = 0, end_dim: int = -1) -> str:
    first, last = t.axis(x, start_dim), t.axis(x, end_dim)
    if first == 1 and last == len(t.shape(x)) - 1:
        return t.add("flatten", x, axis=1)
    return t.reshape_between(x, first, last + 1, [-1])


@translates("unflatten")
def unflatten(t: Lowering, x: Argument, dim: int, sizes: Sequence[Argument]) -> str:
    axis = t.axis(x, dim)
    return t.reshape_between(x, axis, axis + 1, sizes)


@translates("permute", "permute_copy")
def permute(t: Lowering, x: Argument, dims: Sequence[int]) -> str:
    axes = [t.axis(x, dim) for dim in dims]
    if sorted(axes) != list(range(len(t.shape(x)))):
        raise ValueError("no permutation")
    name = t.name_of(x)
    if name in t.tensors:  # of what is known at once
        found = t.given(t.tensors[name].permute(axes))
        if axes == [1, 0]:
            t.turned[found] = name
        return found
    return t.add("permute", x, axes=axes)


@translates("transpose", "swapaxes", "transpose_copy")
def transpose(t: Lowering, x: Argument, dim0: int, dim1: int) -> str:
    axes = list(range(len(t.shape(x))))
    if not axes:
        return t.name_of(x)
    first, second = t.axis(x, dim0), t.axis(x, dim1)
    axes[first], axes[second] = axes[second], axes[first]
    return permute(t, x, axes)


@translates("t", "numpy_T", "mT", "adjoint")
def turned(t: Lowering, x: Argument) -> str:
    rank = len(t.shape(x))
    if rank < 2:
        return t.name_of(x)
    if rank > 2 and t.step.operation in ("aten.t", "aten.numpy_T"):
        return permute(t, x, list(reversed(range(rank))))
    return transpose(t, x, -1, -2)


@translates("movedim")
def movedim(t: Lowering, x: Argument, source: Argument, destination: Argument) -> str:
    sources = source if isinstance(source, list | tuple) else [source]
    targets = destination if isinstance(destination, list | tuple) else [destination]
    moved = {t.axis(x, to): t.axis(x, each) for each, to in zip(sources, targets, strict=True)}
    rest = iter(axis for axis in range(len(t.shape(x))) if axis not in moved.values())
    return permute(t, x, [moved[axis] if axis in moved else next(rest) for axis in range(len(t.shape(x)))])


@translates("expand", "expand_copy")
def expand(t: Lowering, x: Argument, size: Sequence[Argument], implicit: bool = False) -> str:
    return t.add("expand", x, t.sizes([1 if isinstance(each, int) and each == -1 else each for each in size]))


@translates("expand_as")
def expand_as(t: Lowering, x: Argument, other: Argument) -> str:
    return t.add("expand", x, t.add("shape", other))


@translates("broadcast_tensors")
def broadcast_tensors(t: Lowering, tensors: Sequence[Argument]) -> list[str]:
    shape = t.add("shape", t.add("add", *tensors) if len(tensors) > 1 else tensors[0])
    return [t.add("expand", each, shape) for each in tensors]


@translates("broadcast_to")
def broadcast_to(t: Lowering, x: Argument, size: Sequence[Argument]) -> str:
    return expand(t, x, size)


@translates("squeeze", "squeeze_copy")
def squeeze(t: Lowering, x: Argument, dim: Argument = None) -> str:
    shape = t.shape(x)
    dims = range(len(shape)) if dim is None else dim if isinstance(dim, list | tuple) else [dim]
    axes = [axis for axis in (t.axis(x, each) for each in dims) if shape[axis] == 1]
    return t.add("squeeze", x, t.known(axes, torch.int64)) if axes else t.name_of(x)


@translates("unsqueeze", "unsqueeze_copy")
def unsqueeze(t: Lowering, x: Argument, dim: int) -> str:
    return t.add("unsqueeze", x, t.known([t.axis(x, dim, 1)], torch.int64))


@translates("repeat")
def repeat(t: Lowering, x: Argument, repeats: Sequence[Argument]) -> str:
    return t.add("tile", x, t.sizes(repeats))


@translates("tile")
def tile(t: Lowering, x: Argument, dims: Sequence[Argument]) -> str:
    return repeat(t, x, [*[1] * (len(t.shape(x)) - len(dims)), *dims])


@translates("repeat_interleave")
def repeat_interleave(
    t: Lowering, x: Argument, repeats: int, dim: Argument = None, output_size: Argument = None
) -> str:
    if dim is None:
        x, dim = t.reshape(x, [-1]), 0
    axis = t.axis(x, dim)
    if t.shape(x)[axis] * whole(repeats) > LARGEST_KNOWN:
        raise t.step.refuse(f"over more than {LARGEST_KNOWN:,} places")
    places = torch.arange(t.shape(x)[axis]).repeat_interleave(repeats)
    return t.add("gather", x, t.known(places), axis=axis)


@translates("cat", "concat", "concatenate")
def cat(t: Lowering, tensors: Sequence[Argument], dim: int = 0) -> str:
    names = [t.name_of(each) for each in tensors]
    return t.add("concat", *names, axis=t.axis(names[0], dim))


@translates("stack")
def stack(t: Lowering, tensors: Sequence[Argument], dim: int = 0) -> str:
    axis = t.axis(tensors[0], dim, 1)
    place = t.known([axis], torch.int64)
    return t.add("concat", *(t.add("unsqueeze", each, place) for each in tensors), axis=axis)


@translates("split", "split_with_sizes", "tensor_split", "unsafe_split", "unsafe_split_with_sizes")
def split(t: Lowering, x: Argument, split_size: Argument, dim: int = 0, **named: Argument) -> list[str]:
    axis = t.axis(x, dim)
    n = t.shape(x)[axis]
    if isinstance(split_size, list | tuple):
        sizes = [whole(size) for size in split_size]
    else:
        each = whole(split_size)
        if each < 1 or n / each > MOST_NODES:
            raise ValueError("no parts, or too many")
        sizes = [min(each, n - start) for start in range(0, n, each)]
    return t.add_all("split", len(sizes), x, t.known(sizes, torch.int64), axis=axis)


TRANSLATORS["aten.split_with_sizes"] = lambda t, x, split_sizes, dim=0: split(t, x, split_sizes, dim)


@translates("chunk", "unsafe_chunk")
def chunk(t: Lowering, x: Argument, chunks: int, dim: int = 0) -> list[str]:
    n = t.shape(x)[t.axis(x, dim)]
    return split(t, x, -(-n // whole(chunks)), dim)


@translates("unbind")
def unbind(t: Lowering, x: Argument, dim: int = 0) -> list[str]:
    n = t.shape(x)[t.axis(x, dim)]
    if n > MOST_NODES:
        raise ValueError("too many parts")
    return [select(t, x, dim, place) for place in range(n)]


@translates("select", "select_copy")
def select(t: Lowering, x: Argument, dim: int, index: Argument) -> str:
    return t.add("gather", x, t.known(whole(index), torch.int64), axis=t.axis(x, dim))


@translates("slice", "slice_copy")
def slices(
    t: Lowering, x: Argument, dim: int = 0, start: Argument = None, end: Argument = None, step: Argument = 1
) -> str:
    ends = [0 if start is None else start, FAR if end is None else end]
    axis = t.axis(x, dim)
    if ends == [0, FAR] and step == 1:
        return t.name_of(x)
    first, last = (t.sizes([each]) for each in ends)
    return t.add("slice", x, first, last, t.known([axis], torch.int64), t.sizes([step]))


@translates("narrow")
def narrow(t: Lowering, x: Argument, dim: int, start: int, length: int) -> str:
    return slices(t, x, dim, whole(start), whole(start) + whole(length))


@translates("flip")
def flip(t: Lowering, x: Argument, dims: Sequence[int]) -> str:
    axes = [t.axis(x, dim) for dim in dims]
    n = len(axes)
    parts = ([-1] * n, [-FAR] * n, axes, [-1] * n)
    return t.add("slice", x, *(t.known(part, torch.int64) for part in parts))


@translates("roll")
def roll(t: Lowering, x: Argument, shifts: Argument, dims: Argument = ()) -> str:
    if not dims:
        raise t.step.refuse("over all axes at once")
    axes = wholes(dims, len(dims) if isinstance(dims, list | tuple) else 1)
    y = t.name_of(x)
    for dim, shift in zip(axes, wholes(shifts, len(axes)), strict=True):
        axis = t.axis(y, dim)
        if axis == 0:
            raise t.step.refuse("from image to image")
        cut = t.shape(y)[axis] - shift % t.shape(y)[axis]
        parts = slices(t, y, axis, cut), slices(t, y, axis, 0, cut)
        y = t.add("concat", *parts, axis=axis)
    return y


@translates("index_select")
def index_select(t: Lowering, x: Argument, dim: int, index: Argument) -> str:
    return t.add("gather", x, index, axis=t.axis(x, dim))


@translates("index", "_unsafe_index")
def index(t: Lowering, x: Argument, indices: Sequence[Argument]) -> str:
    """By tensors of places, each for one axis: one of them, or several next to each other."""
    places = [(axis, each) for axis, each in enumerate(indices) if each is not None]
    if any(t.dtype(each) == torch.bool for _, each in places):
        raise t.step.refuse("by a mask, of which the size of the result depends")
    axes = [axis for axis, _ in places]
    if len(places) == 1:
        return t.add("gather", x, places[0][1], axis=axes[0])
    if not places or axes != list(range(axes[0], axes[0] + len(axes))):
        raise t.step.refuse("by several axes apart")
    shape = t.shape(x)
    flat = t.reshape_between(x, axes[0], axes[-1] + 1, [-1])
    at = ""
    for axis, each in places:  # the place on the axes as if they were one
        size = t.known(shape[axis], torch.int64)
        inside = t.add("mod", each, size)
        at = inside if not at else t.add("add", t.add("mul", at, size), inside)
    return t.add("gather", flat, at, axis=axes[0])


@translates("gather")
def gather(t: Lowering, x: Argument, dim: int, index: Argument, sparse_grad: bool = False) -> str:
    return t.add("gather_elements", x, index, axis=t.axis(x, dim))


@translates("scatter")
def scatter(t: Lowering, x: Argument, dim: int, index: Argument, *more: Argument, **named: Argument) -> str:
    (value,) = [*more, *named.values()]
    return t.add("scatter", x, index, value, axis=t.axis(x, dim))


@translates("one_hot")
def one_hot(t: Lowering, x: Argument, num_classes: int = -1) -> str:
    if whole(num_classes) < 1:
        raise t.step.refuse("without the number of classes")
    return t.add("cast", t.add("one_hot", x, depth=num_classes, axis=-1, off=0.0, on=1.0), to="int")


# ---------------------------------------------------------------------------------------------------- made numbers


def kind_of(t: Lowering, dtype: Argument) -> str | None:
    """The type of numbers as `cast` calls it, None where none is named."""
    if dtype is None:
        return None
    if not isinstance(dtype, torch.dtype):
        raise TypeError("not a type of numbers")
    if dtype.is_floating_point:
        return "float"
    if dtype in (torch.int64, torch.int32, torch.int16):
        return "int"
    if dtype == torch.bool:
        return "bool"
    raise t.step.refuse(f"to {str(dtype).removeprefix('torch.')}")


@translates("to", "_to_copy", "type_as", "float", "long")
def to(t: Lowering, x: Argument, *arguments: Argument, **named: Argument) -> str:
    other = named.get("other", next((each for each in arguments if isinstance(each, Value)), None))
    if other is not None:
        return t.add("cast_like", x, other)
    dtype = named.get("dtype", next((each for each in arguments if isinstance(each, torch.dtype)), None))
    kind = kind_of(t, dtype)
    is_so = kind is None or t.dtype(x) == {"float": torch.float32, "int": torch.int64, "bool": torch.bool}[kind]
    return t.name_of(x) if is_so else t.add("cast", x, to=kind)


def filled(t: Lowering, size: Sequence[Argument], value: Argument, dtype: Argument) -> str:
    kind = kind_of(t, dtype) or ("float" if isinstance(value, float) else "bool" if isinstance(value, bool) else "int")
    y = t.add("full", t.sizes(size), value=number(value), whole=kind != "float")
    return t.add("cast", y, to="bool") if kind == "bool" else y


@translates("full", "new_full")
def full(t: Lowering, *arguments: Argument, dtype: Argument = None, **named: Argument) -> str:
    given = [each for each in arguments if not isinstance(each, Value)] + list(named.values())
    size, value = given[:2]
    return filled(t, size, value, dtype)


@translates("zeros", "ones", "new_zeros", "new_ones", "empty", "new_empty", "empty_permuted")
def zeros(t: Lowering, *arguments: Argument, dtype: Argument = None, **named: Argument) -> str:
    (size,) = [each for each in (*arguments, *named.values()) if isinstance(each, list | tuple)]
    like = next((each for each in (*arguments, *named.values()) if isinstance(each, Value)), None)
    kind = dtype or (torch.float32 if like is None else t.dtype(like))
    return filled(t, size, 1 if "ones" in t.step.operation else 0, kind)


@translates("full_like", "zeros_like", "ones_like", "empty_like", "fill")
def full_like(
    t: Lowering, x: Argument, fill_value: Argument = None, dtype: Argument = None, value: Argument = None
) -> str:
    fill = fill_value if fill_value is not None else value
    if fill is None:
        fill = 1 if "ones" in t.step.operation else 0
    y = t.add("full_like", x, value=number(fill))
    kind = kind_of(t, dtype or t.dtype(x))
    return y if kind == "float" else t.add("cast", y, to=kind)


@translates("zero")
def zero(t: Lowering, x: Argument) -> str:
    return full_like(t, x, 0)


@translates("copy")
def copy(t: Lowering, x: Argument, src: Argument, non_blocking: bool = False) -> str:
    return t.add("expand", t.add("cast_like", src, x), t.add("shape", x))


@translates("tensor")
def tensor(t: Lowering, data: Argument, dtype: Argument = None, requires_grad: bool = False) -> str:
    """Known numbers as a tensor, or one that depends on how many images there are."""
    if isinstance(data, Value):
        return t.name_of(data) if dtype is None else to(t, data, dtype=dtype)
    kind_of(t, dtype)
    return t.known(data, dtype)


@translates("scalar_tensor")
def scalar_tensor(t: Lowering, s: Argument, dtype: Argument = None) -> str:
    return to(t, s, dtype=dtype or torch.float32)


@translates("arange")
def arange(t: Lowering, *ends: Argument, dtype: Argument = None, **named: Argument) -> str:
    given = dict(zip(("end",) if len(ends) == 1 else ("start", "end", "step"), ends)) | named
    start, end, step = given.get("start", 0), given["end"], given.get("step", 1)
    if all(isinstance(each, int | float) for each in (start, end, step)):
        if not step > 0 or (end - start) / step > LARGEST_KNOWN:
            raise t.step.refuse(f"of more than {LARGEST_KNOWN:,} numbers")
        kind_of(t, dtype)
        return t.known(torch.arange(start, end, step, dtype=dtype))
    y = t.add("arange", *(t.add("sum", t.sizes([each]), keep=False) for each in (start, end, step)))
    kind = kind_of(t, dtype)
    return y if kind in (None, "int") else t.add("cast", y, to=kind)


@translates("linspace")
def linspace(t: Lowering, start: Argument, end: Argument, steps: int, dtype: Argument = None) -> str:
    if not 0 < whole(steps) <= LARGEST_KNOWN:
        raise t.step.refuse(f"of more than {LARGEST_KNOWN:,} numbers")
    return t.known(torch.linspace(number(start), number(end), steps))


@translates("eye")
def eye(t: Lowering, n: int, dtype: Argument = None) -> str:
    if not 0 < whole(n) ** 2 <= LARGEST_KNOWN:
        raise t.step.refuse(f"of more than {LARGEST_KNOWN:,} numbers")
    kind_of(t, dtype)
    return t.known(torch.eye(n, dtype=dtype))


@translates("tril", "triu")
def triangle(t: Lowering, x: Argument, diagonal: int = 0) -> str:
    return t.add("triangle", x, t.known(whole(diagonal), torch.int64), upper="triu" in t.step.operation)


# ---------------------------------------------------------------------------------------------------- reductions


def axes_of(t: Lowering, x: Argument, dim: Argument) -> list[int]:
    """The axes that are reduced: all where none is named."""
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return list(range(len(t.shape(x))))
    return [t.axis(x, each) for each in (dim if isinstance(dim, list | tuple) else [dim])]


def reduced(t: Lowering, op: str, x: Argument, dim: Argument, keepdim: Argument = False) -> str:
    axes = axes_of(t, x, dim)
    return t.add(op, x, t.known(axes, torch.int64), keep=bool(keepdim)) if axes else t.name_of(x)


@translates("mean", "sum", "amax", "amin", "logsumexp")
def reduction(t: Lowering, x: Argument, dim: Argument = None, keepdim: bool = False, dtype: Argument = None) -> str:
    name = t.step.operation.removeprefix("aten.")
    if dtype is not None:
        x = to(t, x, dtype=dtype)
    return reduced(t, {"amax": "max", "amin": "min"}.get(name, name), x, dim, keepdim)


@translates("max", "min")
def extreme(t: Lowering, x: Argument, dim: Argument = None, keepdim: bool = False) -> str | list[str]:
    op = t.step.operation.removeprefix("aten.")
    if isinstance(dim, Value):
        return t.add(f"{op}imum", x, dim)
    if dim is None:
        return reduced(t, op, x, None)
    places = t.add(f"arg{op}", x, axis=t.axis(x, dim), keep=bool(keepdim))
    return [reduced(t, op, x, dim, keepdim), places]


TRANSLATORS["aten.max"] = TRANSLATORS["aten.min"] = lambda t, x, dim=None, keepdim=False, other=None: extreme(
    t, x, dim if other is None else other, keepdim
)


@translates("any", "all")
def any_or_all(t: Lowering, x: Argument, dim: Argument = None, keepdim: bool = False) -> str:
    op = "max" if t.step.operation == "aten.any" else "min"
    return t.add("cast", reduced(t, op, t.add("cast", t.add("cast", x, to="bool"), to="int"), dim, keepdim), to="bool")


@translates("argmax", "argmin")
def arg(t: Lowering, x: Argument, dim: Argument = None, keepdim: bool = False) -> str:
    if dim is None:
        x, dim = t.reshape(x, [-1]), 0
    return t.add(t.step.operation.removeprefix("aten."), x, axis=t.axis(x, dim), keep=bool(keepdim))


@translates("prod")
def prod(t: Lowering, x: Argument, dim: Argument = None, keepdim: bool = False, dtype: Argument = None) -> str:
    return reduced(t, "prod", x, dim, keepdim)


@translates("topk")
def topk(t: Lowering, x: Argument, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> list[str]:
    return t.add_all("top_k", 2, x, t.known(whole(k), torch.int64), axis=t.axis(x, dim), largest=bool(largest))


@translates("cumsum")
def cumsum(t: Lowering, x: Argument, dim: int, dtype: Argument = None) -> str:
    return t.add("cumsum", x, axis=t.axis(x, dim))


def moments(
    t: Lowering, x: Argument, dim: Argument, unbiased: Argument, correction: Argument, keepdim: Argument
) -> tuple[str, str]:
    """The variance and the mean over some axes; ``correction`` is subtracted from their number."""
    if isinstance(dim, bool):  # the short form, which names no axes
        dim, unbiased = None, dim
    less = correction if correction is not None else 1 if unbiased else 0
    axes = axes_of(t, x, dim)
    if 0 in axes:
        raise t.step.refuse("over all images at once")
    n = math.prod(t.shape(x)[axis] for axis in axes)
    mean = reduced(t, "mean", x, axes, True)
    total = reduced(t, "sum_square", t.add("sub", x, mean), axes, keepdim)
    variance = t.add("div", total, float(max(n - number(less), 0)))
    return variance, mean if keepdim else reduced(t, "mean", x, axes, False)


@translates("var", "std", "var_mean", "std_mean")
def spread(
    t: Lowering, x: Argument, dim: Argument = None, unbiased: Argument = True, keepdim: bool = False,
    correction: Argument = None,
) -> list[str]:  # fmt: skip
    variance, mean = moments(t, x, dim, unbiased, correction, keepdim)
    return [t.add("sqrt", variance) if "std" in t.step.operation else variance, mean]
