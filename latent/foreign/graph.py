"""A network as data: nodes of a closed table of operations, tensors, and named inputs and outputs.

    frontend of a format ──> Graph ──> looked at without memory (`Graph.looked_at`) ──> run by torch (`Graph.run`)

Nothing in a graph is code: each node names an operation of `OPERATIONS`. Before anything is allocated, the whole graph
is run on shapes alone, and refused where a value or the work would be larger than any autoencoder's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label
from latent.foreign.node_operations import OPERATIONS

MOST_NODES = 20_000
MOST_AXES = 8
LARGEST_VALUE = 2**25  # numbers in one value, for one image
MOST_WORK = 4e10  # multiplications of weights for one image: seconds on a processor
LARGEST_KNOWN = 2**16  # numbers of a value that is computed while only shapes are looked at: sizes, axes and the like
MOST_KNOWN = 2**22  # numbers of all such values
TOO_MANY_MADE = f"asks for too much memory: it makes more than {MOST_KNOWN:,} numbers of its own"


class TooMuchError(CheckpointError):
    """A network that makes more numbers than any does."""


class MisfitError(CheckpointError):
    """Operations that cannot take the sizes that come to them."""


@dataclass(frozen=True)
class Node:
    """One step: an operation by name, what it takes ("" for what is left out) and gives, by the names of values, and
    its attributes, plain values; ``name`` as the file calls it."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Input:
    """What comes from outside: its sizes, None for an open one, the first being that of the batch."""

    sizes: tuple[int | None, ...]
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Graph:
    """A network: ``nodes`` in an order in which they can run, ``tensors`` that are known, ``inputs`` and ``outputs``.

    ``channels_last`` whether its author's framework flattens maps with the channels last; ``remarks`` what was done
    with it that changes what it computes, in sentences for people, such as noise replaced by its mean.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor] = field(repr=False)
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    channels_last: bool = False
    remarks: tuple[str, ...] = ()

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that gives each value."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def let_go(self) -> list[tuple[str, ...]]:
        """For each node the values that it takes and no later one does."""
        last = {name: place for place, node in enumerate(self.nodes) for name in node.inputs}
        return [
            tuple(name for name in set(node.inputs) if last[name] == place) for place, node in enumerate(self.nodes)
        ]

    def check(self) -> None:
        """Raise `CheckpointError` for what is no graph of known operations: one sentence without its subject."""
        if len(self.nodes) > MOST_NODES:
            raise CheckpointError(f"holds a network of more than {MOST_NODES:,} operations")
        known = {"", *self.tensors, *self.inputs}
        if len(known) < 1 + len(self.tensors) + len(self.inputs):
            raise CheckpointError("is damaged or forged: an input has the name of a tensor")
        for node in self.nodes:
            if node.op not in OPERATIONS:
                raise CheckpointError(unknown_operation(node.op, node.name))
            missing = next((name for name in node.inputs if name not in known), None)
            if missing is not None:
                raise CheckpointError(
                    f"is damaged or forged: the node {label(node.name)} takes {label(missing)}, which nothing before "
                    "it gives"
                )
            given = [name for name in node.outputs if name]
            if len(set(given)) < len(given) or not known.isdisjoint(given):
                raise CheckpointError(f"is damaged or forged: the node {label(node.name)} gives a name a second time")
            known.update(given)
        missing = next((name for name in self.outputs if name not in known), None)
        if missing is not None:
            raise CheckpointError(f"is damaged or forged: nothing gives its output {label(missing)}")
        for name, tensor in self.tensors.items():
            if tensor.is_floating_point() and torch.isnan(tensor).any():
                raise CheckpointError(f"holds the weight {label(name)} that is not finite; the training run diverged")

    def part(self, inputs: Mapping[str, Input], outputs: Sequence[str]) -> Graph:
        """The nodes that lead from these values to those, with the tensors that they need; of the graph's own inputs
        those that are still needed come along."""
        wanted, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if any(name in wanted and name not in inputs for name in node.outputs):
                nodes.append(node)
                wanted.update(name for name in node.inputs if name)
        tensors = {name: tensor for name, tensor in self.tensors.items() if name in wanted and name not in inputs}
        own = {name: each for name, each in self.inputs.items() if name in wanted and name not in inputs}
        return replace(
            self, nodes=tuple(reversed(nodes)), tensors=tensors, inputs={**inputs, **own}, outputs=tuple(outputs)
        )

    def reached_from(self, names: Iterable[str]) -> set[str]:
        """The values that depend on these, themselves among them."""
        found = set(names)
        for node in self.nodes:
            if not found.isdisjoint(node.inputs):
                found.update(name for name in node.outputs if name)
        return found

    def looked_at(self, n: int, sizes: Mapping[str, Sequence[int]] | None = None) -> dict[str, Tensor]:
        """Every value for ``n`` images, of shapes alone: tensors without memory, but for sizes and the like.

        ``sizes`` of inputs that leave some open. Raises `CheckpointError`, a sentence without its subject, where
        operations do not fit together, or values or work are larger than any that is run.
        """
        given: dict[str, Tensor] = {}
        for name, each in self.inputs.items():
            shape: tuple[int | None, ...] = tuple((sizes or {}).get(name, ())) or tuple(each.sizes[1:])
            if any(size is None or not 0 < size <= LARGEST_VALUE for size in shape) or len(shape) >= MOST_AXES:
                raise CheckpointError(f"leaves open how large its input {label(name)} is, or wants it too large")
            given[name] = torch.empty(n, *(size or 0 for size in shape), dtype=each.dtype, device="meta")
        look = Look(n)
        values = {name: look.known(tensor) for name, tensor in self.tensors.items()} | given
        for node in self.nodes:
            found = look.run(node, [values.get(name) for name in node.inputs])
            values.update(zip(node.outputs, found))
        return values

    def run(self, given: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> list[Tensor]:
        """The outputs for these inputs. The graph has been looked at before.

        Raises `CheckpointError` where an operation fails on numbers, as for a place outside of a table.
        """
        outputs = self.outputs if outputs is None else outputs
        kept = set(outputs)
        values: dict[str, Tensor] = {**self.tensors, **given}
        for node, done in zip(self.nodes, self.let_go):
            values.update(zip(node.outputs, run_on(node, [values.get(name) for name in node.inputs])))
            for name in done:
                if name not in kept:
                    values.pop(name, None)
        return [values[name] for name in outputs]

    def moved(self, move: Any) -> Graph:
        """The same with its tensors moved."""
        return replace(self, tensors={name: move(tensor) for name, tensor in self.tensors.items()})

    def to_dict(self) -> dict[str, Any]:
        """All but the tensors as plain values, from which `from_dict` makes the graph again."""
        return {
            "nodes": [[n.op, n.name, list(n.inputs), list(n.outputs), dict(n.attributes)] for n in self.nodes],
            "inputs": {
                n: [list(each.sizes), str(each.dtype).removeprefix("torch.")] for n, each in self.inputs.items()
            },
            "outputs": list(self.outputs),
            "channels_last": self.channels_last,
            "remarks": list(self.remarks),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Graph:
        """The graph that `to_dict` wrote. Raises `CheckpointError`, `KeyError`, `TypeError` or `ValueError`."""
        dtypes = {"float32": torch.float32, "int64": torch.int64}
        nodes = tuple(
            Node(str(op), str(name), tuple(map(str, inputs)), tuple(map(str, outputs)), dict(attributes))
            for op, name, inputs, outputs, attributes in values["nodes"]
        )
        inputs = {str(n): Input(tuple(sizes), dtypes[dtype]) for n, (sizes, dtype) in values["inputs"].items()}
        used = {name for node in nodes for name in node.inputs} | set(values["outputs"])
        graph = cls(
            nodes,
            {name: tensor for name, tensor in tensors.items() if name in used},
            inputs,
            tuple(values["outputs"]),
            bool(values["channels_last"]),
            tuple(map(str, values["remarks"])),
        )
        graph.check()
        return graph


def unknown_operation(op: str, name: str) -> str:
    """The sentence, without its subject, about an operation that is not in the table."""
    return f"needs the operation {label(op)} (node {label(name)}), which is not supported"


def results(node: Node, inputs: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """What the operation of a node gives."""
    found = OPERATIONS[node.op].torch(*inputs, **node.attributes)
    return tuple(found) if isinstance(found, tuple | list) else (found,)


def run_on(node: Node, inputs: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """What the operation of a node gives for these numbers. Raises `CheckpointError` where it fails on them."""
    try:
        return results(node, inputs)
    except torch.OutOfMemoryError:
        raise
    except (IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"The model cannot be run: its operation {node.op} (node {label(node.name)}) fails on these numbers."
        ) from error


@dataclass
class Look:
    """Runs nodes on shapes, and adds up the ``work``: multiplications with weights, for a batch of ``n``; and how many
    numbers are ``computed`` on the way."""

    n: int
    work: float = 0.0
    computed: int = 0

    def known(self, tensor: Tensor) -> Tensor:
        """A tensor of the file: small whole numbers as they are, since shapes may follow from them; else its shape."""
        small = tensor.numel() <= LARGEST_KNOWN
        return tensor if small and (not tensor.is_floating_point() or tensor.numel() <= 64) else tensor.to("meta")

    def run(self, node: Node, inputs: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        operation = OPERATIONS[node.op]
        numbers = operation.numbers
        for place in numbers:
            each = inputs[place] if place < len(inputs) else None
            if each is not None and each.is_meta:
                raise CheckpointError(
                    f"has sizes that depend on the image (operation {node.op}, node {label(node.name)}), which is not "
                    "supported"
                )
        shapes = [each if each is None or place in numbers else each.to("meta") for place, each in enumerate(inputs)]
        try:
            # what only says sizes has a result that is known, and small
            found = results(node, inputs) if node.op == "shape" else self.shapes_of(node, shapes)
            self.check(node, inputs, found)
            if all(each is None or not each.is_meta for each in inputs) and all(
                each.numel() <= LARGEST_KNOWN for each in found
            ):
                self.computed += sum(each.numel() for each in found)
                if self.computed > MOST_KNOWN:
                    raise CheckpointError(TOO_MANY_MADE)
                found = results(node, inputs)
        except CheckpointError:
            raise
        except Exception as error:  # torch has many kinds for sizes and attributes that do not fit
            described = ", ".join("nothing" if each is None else str(list(each.shape)) for each in inputs)
            raise MisfitError(
                f"does not fit together: the operation {node.op} (node {label(node.name)}) cannot take sizes "
                f"{described}"
            ) from error
        return found

    def shapes_of(self, node: Node, inputs: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        if OPERATIONS[node.op].is_activation and len(inputs) == 1 and inputs[0] is not None:
            (found,) = results(node, [torch.zeros(1, dtype=inputs[0].dtype)])  # far quicker than on shapes
            return (torch.empty(inputs[0].shape, dtype=found.dtype, device="meta"),)
        with torch.device("meta"):
            return results(node, inputs)

    def check(self, node: Node, inputs: Sequence[Tensor | None], found: Sequence[Tensor]) -> None:
        """Raise `CheckpointError` where this is too much."""
        operation = OPERATIONS[node.op]
        for each in found:
            if each.numel() > LARGEST_VALUE * self.n or each.ndim > MOST_AXES:
                raise CheckpointError(
                    f"asks for too much memory: the operation {node.op} (node {label(node.name)}) gives a value of "
                    f"sizes {' × '.join(map(str, each.shape))}"
                )
        if "pool" in node.op and "kernel" in node.attributes:
            self.add_work(found[0].numel() * math.prod(node.attributes["kernel"]))
        if operation.is_layer and len(inputs) > 1 and found[0].numel():
            weight = inputs[1]
            share = 1.0 if weight is None else weight.numel() / max(1, weight.shape[-1 if node.op == "matmul" else 0])
            if node.op.startswith("conv_transpose") and inputs[0] is not None and weight is not None:
                self.add_work(inputs[0].numel() * weight.numel() / weight.shape[0])
            else:
                self.add_work(found[0].numel() * max(1.0, share))

    def add_work(self, multiplications: float) -> None:
        """Raise `CheckpointError` where it adds up to more than an image is worth."""
        self.work += multiplications
        if self.work > MOST_WORK * self.n:
            raise CheckpointError(f"asks for more than {MOST_WORK / 1e9:.0f} billion multiplications per image")
