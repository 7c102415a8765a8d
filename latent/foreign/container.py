"""Opens a stranger's file of weights: its bytes become plain data, and nothing in it is executed.

    file ──> gates (kind, size) ──> the reader of its format ──> tree of plain data ──> weights by name

What network the weights belong to is worked out elsewhere; here it is only found out what the file holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent import files
from latent.errors import CheckpointError, UnsupportedError
from latent.files import label
from latent.foreign import formats
from latent.foreign.graph import Graph
from latent.foreign.pickles import Record, Unread, check_tree

LARGEST_WEIGHTS = 1024**3  # bytes of all weights by name, where they may share memory

# Beside other weights, these are not the model: optimizers, averages, counters of a training run
NOT_THE_MODEL = re.compile(
    r"optim|sched|scaler|callback|loop|rng|hyper|hparams|config|(^|_)(ema|swa|args|loss|metrics|history|best)(_|$)",
    re.I,
)
OPTIMIZER_NAMES = {"exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg", "max_exp_avg_sq", "param_groups"}
WRAPPINGS = ("module.", "_orig_mod.", "model.")


@dataclass(frozen=True)
class Container:
    """What a file holds.

    ``format`` in words for people; ``content`` a tree of dict, list, tuple, set, str, bytes, int, float, bool, None,
    tensors and `Record`, without circles; ``name`` of the file, for sentences about it.
    """

    format: str
    content: Any
    name: str = "the file"

    def tensors(self) -> dict[str, Tensor]:
        """The model's weights by dotted name, in the order of the file.

        A prefix that wrappers put before every name ("module.") is left out. Raises `CheckpointError` where the file
        holds no weights.
        """
        found = _gather(self.content).tensors
        if not found:
            raise CheckpointError(f"{label(self.name)} {_why_no_weights(self.content)}.")
        return found

    def unread(self) -> dict[str, str]:
        """What stands among the weights and is not read, in words by dotted name: {"mask": "a sparse tensor"}."""
        return _gather(self.content).unread

    def left_aside(self) -> tuple[str, ...]:
        """The parts of the file that hold tensors and are not the model: optimizers, copies, averages."""
        return tuple(dict.fromkeys(_gather(self.content).aside))

    @property
    def graph(self) -> Graph | None:
        """The network that the file describes, None where it holds weights alone or is read by its weights.

        Raises `CheckpointError` where what it describes cannot be run.
        """
        return self.described[0]

    @property
    def not_followed(self) -> str:
        """Why the file is read by its weights though it describes its network, as a sentence; empty for others."""
        return self.described[1]

    @cached_property
    def described(self) -> tuple[Graph | None, str]:
        """The graph, and why there is none where the file has weights that can be read instead."""
        format = formats.FORMATS[self.format]
        try:
            return format.graph(self.content), ""
        except UnsupportedError as error:
            if not format.has_named_weights:
                raise CheckpointError(f"{label(self.name)} {error}.") from error
            return None, f"The operations that the file describes are not run: it {error}."
        except CheckpointError as error:
            raise CheckpointError(f"{label(self.name)} {error}.") from error
        except (RecursionError, MemoryError) as error:
            raise CheckpointError(
                f"{label(self.name)} needs more memory than a model file of its size should."
            ) from error

    def modules(self) -> dict[str, Record]:
        """The modules by path, the outermost being "", in order; empty for files that hold only weights.

        Their attributes are evidence of what the weights' names leave out: strides, activations, modes. Of a Keras file
        that lists its layers, these, with no attributes.
        """
        return _gather(self.content).modules or formats.FORMATS[self.format].modules(self.content)


def open_container(path: str | Path, within: Path | None = None) -> Container:
    """What a file holds; with ``within``, the file must lie in that folder, also where it is a link.

    Nothing from the file is executed. Raises `CheckpointError`, one sentence that names the file, what was expected
    and what was found.
    """
    path = Path(path)
    return parse(files.read(path, within), path.name)


def parse(content: bytes, name: str) -> Container:
    """What the bytes of a file hold; ``name`` of the file, for sentences about it.

    Nothing from the file is executed. Raises `CheckpointError` as `open_container` does.
    """
    files.check_size(len(content), label(name))
    if not content:
        raise CheckpointError(f"{label(name)} is empty.")
    try:
        format, tree = formats.read(content)
        check_tree(tree)
        container = Container(format, tree, name)
        weights = _gather(tree).tensors
        if not weights and not _has_nodes(tree):
            raise CheckpointError(_why_no_weights(tree))
        _check_weights(weights)
    except CheckpointError as error:
        raise CheckpointError(f"{label(name)} {error}.") from error
    except (RecursionError, MemoryError) as error:
        raise CheckpointError(f"{label(name)} needs more memory than a model file of its size should.") from error
    return container


def _has_nodes(tree: Any) -> bool:
    """Whether a tree describes operations, which may hold weights of their own."""
    return isinstance(tree, dict) and bool(tree.get("nodes"))


def _check_weights(weights: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for weights that are too many, or impossible."""
    if sum(tensor.numel() * tensor.itemsize for tensor in weights.values()) > LARGEST_WEIGHTS:
        raise CheckpointError(f"holds more than {LARGEST_WEIGHTS // 1024**3} GB of weights")
    for name, tensor in weights.items():
        if tensor.dtype == torch.bool and (tensor.view(torch.uint8) > 1).any():
            raise CheckpointError(f"is damaged: the booleans of {label(name)} have other values")


