"""Programs that `torch.export` has saved (``.pt2``): JSON that names ATen operations, and the bytes of their tensors.

archive ──> `read` (JSON, tensors) ──> `graph_of`: steps, which `aten_graph` makes a graph of
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label
from latent.foreign import aten_graph
from latent.foreign.aten_graph import Program, Step, Value
from latent.foreign.graph import MOST_AXES, MOST_NODES, Graph, Input
from latent.foreign.pickles import numbers_of
from latent.foreign.readers import LARGEST_TEXT, Archive, read_torch

DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32,
    8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
DEEPEST = 10  # parts of programs in programs
MOST_EXPANDED = 2**16  # numbers that a constant may show which holds fewer
INLINED = "higher_order.wrap_with_set_grad_enabled", "higher_order.wrap_with_autocast"  # and how many arguments lead
LEADING = {INLINED[0]: 1, INLINED[1]: 4}


def models_in(archive: Archive) -> list[str]:
    """The programs of an archive, by the names of their JSON."""
    return [name for name in archive.entries if re.fullmatch(r"[^/]+/models/[^/]+\.json", name)]


def read(archive: Archive) -> dict[str, Any]:
    """The program of an archive as plain data: its ``nodes``, and what else its JSON says, and its ``tensors`` by what
    they are called there. Raises `CheckpointError`, a sentence without its subject."""
    name, *others = models_in(archive)
    if others:
        raise CheckpointError(f"holds {len(others) + 1} programs of torch.export, where one is expected")
    folder, model = name.split("/")[0], name.split("/")[-1].removesuffix(".json")
    if f"{folder}/byteorder" in archive.entries and bytes(archive.read(f"{folder}/byteorder")) != b"little":
        raise CheckpointError("is big-endian: save it again on a little-endian machine")
    tree = json_of(archive, name)
    try:
        module = tree["graph_module"]
        found = {"nodes": module["graph"]["nodes"], "graph": module["graph"], "signature": module["signature"]}
        tensors: dict[str, Tensor] = {}
        for part in ("weights", "constants"):
            listed = f"{folder}/data/{part}/{model}_{part}_config.json"
            entries = json_of(archive, listed)["config"] if listed in archive.entries else {}
            for title, entry in entries.items():
                tensors[title] = tensor_of(archive, f"{folder}/data/{part}/", title, entry)
    except (KeyError, TypeError, AttributeError) as error:
        raise incomplete() from error
    return found | {"tensors": tensors}


def incomplete() -> CheckpointError:
    return CheckpointError("is damaged: its program is incomplete")


def json_of(archive: Archive, name: str) -> Any:
    entry = archive.entries.get(name)
    if entry is not None and entry.file_size > LARGEST_TEXT:
        raise CheckpointError(f"holds more than {LARGEST_TEXT // 1024**2} MB of JSON")
    try:
        return json.loads(bytes(archive.read(name)).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"is damaged: {label(name)} is not readable as JSON") from error


def tensor_of(archive: Archive, folder: str, title: str, entry: Mapping[str, Any]) -> Tensor:
    """One of the tensors, from its bytes."""
    content, meta = archive.read(folder + str(entry["path_name"])), entry["tensor_meta"]
    if entry.get("use_pickle"):
        tensor = read_torch(Archive(bytes(content)))
        if not isinstance(tensor, Tensor):
            raise CheckpointError(f"holds {label(title)}, which is not a tensor")
        return tensor
    dtype = DTYPES.get(meta["dtype"])
    if dtype is None:
        raise CheckpointError(f"holds the tensor {label(title)} of a type that is not read; save the model in float32")
    sizes, strides = ([one["as_int"] for one in meta[part]] for part in ("sizes", "strides"))
    start = meta["storage_offset"]["as_int"]
    known = [*sizes, *strides, start]
    if any(type(each) is not int or not 0 <= each < 2**48 for each in known) or len(sizes) != len(strides):
        raise CheckpointError(f"is damaged or forged: the shape of {label(title)} is impossible")
    last = start + sum((size - 1) * stride for size, stride in zip(sizes, strides)) if 0 not in sizes else start - 1
    n = len(content) // dtype.itemsize
    # a tensor that was expanded (stride 0) shows the same number at many places, others show each at one
    different = math.prod(size for size, stride in zip(sizes, strides) if stride)
    whole = math.prod(sizes) <= max(n, MOST_EXPANDED) and len(content) % dtype.itemsize == 0
    if len(sizes) > MOST_AXES or last >= n or different > n or not whole:
        raise CheckpointError(f"is damaged or forged: the shape of {label(title)} does not fit its bytes")
    flat = numbers_of(bytearray(content), dtype, n)
    return flat.as_strided(sizes, strides, start)


# ------------------------------------------------------------------------------------------------------------- steps


def graph_of(tree: Mapping[str, Any]) -> Graph:
    """The graph of what `read` gave. Raises `CheckpointError`, a sentence without its subject."""
    try:
        return aten_graph.graph_of(program_of(tree))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise incomplete() from error


def program_of(tree: Mapping[str, Any]) -> Program:
    graph, remarks = tree["graph"], list[str]()
    inputs: dict[str, Input] = {}
    tensors: dict[str, Tensor] = {}
    for spec in tree["signature"]["input_specs"]:
        ((kind, found),) = spec.items()
        argument = found["arg"]
        if kind == "user_input":
            if "as_tensor" not in argument:
                raise CheckpointError("takes an input that is not a tensor, which is not supported")
            name = str(argument["as_tensor"]["name"])
            inputs[name] = input_of(name, graph["tensor_values"][name], remarks)
        elif kind in ("parameter", "buffer", "tensor_constant"):
            title = str(found[f"{kind}_name"])
            if title not in tree["tensors"]:
                raise CheckpointError(f"is damaged: it holds no tensor {label(title)}")
            tensors[str(argument["name"])] = tree["tensors"][title]
        else:
            raise CheckpointError(f"takes an input of the kind {label(kind)}, which is not supported")
    outputs = [
        str(spec["user_output"]["arg"]["as_tensor"]["name"])
        for spec in tree["signature"]["output_specs"]
        if "as_tensor" in spec.get("user_output", {}).get("arg", {})
    ]
    steps: list[Step] = []
    add_steps(steps, graph["nodes"], "", {}, 0)
    return Program(steps, tensors, inputs, tuple(dict.fromkeys(outputs)), tuple(remarks))


def input_of(name: str, meta: Mapping[str, Any], remarks: list[str]) -> Input:
    """What goes in: the batch of any size where that is open; other open sizes as in the example it was traced with."""
    sizes: list[int | None] = []
    for place, size in enumerate(meta["sizes"]):
        if "as_int" in size:
            sizes.append(int(size["as_int"]))
        elif place == 0:
            sizes.append(None)
        else:
            hint = size["as_expr"].get("hint")
            if not hint:
                raise CheckpointError(f"leaves open how large its input {label(name)} is")
            sizes.append(int(hint["as_int"]))
            remarks.append("The file takes images of any size; here they have that of the example it was made with.")
    dtype = DTYPES.get(meta["dtype"])
    if dtype is None or dtype == torch.bool:
        raise CheckpointError(f"takes an input, {label(name)}, that is not of numbers")
    return Input(tuple(sizes), torch.float32 if dtype.is_floating_point else torch.int64)


def add_steps(
    steps: list[Step], nodes: Sequence[Mapping[str, Any]], prefix: str, names: Mapping[str, str], depth: int
) -> None:
    """Add these nodes; where they run a part of the program as it is, that part's nodes, under names of their own.

    ``names`` what the values of a part are called outside.
    """
    for node in nodes:
        target, outputs = str(node["target"]).removeprefix("torch.ops."), outputs_of(node["outputs"])
        outputs = [names.get(name, prefix + name) if name else "" for name in outputs]
        if len(steps) > MOST_NODES or depth > DEEPEST:
            raise CheckpointError(f"holds a network of more than {MOST_NODES:,} operations")
        if target in LEADING:
            lead = LEADING[target]
            part = node["inputs"][lead]["arg"]["as_graph"]["graph"]
            given = [argument_of(each["arg"], prefix, names) for each in node["inputs"][lead + 1 :]]
            inside = dict(zip(outputs_of(part["inputs"]), (each.name for each in given), strict=True))
            count = f"\0{len(steps)}."
            again: dict[str, str] = {}
            for inner, outer in zip(outputs_of(part["outputs"]), outputs, strict=True):
                if inner in inside:  # given on as it is
                    again[outer] = inside[inner]
                elif outer:
                    inside[inner] = outer
            add_steps(steps, part["nodes"], count, inside, depth + 1)
            steps += [
                Step("aten.alias.default", outer, (Value(inner),), {}, (outer,)) for outer, inner in again.items()
            ]
            continue
        by_place, by_name = [], {}
        for each in node["inputs"]:
            argument = argument_of(each["arg"], prefix, names)
            if each.get("kind") == 2 or (each.get("kind") is None and target.startswith("aten.")):
                by_name[str(each["name"])] = argument
            else:
                by_place.append(argument)
        steps.append(Step(target, title_of(node), tuple(by_place), by_name, tuple(outputs)))


def title_of(node: Mapping[str, Any]) -> str:
    """A node for people: the path of the module that it belongs to, and its own name."""
    name = str(node.get("name") or node["target"])
    stack = str((node.get("metadata") or {}).get("nn_module_stack", "")).split(";")[-1].split(",")
    return f"{stack[1]}/{name}" if len(stack) > 2 and stack[1] else name


def outputs_of(arguments: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of what is given; empty for what is None."""
    names: list[str] = []
    for argument in arguments:
        ((kind, value),) = argument.items()
        match kind:
            case "as_tensor":
                names.append(str(value["name"]))
            case "as_tensors":
                names += [str(each["name"]) for each in value]
            case "as_sym_int" | "as_sym_bool" | "as_sym_float":
                names.append(str(value["as_name"]))
            case "as_none":
                names.append("")
            case _:
                raise CheckpointError(f"has a node that gives something of the kind {label(kind)}, not a tensor")
    return names


