"""Graphs made fit to be run on any number of images, and without noise: each step leaves what is computed the same."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.foreign.graph import Graph, Input, MisfitError, Node

Values = dict[str, Tensor]
BATCHES = (1, 2, 3, 4, 8, 16, 32, 64)  # tried where a network was traced with a number of images that stands in it


def sizes_open(graph: Graph) -> bool:
    return any(size is None for each in graph.inputs.values() for size in each.sizes[1:])


def fixed_batch(graph: Graph) -> int | None:
    """How many images the graph takes at once, where it takes no other number."""
    found = {each.sizes[0] for each in graph.inputs.values() if each.sizes}
    return next((size for size in found if size is not None), None)


def with_its_batch(graph: Graph) -> Graph:
    """The graph with the number of images that it was written with, where its inputs say any number and its shapes hold
    one: a number that PyTorch met as a plain one while it traced the network."""
    if fixed_batch(graph) is not None:
        return graph
    try:
        graph.looked_at(2)
        graph.looked_at(3)
        return graph
    except MisfitError:
        pass
    for n in BATCHES:
        inputs = {name: replace(each, sizes=(n, *each.sizes[1:])) for name, each in graph.inputs.items()}
        try:
            tried = replace(graph, inputs=inputs)
            values = tried.looked_at(n)
        except CheckpointError:
            continue
        if any(values[name].shape[:1] == (n,) for name in graph.outputs):
            return tried
    return graph


def for_any_batch(graph: Graph) -> Graph:
    """The graph with its number of images left open, where it can be; else as it is.

    Where a graph was written for a fixed number, that stands in the shapes that it gives to values.
    """
    n = fixed_batch(graph)
    if n is None:
        return graph
    values = graph.looked_at(n)
    tensors, nodes = dict(graph.tensors), []
    for node in graph.nodes:
        target = values.get(node.inputs[1]) if node.op == "reshape" and len(node.inputs) > 1 else None
        if target is not None and not target.is_meta and target.numel():
            sizes = [int(size) for size in target.tolist()]
            before, after = values[node.inputs[0]], values[node.outputs[0]]
            follows = before.ndim > 0 and after.ndim > 0 and before.shape[0] == n == after.shape[0]
            if follows and sizes[0] == n and before.is_meta:
                name = f"\0batch {node.outputs[0]}"
                tensors[name] = torch.tensor([0, *sizes[1:]])
                attributes = {**node.attributes, "zero_copies": True}
                node = replace(node, inputs=(node.inputs[0], name), attributes=attributes)
        nodes.append(node)
    inputs = {name: Input((None, *each.sizes[1:]), each.dtype) for name, each in graph.inputs.items()}
    opened = replace(graph, nodes=tuple(nodes), tensors=tensors, inputs=inputs)
    try:
        if scales_with_batch(opened):
            return opened
    except CheckpointError:
        pass
    return graph


def scales_with_batch(graph: Graph) -> bool:
    """Whether every output has as many rows as there are images."""
    return all(graph.looked_at(n)[name].shape[:1] == (n,) for n in (2, 3) for name in graph.outputs)


def settled(graph: Graph) -> Graph:
    """The graph with the sizes that it computes written as constants, so that no part asks another how large it is."""
    n = fixed_batch(graph)
    first, second = (graph.looked_at(n), graph.looked_at(n)) if n else (graph.looked_at(2), graph.looked_at(3))
    known = {
        name: (first[name], second[name])
        for node in graph.nodes
        for name in node.outputs
        if name and not first[name].is_meta and not second[name].is_meta
    }
    same = {name for name, (a, b) in known.items() if a.shape == b.shape and torch.equal(a, b)}
    tensors, nodes = dict(graph.tensors), []
    for node in graph.nodes:
        if all(name in same or not name for name in node.outputs):
            tensors.update({name: first[name].contiguous() for name in node.outputs if name})
            continue
        if node.op == "reshape" and len(node.inputs) > 1 and node.inputs[1] in known and node.inputs[1] not in same:
            a, b = known[node.inputs[1]]
            x = first[node.inputs[0]]
            by_batch = (
                a.ndim == 1
                and a.numel() > 0
                and a.shape == b.shape
                and int(a[0]) == 2
                and int(b[0]) == 3
                and torch.equal(a[1:], b[1:])
            )
            if by_batch and x.ndim and x.shape[0] == 2 and 0 not in a.tolist():
                name = f"\0sizes {node.outputs[0]}"
                tensors[name] = torch.tensor([0, *a[1:].tolist()])
                attributes = {**node.attributes, "zero_copies": True}
                node = replace(node, inputs=(node.inputs[0], name), attributes=attributes)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def with_own_batch(graph: Graph, into: str) -> Graph:
    """The graph in which what asks a value before ``into`` how large it is asks ``into`` for the number of images."""
    if fixed_batch(graph) is not None:
        return graph
    first, second = graph.looked_at(2), graph.looked_at(3)
    inside = graph.reached_from([into])
    tensors, nodes = dict(graph.tensors), []
    for node in graph.nodes:
        asked = slice(node.attributes.get("start", 0), node.attributes.get("end"))
        if node.op == "shape" and node.inputs[0] not in inside:
            a, b = (values[node.inputs[0]].shape[asked] for values in (first, second))
            if a[:1] == (2,) and b[:1] == (3,) and a[1:] == b[1:]:
                (name,) = node.outputs
                batch, rest = f"\0images {name}", f"\0sizes {name}"
                tensors[rest] = torch.tensor(a[1:], dtype=torch.int64)
                nodes.append(Node("shape", node.name, (into,), (batch,), {"start": 0, "end": 1}))
                node = Node("concat", node.name, (batch, rest), (name,), {"axis": 0})
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def without_zeros(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The graph in which nothing is added that is zero because noise was replaced by its mean; and what multiplied such
    noise, by the names of the value that it was added to and of the sum."""
    n = fixed_batch(graph) or 2
    values = graph.looked_at(n)
    zero: set[str] = set()
    nodes: list[Node] = []
    scales: dict[str, str] = {}  # of values that are zero
    deviations: dict[str, str] = {}
    for node in graph.nodes:
        is_zero = [name in zero for name in node.inputs]
        is_noise = node.op in ("full", "full_like") and node.attributes.get("value") == 0
        if is_noise or (node.op == "mul" and any(is_zero)) or (node.op in KEEP_ZERO and is_zero[0]):
            zero.update(node.outputs)
            if node.op == "mul" and is_zero.count(True) == 1 and node.inputs[is_zero.index(True)] not in scales:
                scales[node.outputs[0]] = node.inputs[is_zero.index(False)]
            elif node.op in KEEP_ZERO and node.inputs[0] in scales:
                scales[node.outputs[0]] = scales[node.inputs[0]]
        elif node.op == "add" and len(node.inputs) == 2 and any(is_zero) and not all(is_zero):
            other, noise = node.inputs[is_zero.index(False)], node.inputs[is_zero.index(True)]
            if noise in scales:
                deviations |= dict.fromkeys((other, node.outputs[0]), scales[noise])
            if values[other].shape == values[node.outputs[0]].shape:
                node = replace(node, op="identity", inputs=(other,), attributes={})
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes)), deviations


KEEP_ZERO = ("neg", "reshape", "identity", "cast", "cast_like", "unsqueeze", "squeeze", "expand")