@dataclass(frozen=True)
class _Weights:
    """The weights in some part of a tree, where it is made of modules these, what is ``unread`` among the weights, and
    the parts that were left ``aside``."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, Record] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()

    def size(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values() if tensor.is_floating_point())

    def shapes(self) -> dict[str, torch.Size]:
        return {name: tensor.shape for name, tensor in self.tensors.items()}


def _gather(value: Any) -> _Weights:
    """The weights in a part of a tree: those of a module, or of a dictionary or list and what it wraps."""
    if isinstance(value, Record):
        if _is_module(value):
            return _flatten(value)
        value = value.attributes
    if isinstance(value, list | tuple):
        value = {str(place): part for place, part in enumerate(value) if not isinstance(part, Tensor)}
    if not isinstance(value, dict) or _is_optimizer(value):
        return _Weights()
    named = {key: part for key, part in value.items() if isinstance(key, str)}
    own = _Weights(
        {key: part for key, part in named.items() if isinstance(part, Tensor)},
        unread={key: part.class_name for key, part in named.items() if isinstance(part, Unread)},
    )
    parts = {key: _gather(part) for key, part in named.items()}
    optimizers = tuple(key for key, part in named.items() if isinstance(part, dict) and _is_optimizer(part))
    parts = {key: part for key, part in parts.items() if any(t.ndim for t in part.tensors.values())}
    # averages and the like count only where there is nothing else
    models = {key: part for key, part in parts.items() if not NOT_THE_MODEL.search(key)} or parts
    aside = optimizers + tuple(key for key in parts if key not in models)
    if not models:
        return _unwrapped(replace(own, aside=aside))
    merged = _merge(models)
    scalars = all(tensor.ndim == 0 for tensor in own.tensors.values())  # losses and steps beside the weights
    if scalars or merged.size() >= own.size():
        besides = tuple(key for key, tensor in own.tensors.items() if tensor.ndim)
        return replace(merged, aside=merged.aside + aside + besides)
    return _unwrapped(replace(own, aside=(*aside, *models)))


def _merge(parts: dict[str, _Weights]) -> _Weights:
    """The weights of several parts under their names, such as encoder and decoder; of copies of one, the first."""
    kept: dict[str, _Weights] = {}
    for key, part in parts.items():
        if not any(_is_copy(key, part, other, kept[other]) for other in kept):
            kept[key] = part
    copies = tuple(key for key in parts if key not in kept)
    if len(kept) == 1:
        only = next(iter(kept.values()))
        return replace(only, aside=only.aside + copies)
    return _Weights(
        {f"{key}.{name}": tensor for key, part in kept.items() for name, tensor in part.tensors.items()},
        {f"{key}.{path}".rstrip("."): record for key, part in kept.items() for path, record in part.modules.items()},
        {f"{key}.{name}": words for key, part in kept.items() for name, words in part.unread.items()},
        tuple(f"{key}.{name}" for key, part in kept.items() for name in part.aside) + copies,
    )


def _is_copy(key: str, part: _Weights, other_key: str, other: _Weights) -> bool:
    """Whether two parts are the same network twice, and not layer1 and layer2."""
    numbered = re.sub(r"\d+", "", key) == re.sub(r"\d+", "", other_key)
    return not numbered and part.shapes() == other.shapes()


def _unwrapped(weights: _Weights) -> _Weights:
    """The weights without the prefixes that wrappers put before every name."""
    names = [*weights.tensors, *weights.unread]
    prefix = next((p for p in WRAPPINGS if names and all(n.startswith(p) and n != p for n in names)), None)
    if prefix is None:
        return weights
    tensors = {name.removeprefix(prefix): tensor for name, tensor in weights.tensors.items()}
    unread = {name.removeprefix(prefix): words for name, words in weights.unread.items()}
    return _unwrapped(replace(weights, tensors=tensors, unread=unread))


def _is_optimizer(table: dict[Any, Any]) -> bool:
    return not OPTIMIZER_NAMES.isdisjoint(key for key in table if isinstance(key, str))


def _is_module(record: Record) -> bool:
    pickled = all(isinstance(record.attributes.get(part), dict) for part in ("_parameters", "_buffers", "_modules"))
    return pickled or record.class_name.startswith("__torch__.")


def _flatten(root: Record) -> _Weights:
    """The weights and modules of a module, named as ``state_dict`` and ``named_modules`` do."""
    for wrapping in ("module", "_orig_mod"):
        inner = _children(root).get(wrapping)
        if inner is not None and not _tensors_of(root) and len(_children(root)) == 1:
            root = inner
    tensors: dict[str, Tensor] = {}
    modules: dict[str, Record] = {}

    def walk(record: Record, path: str) -> None:
        modules[path] = record
        prefix = f"{path}." if path else ""
        tensors.update({prefix + name: tensor for name, tensor in _tensors_of(record).items()})
        for name, child in _children(record).items():
            walk(child, prefix + name)

    walk(root, "")
    return _Weights(tensors, modules)


def _tensors_of(record: Record) -> dict[str, Tensor]:
    """The parameters and the buffers that are saved, of one module without its children."""
    attributes = record.attributes
    if "_parameters" in attributes:
        passing = attributes.get("_non_persistent_buffers_set", ())
        passing = passing if isinstance(passing, set | list | tuple) else ()
        saved = attributes["_parameters"] | {k: v for k, v in attributes["_buffers"].items() if k not in passing}
    else:
        declared = [*attributes.get("__parameters__", ()), *attributes.get("__buffers__", ())]
        saved = {name: attributes.get(name) for name in declared} if declared else attributes
    return {name: tensor for name, tensor in saved.items() if isinstance(tensor, Tensor) and isinstance(name, str)}


def _children(record: Record) -> dict[str, Record]:
    parts = record.attributes.get("_modules", record.attributes)
    return {
        name: part
        for name, part in parts.items()
        if isinstance(name, str) and isinstance(part, Record) and _is_module(part)
    }


def _why_no_weights(tree: Any) -> str:
    """Why a file that could be read holds no model, as far as can be told."""
    if isinstance(tree, Tensor):
        return "holds a single tensor; weights need names, as in a state_dict"
    if isinstance(tree, list | tuple | set) and all(isinstance(part, Tensor) for part in tree):
        return f"holds a {type(tree).__name__} of {len(tree)} tensors; weights need names, as in a state_dict"
    numbered = optimizer = False
    unread = ""
    seen: set[int] = set()
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, Unread):
            unread = unread or value.class_name
        if isinstance(value, Record):
            optimizer = optimizer or value.class_name.startswith("torch.optim.")
            value = value.attributes
        if isinstance(value, dict) and id(value) not in seen:
            seen.add(id(value))
            optimizer = optimizer or _is_optimizer(value)
            numbered = numbered or any(isinstance(v, Tensor) and not isinstance(k, str) for k, v in value.items())
            stack.extend(value.values())
        elif isinstance(value, list | tuple) and id(value) not in seen:
            seen.add(id(value))
            stack.extend(value)
    if unread:
        return f"holds {unread}, where dense tensors of real numbers are read; save the model in float32"
    if optimizer:
        return "holds an optimizer's state, not a model"
    if numbered:
        return "names its tensors by something other than text"
    return "holds no tensors, so there is no model in it"
