"""TorchScript archives as a graph: the code of their methods is followed as data, statement by statement.

    code (text) ──> syntax ──> followed for inputs of known sizes: calls of ATen ──> `aten_graph` ──> Graph

Only a closed part of the language is followed: assignments, calls of the archive's own functions and of ATen, plain
values, branches on what is known while they are followed, loops that are unrolled. What depends on the number of
images stays a value of the graph; the rest of a shape is known. Nothing is run by torch but the lowering on shapes.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from latent.errors import CheckpointError, UnsupportedError
from latent.files import label
from latent.foreign.aten_graph import TRANSLATORS, Lowering, Program, Step, Value
from latent.foreign.graph import MOST_NODES, Graph, Input, Look
from latent.foreign.onnx_graph import as_usual
from latent.foreign.pickles import Record, Unread
from latent.foreign.torchscript_code import ROOT, Code, DamagedError, short
from latent.foreign.torchscript_plain import COLLECTIONS, NUMBERS, within

MOST_STATEMENTS = 150_000  # that are followed, for all inputs that are tried
MOST_OPERATIONS = 2 * MOST_NODES  # likewise
MOST_CALLS = 60  # of functions within each other
OTHER_BATCHES = (3, 1)  # numbers of images, beside the two of the lowering, at which sizes are looked at too
SPACES = ("torch", "ops", ROOT, "CONSTANTS")
DTYPES = {
    0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32,
    7: torch.float64, 11: torch.bool, 15: torch.bfloat16,
}  # fmt: skip
CODES = {dtype: code for code, dtype in DTYPES.items()}
TYPED_AT = {"to": (1, 2), "softmax": (2,), "log_softmax": (2,)}  # arguments by place that may be a type of numbers
LISTS = {"split", "chunk", "unbind", "tensor_split", "split_with_sizes", "broadcast_tensors", "unsafe_chunk"}
SINGLE = {"dropout", "feature_dropout", "alpha_dropout", "std", "var"}  # of which only the first result exists here
FIRST_OF_TWO = {"adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d_with_indices"}
OF_SIZES = {  # arithmetic of whole numbers that depend on how many images there are
    "add": "add", "sub": "sub", "mul": "mul", "floordiv": "floordiv", "remainder": "mod", "neg": "neg", "eq": "eq",
    "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
}  # fmt: skip


class Whole(Value):
    """A whole number that depends on how many images there are."""


@dataclass(frozen=True)
class Module:
    """A module of the archive, and the path that leads to it."""

    record: Record
    path: str


@dataclass(frozen=True)
class Named:
    """Something that code calls by a dotted name: a function, a class, a space of operations."""

    name: str


class OfThePlace:
    """Where and how numbers lie, which changes none."""


@dataclass
class Fields:
    """A named tuple: its values by name."""

    values: dict[str, Any]


class Unset:
    """What is declared and never used."""


@dataclass
class Probe:
    """All values of a lowering for another number of images, as far as they are asked for."""

    look: Look
    values: dict[str, Tensor]
    n_done: int = 0

    def value(self, name: str, lowering: Lowering) -> Tensor:
        for node in lowering.nodes[self.n_done :]:
            found = self.look.run(node, [self.of(each, lowering) if each else None for each in node.inputs])
            self.values.update(zip(node.outputs, found))
        self.n_done = len(lowering.nodes)
        return self.of(name, lowering)

    def of(self, name: str, lowering: Lowering) -> Tensor:
        if name not in self.values:
            self.values[name] = self.look.known(lowering.tensors[name])
        return self.values[name]


class ExhaustedError(UnsupportedError):
    """More to follow than any network has."""


@dataclass
class Budget:
    """What is left of the statements and operations that may be followed, for all inputs that are tried."""

    statements: int = MOST_STATEMENTS
    operations: int = MOST_OPERATIONS

    def spend(self, statements: int = 0, operations: int = 0) -> None:
        """Raise `ExhaustedError` where there is no more."""
        self.statements -= statements
        self.operations -= operations
        if self.statements < 0 or self.operations < 0:
            most = f"{MOST_STATEMENTS:,} statements or {MOST_OPERATIONS:,} operations"
            raise ExhaustedError(f"takes more than {most} to follow")


@dataclass
class Follower:
    """Follows a module's methods for inputs of these sizes, and lowers what they compute.

    ``decoded`` are the values that the outermost module gives to its own method ``decode``; ``takes`` how many features
    or channels its layers take, and its tables of vectors give, as they come.
    """

    code: Code
    constants: Mapping[str, Any]
    inputs: Mapping[str, Input]
    lowering: Lowering
    probes: list[Probe]
    budget: Budget
    depth: int = 0
    paths: list[str] = field(default_factory=list)
    titles: Counter[str] = field(default_factory=Counter)
    tensors: dict[int, str] = field(default_factory=dict)
    decoded: list[Value] = field(default_factory=list)
    takes: list[tuple[str, int]] = field(default_factory=list)
    was_training: bool = False

    @classmethod
    def of(cls, code: Code, constants: Mapping[str, Any], inputs: Mapping[str, Input], budget: Budget) -> Follower:
        lowering = Lowering.of(Program((), {}, inputs, ()))
        fixed = next((each.sizes[0] for each in inputs.values()), None)
        probes = []
        for n in () if fixed is not None else OTHER_BATCHES:
            probes.append(Probe(Look(n), dict(Graph((), {}, inputs, ()).looked_at(n))))
        return cls(code, constants, inputs, lowering, probes, budget)

    # ------------------------------------------------------------------------------------------------- functions

    def call_method(self, module: Module, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        function = self.code.method(module.record.class_name, name)
        if function is None:
            raise DamagedError(
                f"is damaged or forged: it holds no code of {label(short(module.record.class_name))}.{label(name)}"
            )
        if not module.path and self.depth and name == "decode" and arguments and type(arguments[0]) is Value:
            self.decoded.append(arguments[0])
        self.paths.append(module.path)
        try:
            return self.call(function, [module, *arguments], named)
        finally:
            self.paths.pop()

    def call(self, function: ast.FunctionDef, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """What a function gives for these arguments."""
        if self.depth >= MOST_CALLS:
            raise DamagedError(
                f"is damaged or forged: its function {label(function.name)} calls itself, or {MOST_CALLS} others "
                "within each other"
            )
        parameters = [each.arg for each in function.args.args]
        defaults = dict(zip(reversed(parameters), reversed(function.args.defaults)))
        given = dict(zip(parameters, arguments)) | dict(named)
        names: dict[str, Any] = {}
        for parameter in parameters:
            if parameter not in given and parameter not in defaults:
                raise DamagedError(f"is damaged or forged: {label(function.name)} is called without {label(parameter)}")
            names[parameter] = given[parameter] if parameter in given else self.value(defaults[parameter], names)
        self.depth += 1
        try:
            found = self.block(function.body, names)
        finally:
            self.depth -= 1
        return None if found is None else found[0]

    def block(self, statements: Sequence[ast.stmt], names: dict[str, Any]) -> tuple[Any] | None:
        """Follow statements one by one; what is returned, in a tuple of one, None where nothing is."""
        for statement in statements:
            self.budget.spend(statements=1)
            found = self.statement(statement, names)
            if found is not None:
                return found
        return None

    def statement(self, statement: ast.stmt, names: dict[str, Any]) -> tuple[Any] | None:
        match statement:
            case ast.Assign(targets=[target], value=value):
                self.assign(target, self.value(value, names), names)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.value(value, names), names)
            case ast.Expr(value=value):
                self.value(value, names)
            case ast.If(test=test, body=body, orelse=orelse):
                return self.block(body if self.truth(self.value(test, names)) else orelse, names)
            case ast.Return(value=value):
                return (None if value is None else self.value(value, names),)
            case ast.For(target=target, iter=ast.Call(func=ast.Name(id="range"), args=ends), body=body, orelse=[]):
                for place in self.plain(range, "range", [whole(self.value(end, names)) for end in ends]):
                    self.assign(target, place, names)
                    if (found := self.block(body, names)) is not None:
                        return found
            case ast.While(test=test, body=body, orelse=[]):
                while self.truth(self.value(test, names)):
                    if (found := self.block(body, names)) is not None:
                        return found
            case ast.With(items=[ast.withitem(context_expr=context)], body=body):
                if not is_about_gradients(self.value(context, names)):
                    raise self.unsupported("a with statement")
                return self.block(body, names)
            case ast.Pass():
                pass
            case _:
                raise self.unsupported(f"a statement of the kind {type(statement).__name__}")
        return None

    def assign(self, target: ast.expr, value: Any, names: dict[str, Any]) -> None:
        match target:
            case ast.Name(id=name):
                names[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                values = list(value.values.values()) if isinstance(value, Fields) else value
                if not isinstance(values, list | tuple) or len(values) != len(targets):
                    raise CheckpointError("is damaged or forged: its code takes apart what has other parts")
                for each, part in zip(targets, values):
                    self.assign(each, part, names)
            case ast.Attribute(value=owner, attr=name):
                made = self.value(owner, names)
                if not isinstance(made, Record):  # and not one that the code itself has made
                    raise self.unsupported(f"an assignment to {label(name)}, which changes the network as it runs")
                made.attributes[name] = value
            case ast.Subscript(value=owner, slice=place):
                changed, key = self.value(owner, names), self.value(place, names)
                if not isinstance(changed, dict | list) or not isinstance(key, str | int):
                    raise self.unsupported("an assignment to a part of something")
                try:
                    changed[key] = value  # type: ignore[index]
                except (IndexError, TypeError) as error:
                    raise CheckpointError("is damaged or forged: its code changes a part that is not there") from error
                within(changed)
            case _:
                raise self.unsupported("an assignment to something that has no name")

    # ------------------------------------------------------------------------------------------------- expressions

    def value(self, expression: ast.expr, names: dict[str, Any]) -> Any:
        match expression:
            case ast.Constant(value=value) if value is None or isinstance(value, bool | int | float | str):
                return within(value)
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Name(id="inf" | "nan" as name):
                return float(name)
            case ast.Attribute(value=owner, attr=name):
                dotted = dotted_name(expression)
                if dotted is not None and dotted.partition(".")[0] not in names:
                    return self.named(dotted)
                return self.attribute(self.value(owner, names), name)
            case ast.Call():
                return self.called(expression, names)
            case ast.List(elts=parts):
                return within([self.value(part, names) for part in parts])
            case ast.Tuple(elts=parts):
                return within(tuple(self.value(part, names) for part in parts))
            case ast.Dict(keys=keys, values=values):
                found = [self.value(key, names) for key in keys if key is not None]
                return dict(zip(map(key_of, found), (self.value(value, names) for value in values), strict=True))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.computed("neg", [self.value(operand, names)], {})
            case ast.Subscript(value=owner, slice=place):
                return self.part(self.value(owner, names), self.value(place, names))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.truth(self.value(test, names)) else orelse, names)
        raise self.unsupported(f"an expression of the kind {type(expression).__name__}")

    def named(self, dotted: str) -> Any:
        """What a dotted name stands for that begins with a space of names."""
        space, _, rest = dotted.partition(".")
        if space == "CONSTANTS":
            if rest not in self.constants:
                raise DamagedError(f"is damaged: it holds no constant {label(rest)}")
            return self.known(self.constants[rest], dotted)
        return Named(dotted)

    def attribute(self, owner: Any, name: str) -> Any:
        match owner:
            case Module(record, path):
                if name == "training":
                    self.was_training |= record.attributes.get(name) is True
                    return False
                if name not in record.attributes:
                    raise DamagedError(f"is damaged: it holds no {label(f'{path}.{name}'.lstrip('.'))}")
                return self.known(record.attributes[name], f"{path}.{name}".lstrip("."))
            case Record(attributes=attributes) if name in attributes:
                return attributes[name]
            case Fields(values) if name in values:
                return values[name]
        raise self.unsupported(f"the attribute {label(name)} of something other than a module")

    def known(self, value: Any, name: str) -> Any:
        """What the archive holds, as the code sees it: tensors by their names."""
        match value:
            case Tensor():
                return Value(self.tensor(value, name))
            case Record() if value.class_name in self.code.classes or value.attributes:
                return Module(value, name)
            case Unread():
                raise UnsupportedError(f"holds {value.class_name} ({label(name)}), which is not supported")
            case list() | tuple():
                return type(value)(self.known(part, f"{name}.{place}") for place, part in enumerate(value))
            case dict():
                return {key_of(key): self.known(part, f"{name}.{key}") for key, part in value.items()}
            case None | bool() | int() | float() | str():
                return within(value)
        raise self.unsupported(f"{label(name)}, which is neither a tensor nor a plain value,")

    def tensor(self, tensor: Tensor, name: str) -> str:
        """A tensor of the archive as one of the graph; its name there."""
        if id(tensor) not in self.tensors:
            while name in self.lowering.tensors or name in self.inputs:
                name = f"{name}'"
            self.tensors[id(tensor)] = name
            self.lowering.tensors[name] = as_usual(tensor)
            self.lowering.values[name] = self.lowering.look.known(self.lowering.tensors[name])
        return self.tensors[id(tensor)]

    def part(self, owner: Any, place: Any) -> Any:
        values = list(owner.values.values()) if isinstance(owner, Fields) else owner
        if not isinstance(values, list | tuple | dict | str) or not isinstance(place, str | int):
            raise self.unsupported("a part of something other than a list, a tuple or a table")
        try:
            return values[place]  # type: ignore[index]
        except (IndexError, KeyError, TypeError) as error:
            raise CheckpointError("is damaged or forged: its code takes a part that is not there") from error

    def truth(self, value: Any) -> bool:
        """A condition. Raises `CheckpointError` where it depends on an image, or on how many there are."""
        if isinstance(value, Value):
            value = self.number(value, "which branch it takes")
        if isinstance(value, bool | int | float):
            return bool(value)
        raise self.unsupported("a condition that is neither true nor false")

    def number(self, value: Value, decides: str) -> int | float | bool:
        """A single number of the graph where it is the same for any image. Raises `CheckpointError` elsewhere."""
        found = self.for_any_batch(value.name)
        if found is None:
            raise UnsupportedError(f"decides by its image {decides} ({self.title}), which is not supported")
        if len(set(found)) > 1:
            raise UnsupportedError(f"decides by the number of images {decides} ({self.title}), which is not supported")
        return found[0]

    def for_any_batch(self, name: str) -> list[Any] | None:
        """A single number at several numbers of images, None where it depends on what the images show."""
        name = self.lowering.name_of(Value(name))
        seen = [self.lowering.values[name], *(probe.value(name, self.lowering) for probe in self.probes)]
        if any(each.is_meta or each.numel() != 1 for each in seen):
            return None
        return [each.flatten()[0].item() for each in seen]

    # ------------------------------------------------------------------------------------------------- calls

    def called(self, call: ast.Call, names: dict[str, Any]) -> Any:
        function = call.func
        if isinstance(function, ast.Name) and function.id not in names:
            return self.builtin(function.id, call, names)
        arguments = [self.value(each, names) for each in call.args]
        named = {each.arg or "": self.value(each.value, names) for each in call.keywords}
        if isinstance(function, ast.Attribute):
            dotted = dotted_name(function)
            if dotted is None or dotted.partition(".")[0] in names:
                owner = self.value(function.value, names)
                if isinstance(owner, Module):
                    return self.call_method(owner, function.attr, arguments, named)
                if isinstance(owner, Record):  # an object that the code has made
                    method = self.code.method(owner.class_name, function.attr)
                    return None if method is None else self.call(method, [owner, *arguments], named)
        found = self.value(function, names)
        if not isinstance(found, Named):
            raise self.unsupported("a call of something that is no function")
        if found.name.startswith(f"{ROOT}."):
            return self.own(found.name, arguments, named)
        return self.computed(found.name, arguments, named)

    def builtin(self, name: str, call: ast.Call, names: dict[str, Any]) -> Any:
        """A function of the language itself."""
        match name, call.args:
            case "annotate" | "unchecked_cast", [_, value]:
                return self.value(value, names)
            case "uninitialized", _:
                return Unset()
            case "getattr", [owner, ast.Constant(value=str() as attribute)]:
                return self.attribute(self.value(owner, names), attribute)
            case "int" | "float" | "bool", [argument]:
                value = self.value(argument, names)
                if isinstance(value, Value):
                    return self.as_number(value, name)
                return self.computed({"int": "Int", "float": "Float", "bool": "Bool"}[name], [value], {})
            case "print", _:
                return None
        raise self.unsupported(f"{label(name)}()")

    def as_number(self, value: Value, kind: str) -> Any:
        """A tensor of one number as that number; one that depends on how many images there are stays in the graph."""
        found = self.for_any_batch(value.name)
        if found is None:
            raise UnsupportedError(f"takes a number from its image ({self.title}), which is not supported")
        if len(set(found)) == 1:
            return self.plain({"int": int, "float": float, "bool": bool}[kind], kind, found[:1])
        if kind != "int" or not all(isinstance(each, int) for each in found):
            raise self.unsupported(f"{kind}() of the number of images")
        return Whole(value.name)

    def own(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """A function of the archive, or what a class of it makes."""
        function = self.code.function(name)
        if function is not None:
            return self.call(function, arguments, named)
        if name.endswith(".__new__"):
            return Record(name.removesuffix(".__new__"))
        if name in self.code.fields:
            return Fields(dict(zip(self.code.fields[name], arguments)) | dict(named))
        raise DamagedError(f"is damaged or forged: it holds no code of {label(short(name))}")

    def computed(self, name: str, arguments: list[Any], named: Mapping[str, Any]) -> Any:
        """What an operation gives, "torch.add" or "ops.prim.dtype": a plain value, or what the graph gives."""
        name = name.removeprefix("torch.").removeprefix("ops.aten.")
        if name.startswith("ops.prim."):
            return self.primitive(name.removeprefix("ops.prim."), arguments)
        if name == "device":
            return OfThePlace()
        first = arguments[0] if arguments else None
        values = [*arguments, *named.values()]
        if any(isinstance(each, Unset) for each in values):
            raise DamagedError("is damaged or forged: its code uses what it has never set")
        if isinstance(first, list | tuple | dict | str) and name in COLLECTIONS and not named:
            if name in ("eq", "ne") and isinstance(first, list | tuple):
                return self.alike(arguments) == (name == "eq")
            if name in LOOKS_INSIDE and not all(isinstance(each, PLAIN) for each in first):
                raise self.unsupported(f"{label(name)} of a list of other than plain values")
            return self.plain(COLLECTIONS[name], name, arguments)
        if all(isinstance(each, PLAIN) for each in values):
            if name in ABOUT_RUNNING:
                return ABOUT_RUNNING[name]
            if name in ("__is__", "__isnot__"):
                return (first is arguments[1]) == (name == "__is__")
            if name in NUMBERS and not named:
                return self.plain(NUMBERS[name], name, arguments)
        if name in ("__is__", "__isnot__"):  # of which one is None, and the other is not
            return (arguments[0] is arguments[1]) == (name == "__is__")
        if name == "warn":
            return None
        if isinstance(first, Value) and not isinstance(first, Whole) and name in ABOUT_TENSORS:
            return ABOUT_TENSORS[name](self, *arguments, **named)
        if name in OF_SIZES and all(isinstance(each, Whole | int) for each in values):
            return self.of_sizes(OF_SIZES[name], arguments)
        return self.tensors_of(name, arguments, named)

    def plain(self, function: Callable[..., Any], name: str, arguments: Sequence[Any]) -> Any:
        try:
            return within(function(*arguments))
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise CheckpointError(
                f"is damaged or forged: its code calls {label(name)} with what does not fit"
            ) from error

    def alike(self, pair: Sequence[Any]) -> bool:
        """Whether two lists of sizes are the same for any number of images."""
        if len(pair) != 2 or not all(isinstance(each, list | tuple) for each in pair):
            raise self.unsupported("a comparison of a list with something else")
        first, second = pair
        if not all(isinstance(each, PLAIN | Value) for each in (*first, *second)):
            raise self.unsupported("a comparison of lists of lists")
        return len(first) == len(second) and all(
            self.truth(self.computed("eq", [a, b], {})) for a, b in zip(first, second)
        )

    def of_sizes(self, operation: str, arguments: list[Any]) -> Any:
        name = self.add(f"_operator.{operation}", arguments, {})
        found = self.for_any_batch(name)
        assert found is not None
        return found[0] if len(set(found)) == 1 else Whole(name)

    def primitive(self, name: str, arguments: list[Any]) -> Any:
        first = arguments[0] if arguments else None
        match name:
            case "RaiseException":
                why = label(first, 200) if isinstance(first, str) else "by its own exception"
                raise CheckpointError(f"refuses what it is given: {why}")
            case "NumToTensor" | "data" | "unchecked_cast":
                return first
            case "dtype" if isinstance(first, Value):
                return CODES[self.lowering.dtype(first)]
            case "device" | "layout":
                return OfThePlace()
            case "type":
                return "cpu"
            case "requires_grad":
                return True  # as the ways that are the same but for their speed ask, which are not followed
            case "min" | "max" | "abs":
                values = arguments if len(arguments) > 1 or not isinstance(first, list) else first
                return self.extreme(name, values)
        if name.startswith("is_"):
            return False
        raise self.unsupported(f"ops.prim.{label(name)}")

    def extreme(self, name: str, values: Sequence[Any]) -> Any:
        """The least or the largest of some numbers, or the size of one."""
        if not any(isinstance(each, Whole) for each in values):
            if name == "abs":
                return self.plain(abs, name, values)
            return self.plain(lambda *each: (min if name == "min" else max)(each), name, values)
        found = values[0]
        for each in values[1:]:
            is_less = self.truth(self.computed("lt", [each, found], {}))
            found = each if is_less == (name == "min") else found
        return found

    # ------------------------------------------------------------------------------------------------- the graph

    def tensors_of(self, name: str, arguments: list[Any], named: Mapping[str, Any]) -> Any:
        """What an operation of ATen gives: a value, or several in a tuple or a list."""
        for each in (*arguments, *named.values()):
            parts = each if isinstance(each, list | tuple) and name != "tensor" else [each]
            if not all(isinstance(part, PLAIN | Value | OfThePlace) for part in parts):
                raise self.unsupported(f"torch.{label(name)} of something other than tensors and numbers")
        base = name.removesuffix("_") if name.endswith("_") and f"aten.{name}" not in TRANSLATORS else name
        if base != name and isinstance(arguments[0] if arguments else None, Value):
            self.check_change(arguments[0])
        typed = [
            self.dtype(each) if place in TYPED_AT.get(base, ()) and type(each) is int else each
            for place, each in enumerate(arguments)
        ]
        given = {key: self.dtype(each) if key == "dtype" and each is not None else each for key, each in named.items()}
        if base in LAYERS and len(arguments) > LAYERS[base][1]:
            self.note_layer(base, typed)
        found = self.take(name.removeprefix("ops.") if "." in name else f"aten.{name}", typed, given)
        if found is None:
            return None
        if base in FIRST_OF_TWO:
            return Value(found if isinstance(found, str) else found[0]), Unset()
        if isinstance(found, str):
            return Value(found)
        if base in SINGLE:
            return Value(found[0])
        return [*map(Value, found)] if base in LISTS else tuple(map(Value, found))

    def check_change(self, value: Value) -> None:
        """Raise `CheckpointError` where a tensor of the file itself is changed in place."""
        family = Lowering.root(value.name, self.lowering.memory)
        if family in self.lowering.tensors:
            raise UnsupportedError(
                f"changes {label(family)} as it runs ({self.title}), so that it computes something else each time"
            )

    def note_layer(self, name: str, arguments: Sequence[Any]) -> None:
        """Remember what a layer takes, for those who look for sizes that fit."""
        kind, place, axis = LAYERS[name]
        weights = arguments[place]
        if not isinstance(weights, Value) or weights.name not in self.lowering.tensors:
            return
        shape, groups = self.lowering.shape(weights), 1
        if name == "_convolution" and len(arguments) > 8:
            axis, groups = (0, 1) if arguments[6] is True else (1, arguments[8])
        elif name in ("conv1d", "conv2d") and len(arguments) > 6:
            groups = arguments[6]
        if len(shape) > axis and type(groups) is int:
            self.takes.append((kind, shape[axis] * groups))

    def dtype(self, code: Any) -> torch.dtype:
        if isinstance(code, torch.dtype):
            return code
        if code not in DTYPES:
            raise self.unsupported("numbers of another type than real and whole ones")
        return DTYPES[code]

    def add(self, target: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> str:
        found = self.take(target, arguments, named)
        assert isinstance(found, str)
        return found

    def take(self, target: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        operation = target.partition(".")[2]
        title = f"{self.path}/{operation}" if self.path else operation

        def names(n: int) -> list[str]:
            found = []
            for _ in range(n):
                name = ""
                while not name or name in self.lowering.values or name in self.lowering.now:
                    self.titles[title] += 1
                    name = title if self.titles[title] == 1 else f"{title}#{self.titles[title]}"
                found.append(name)
            return found

        before = len(self.lowering.nodes)
        taken = self.lowering.take(Step(target, title, tuple(arguments), dict(named), ()), names)
        self.budget.spend(operations=len(self.lowering.nodes) - before)
        return taken

    @property
    def path(self) -> str:
        """The innermost module that is followed, empty for the whole."""
        return self.paths[-1] if self.paths else ""

    @property
    def title(self) -> str:
        return f"node {label(self.lowering.step.name)}"

    def unsupported(self, what: str) -> UnsupportedError:
        where = next((each for each in reversed(self.paths) if each), "")
        return UnsupportedError(
            f"uses {what} in its code{f' of {label(where)}' if where else ''}, which is not followed"
        )

    # ------------------------------------------------------------------------------------------------- of tensors

    def size(self, x: Value, dim: Any = None) -> Any:
        """Its sizes or one of them; those that depend on the number of images as values."""
        rank = len(self.lowering.shape(x))
        if dim is None:
            return [self.size(x, axis) for axis in range(rank)]
        axis = self.lowering.axis(x, whole(dim))
        name = self.lowering.name_of(x)
        seen = {self.lowering.values[name].shape[axis]}
        seen.update(probe.value(name, self.lowering).shape[axis] for probe in self.probes)
        return seen.pop() if len(seen) == 1 else Whole(self.add("aten.sym_size.int", [x, axis], {}))

    def numel(self, x: Value) -> Any:
        product: Any = 1
        for size in self.size(x):
            product = self.computed("mul", [product, size], {})
        return product


PLAIN = None | bool | int | float | str
LOOKS_INSIDE = ("any", "all", "__contains__")
LAYERS = {  # what the axis of which argument says
    "linear": ("features", 1, 1), "matmul": ("features", 1, 0), "addmm": ("features", 2, 0), "mm": ("features", 1, 0),
    "conv1d": ("channels", 1, 1), "conv2d": ("channels", 1, 1), "_convolution": ("channels", 1, 1),
    "conv_transpose1d": ("channels", 1, 0), "conv_transpose2d": ("channels", 1, 0), "embedding": ("vectors", 0, 1),
}  # fmt: skip
ABOUT_RUNNING = {
    "is_grad_enabled": True,  # the ways without gradients are the same but for their speed, and are not followed
    "is_autocast_enabled": False, "is_autocast_cpu_enabled": False, "is_scripting": True,
}  # fmt: skip
ABOUT_TENSORS: dict[str, Callable[..., Any]] = {
    "size": Follower.size, "len": lambda follower, x: follower.size(x, 0), "numel": Follower.numel,
    "dim": lambda follower, x: len(follower.lowering.shape(x)),
    "is_floating_point": lambda follower, x: follower.lowering.dtype(x).is_floating_point,
    "is_complex": lambda follower, x: False,
    "item": lambda follower, x: follower.as_number(x, "float"),
}  # fmt: skip


def is_about_gradients(value: Any) -> bool:
    return isinstance(value, Record) and value.class_name.startswith(f"{ROOT}.torch.autograd.grad_mode.")


def dotted_name(expression: ast.expr) -> str | None:
    """ "torch.nn.functional" for such an expression, None for others; only of a space of names."""
    parts = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    if isinstance(expression, ast.Name) and expression.id in SPACES:
        return ".".join((expression.id, *reversed(parts)))
    return None


def whole(value: Any) -> int:
    if type(value) is not int:
        raise UnsupportedError(
            "counts or picks by what is not known while its code is followed, which is not supported"
        )
    return value


def key_of(key: Any) -> str | int:
    if not isinstance(key, str | int):
        raise DamagedError("is damaged or forged: a table of its code has keys of another kind than text and numbers")
    return key