def argument_of(argument: Mapping[str, Any], prefix: str, names: Mapping[str, str]) -> Any:
    """An argument of a node as `aten_graph` takes it."""

    def value(name: Any) -> Value:
        return Value(names.get(str(name), prefix + str(name)))

    def whole(found: Mapping[str, Any]) -> Any:
        return value(found["as_name"]) if "as_name" in found else next(iter(found.values()))

    ((kind, found),) = argument.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return value(found["name"])
        case "as_tensors":
            return [value(each["name"]) for each in found]
        case "as_optional_tensors":
            return [value(each["as_tensor"]["name"]) if "as_tensor" in each else None for each in found]
        case "as_optional_tensor":
            return value(found["as_tensor"]["name"]) if "as_tensor" in found else None
        case "as_int" | "as_bool" | "as_string" | "as_ints" | "as_bools" | "as_strings":
            return found
        case "as_float":
            return float(found)  # infinity and NaN are written as words
        case "as_floats":
            return [float(each) for each in found]
        case "as_sym_int" | "as_sym_bool" | "as_sym_float":
            return whole(found)
        case "as_sym_ints" | "as_sym_bools" | "as_sym_floats":
            return [whole(each) for each in found]
        case "as_scalar_type":
            if found not in DTYPES:
                raise CheckpointError("makes numbers of a type that is not supported")
            return DTYPES[found]
        case "as_memory_format" | "as_layout" | "as_device":
            return OfThePlace()
    raise CheckpointError(f"has a node that takes something of the kind {label(kind)}, which is not supported")


class OfThePlace:
    """Where and how numbers lie, which changes none."""
