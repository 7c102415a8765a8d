"""Keras models as graphs, from the configuration that a file holds: `.keras`, and `.h5` with a ``model_config``.

A layer is a function under `@adds_layer`, which adds nodes for one call of it. Nothing of a configuration is executed:
the code of Lambda layers is never looked at.

Maps have channels last in Keras and first in torch. Every value that a map layer gives is kept both ways, so that only
those turns are left that something needs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label
from latent.foreign.graph import MOST_NODES, Graph, Input, Look, Node
from latent.foreign.halves import kind_of_spread
from latent.foreign.layers import LISTED
from latent.foreign.pickles import Record

MOST_LAYERS = 4_000
DEEPEST_MODELS = 20
MODELS = ("Functional", "Model", "Sequential")
OPEN_SIDE = 64  # stands for a side that is left open, while the layers are added
MEAN = re.compile(r"mean|(^|[^a-z])mu([^a-z]|$)", re.IGNORECASE)
SPREAD = re.compile(r"var|sigma|std", re.IGNORECASE)
SAMPLING = re.compile(r"sampl|reparam", re.IGNORECASE)
ALIKE = (  # layers that do something in training alone
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization", "Masking", "Identity", "AddLoss", "AddMetric", "RandomFlip",
    "RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomContrast", "RandomBrightness",
    "RandomErasing", "RandomGaussianBlur", "RandomInvert", "RandomSharpness", "RandomHue", "RandomSaturation",
    "RandomColorJitter", "RandomGrayscale", "RandomPerspective", "RandomElasticTransform",
)  # fmt: skip

Config = Mapping[str, Any]


# ------------------------------------------------------------------------------------------------------- weights


@dataclass(frozen=True)
class Numbered:
    """Weights of a Keras 3 file: ``…/layers/CLASS_N/vars/I``."""

    weights: Mapping[str, Tensor]
    prefix: str = ""

    def of(self, place: Place) -> Numbered:
        """Those of one layer."""
        return Numbered(self.weights, f"{self.prefix}layers/{place.path}/")

    def found(self, names: Sequence[str]) -> list[Tensor | None]:
        """The variables of the layer with these names, in Keras's own order; all of them are there, or None."""
        return [self.weights.get(f"{self.prefix}vars/{index}") for index in range(len(names))]

    def attribute(self, name: str) -> Numbered:
        return Numbered(self.weights, f"{self.prefix}{name}/")

    def part(self, names: tuple[str, str]) -> Numbered:
        """Those of a layer inside the layer, by its name here and in older files."""
        return self.attribute(names[0])


@dataclass(frozen=True)
class Called:
    """Weights of an older file: ``LAYER/…/LAYER/kernel:0``, nested models under the name of the outermost."""

    weights: Mapping[str, Tensor]
    group: str | None = None
    layer: str = ""

    def of(self, place: Place) -> Called:
        return Called(self.weights, place.name if self.group is None else self.group, place.name)

    def found(self, names: Sequence[str]) -> list[Tensor | None]:
        own = {name: tensor for name, tensor in self.weights.items() if name.startswith(f"{self.group}/")}
        if self.group != self.layer:
            own = {n: tensor for n, tensor in own.items() if self.layer in n.split("/")[1:-1]}
        leaves = {name.rpartition("/")[2].removesuffix(":0"): tensor for name, tensor in own.items()}
        if len(leaves) < len(own):
            leaves = {
                n.rpartition("/")[2].removesuffix(":0"): t for n, t in own.items() if n.split("/")[-2] == self.layer
            }
        return [leaves.get(name) for name in names]

    def attribute(self, name: str) -> Called:
        return Called(self.weights, name, name)

    def part(self, names: tuple[str, str]) -> Called:
        own = {name: tensor for name, tensor in self.weights.items() if self.layer in name.split("/")}
        return Called(own, self.group, names[1])


@dataclass(frozen=True)
class Place:
    """A layer among its siblings: its ``name``, and the ``path`` that its class and number give in Keras 3."""

    name: str
    path: str


def places(layers: Sequence[Config]) -> list[Place]:
    """The place of each layer of a model, as Keras 3 counts them by class."""
    counts: dict[str, int] = {}
    found = []
    for each in layers:
        stem = snake_case(class_name_of(each))
        n = counts.get(stem, 0)
        if not is_operation(each):
            counts[stem] = n + 1
        found.append(Place(name_of(each), f"{stem}_{n}" if n else stem))
    return found


def snake_case(name: str) -> str:
    """A class's name as Keras 3 writes it into paths.

    >>> snake_case("Conv2DTranspose"), snake_case("PReLU")
    ('conv2d_transpose', 'p_re_lu')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def class_name_of(layer: Config) -> str:
    return str(layer.get("class_name", "")).rpartition(">")[2]


def name_of(layer: Config) -> str:
    config = layer.get("config")
    inside = config.get("name") if isinstance(config, dict) else None
    return str(layer.get("name") or inside or class_name_of(layer))


def is_operation(layer: Config) -> bool:
    """Whether it is one of Keras's functions, which stand among the layers of a functional model."""
    return str(layer.get("module", "")).startswith("keras.src.ops")


# ------------------------------------------------------------------------------------------------------ building


@dataclass
class Building:
    """Nodes as they are added, each looked at at once; ``turned`` the values that are kept with channels first too."""

    version: int  # of Keras
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)
    turned: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # of the layers that gave values
    look: Look = field(default_factory=lambda: Look(2))
    where: str = ""  # the layer that is being added, with the models around it

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node, and the name of what it gives."""
        if len(self.nodes) > MOST_NODES:
            raise CheckpointError(f"holds a network of more than {MOST_NODES:,} operations")
        output = f"\0{len(self.nodes)}"
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        node = Node(op, self.where, inputs, (output,), attributes)
        (self.values[output],) = self.look.run(node, [self.values.get(name) for name in inputs])
        self.nodes.append(node)
        return output

    def tensor(self, tensor: Tensor) -> str:
        name = f"\0t{len(self.tensors)}"
        self.tensors[name] = tensor.float() if tensor.is_floating_point() else tensor.long()
        self.values[name] = self.look.known(self.tensors[name])
        return name

    def number(self, value: float) -> str:
        return self.tensor(torch.tensor(float(value)))

    def rank(self, value: str) -> int:
        return self.values[value].ndim

    def sizes(self, value: str) -> tuple[int, ...]:
        """Without the batch."""
        return tuple(self.values[value].shape[1:])

    def first(self, value: str) -> str:
        """The value with channels first."""
        if value not in self.turned:
            rank = self.rank(value)
            self.turned[value] = self.add("permute", value, axes=(0, rank - 1, *range(1, rank - 1)))
        return self.turned[value]

    def last(self, value: str) -> str:
        """A value with channels first, with channels last."""
        rank = self.rank(value)
        back = self.add("permute", value, axes=(0, *range(2, rank), 1))
        self.turned[back] = value
        return back

    def each(self, op: str, value: str, *others: str, **attributes: Any) -> str:
        """An operation on every number by itself, in the way that the value is kept."""
        if value in self.turned:
            return self.last(self.add(op, self.turned[value], *others, **attributes))
        return self.add(op, value, *others, **attributes)

    def merged(self, op: str, *values: str) -> str:
        """An operation on values of one shape."""
        if all(value in self.turned for value in values):
            return self.last(self.add(op, *(self.turned[value] for value in values)))
        return self.add(op, *values)


@dataclass(frozen=True)
class Layer:
    """One layer as its configuration says, its weights, and the arguments of a call of it where they are known."""

    class_name: str
    name: str
    config: Config
    weights: Numbered | Called
    call: Call | None = None

    def get(self, name: str, default: Any = None) -> Any:
        value = self.config.get(name)
        return default if value is None else value

    def refuse(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"has the layer {label(self.name)} ({label(self.class_name)}) {why}, which is not supported"
        )

    def variables(self, *names: str) -> list[Tensor]:
        """Its variables by the names that Keras gives them, in Keras's order. Raises `CheckpointError`."""
        found = self.weights.found(names)
        missing = [name for name, tensor in zip(names, found) if tensor is None]
        if missing:
            raise CheckpointError(f"holds no {missing[0]} for the layer {label(self.name)} ({label(self.class_name)})")
        return [tensor for tensor in found if tensor is not None]

    @property
    def channels_last(self) -> bool:
        return self.get("data_format", "channels_last") != "channels_first"

    def pair(self, name: str, axes: int, default: int = 1) -> list[int]:
        value = self.get(name, default)
        return [int(value)] * axes if isinstance(value, int | float) else [int(each) for each in value]


Adds = Callable[[Building, Layer, list[str]], "str | list[str]"]
LAYERS: dict[str, Adds] = {}


def adds_layer(*class_names: str) -> Callable[[Adds], Adds]:
    def add(function: Adds) -> Adds:
        LAYERS.update(dict.fromkeys(class_names, function))
        return function

    return add


# --------------------------------------------------------------------------------------------------------- models


def layers_listed(tree: Mapping[str, Any]) -> dict[str, Record]:
    """The layers that a file of weights lists, by name in order, of the classes that Keras' own names for them tell:
    'max_pooling2d_4' is one of "keras.layers.max_pooling2d"."""
    text = tree.get("layers")
    if not isinstance(text, str):
        return {}
    return {name: Record(f"{LISTED}{re.sub(r'_[0-9]+$', '', name)}") for name in json.loads(text)}


def graph_of(tree: Mapping[str, Any]) -> Graph | None:
    """The graph of what `readers.read_keras` has read; None where the file says nothing of its layers.

    Raises `CheckpointError`, a sentence without its subject.
    """
    text = tree.get("model_config")
    if not isinstance(text, str):
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("is damaged: its configuration is not readable as JSON") from error
    weights = tree["weights"]
    numbered = not weights or any(re.search(r"(^|/)vars/\d+$", name) for name in weights)
    source = Numbered(weights) if numbered else Called(weights)
    version = 3 if numbered else int(str(tree.get("keras_version") or "2")[:1])
    building = Building(version)
    try:
        return whole_model(building, config, source)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        where = f" (at the layer {label(building.where)})" if building.where else ""
        raise CheckpointError(f"is damaged or forged: its configuration is incomplete{where}") from error


def whole_model(building: Building, config: Any, source: Numbered | Called) -> Graph | None:
    if not isinstance(config, dict):
        return None
    class_name, inside = class_name_of(config), config.get("config")
    if class_name in MODELS and inside is not None and (isinstance(inside, list) or "layers" in inside):
        inputs = inputs_of(building, config)
        given = [building_input(building, name, sizes) for name, sizes in inputs]
        outputs = run_model(building, config, given, source, 0)
        return finished(building, inputs, outputs)
    return own_class(building, config, source)


def own_class(building: Building, config: Config, source: Numbered | Called) -> Graph | None:
    """A model of a class of the author's own, where its configuration holds an encoder and a decoder."""
    inside = config.get("config")
    if not isinstance(inside, dict):
        return None
    parts = {n: each for n, each in inside.items() if isinstance(each, dict) and class_name_of(each) in MODELS}
    encoder = next((name for name in parts if "enc" in name.lower()), None)
    decoder = next((name for name in parts if "dec" in name.lower()), None)
    if encoder is None or decoder is None:
        return None
    inputs = inputs_of(building, parts[encoder])
    given = [building_input(building, name, sizes) for name, sizes in inputs]
    codes = run_model(building, parts[encoder], given, source.attribute(encoder), 1)
    code = next((each for each in codes if MEAN.search(building.names.get(each, ""))), codes[0])
    pictures = run_model(building, parts[decoder], [code], source.attribute(decoder), 1)
    building.remarks.append(
        f"{label(class_name_of(config))} is a class of the author's own: its encoder and decoder are run one after the "
        "other."
    )
    return finished(building, inputs, [*pictures, code])


def building_input(building: Building, name: str, sizes: Sequence[int | None]) -> str:
    shape = [OPEN_SIDE if size is None else size for size in sizes]
    if len(shape) > 6 or any(not 0 < size < 2**20 for size in shape) or math.prod(shape) > 2**25:
        raise CheckpointError(f"takes an input, {label(name)}, of impossible sizes")
    building.values[name] = torch.empty(2, *shape, device="meta")
    return name


def finished(building: Building, inputs: Sequence[tuple[str, Sequence[int | None]]], outputs: Sequence[str]) -> Graph:
    """The graph, with outputs named after their layers."""
    taken: dict[str, str] = {}
    for output in outputs:
        name = building.names.get(output, "output") or "output"
        while name in taken.values() or any(name == each for each, _ in inputs):
            name = f"{name}'"
        taken.setdefault(output, name)
    nodes = list(building.nodes)
    nodes += [Node("identity", name, (output,), (name,)) for output, name in taken.items()]
    graph = Graph(
        tuple(nodes),
        building.tensors,
        {name: Input((None, *sizes)) for name, sizes in inputs},
        tuple(taken.values()),
        channels_last=True,
        remarks=tuple(dict.fromkeys(building.remarks)),
    )
    part = graph.part({}, graph.outputs)
    missing = [name for name, _ in inputs if name not in part.inputs]
    if len(missing) == len(inputs):
        raise CheckpointError("is damaged or forged: its outputs do not depend on its inputs")
    return part


def layers_in(config: Config) -> list[Config]:
    inside = config["config"]
    layers = inside if isinstance(inside, list) else inside["layers"]
    if not isinstance(layers, list) or not all(isinstance(each, dict) for each in layers):
        raise TypeError
    if len(layers) > MOST_LAYERS:
        raise CheckpointError(f"has more than {MOST_LAYERS:,} layers in one model")
    return layers


def inputs_of(building: Building, config: Config) -> list[tuple[str, list[int | None]]]:
    """The inputs of a model by name, with their sizes without the batch."""
    layers = layers_in(config)
    if class_name_of(config) == "Sequential":
        first = layers[0]
        shape = shape_in(first) or shape_in({"config": config.get("build_config") or {}})
        if shape is None and isinstance(config["config"], dict):
            shape = config["config"].get("build_input_shape")
        if shape is None and class_name_of(first) in MODELS:
            return inputs_of(building, first)
        if shape is None:
            raise CheckpointError("does not say how large the images or codes are that it takes")
        return [(name_of(first) if class_name_of(first) == "InputLayer" else "input", list(shape[1:]))]
    by_name = {name_of(each): each for each in layers}
    found: list[tuple[str, list[int | None]]] = []
    for name, *_ in references(config["config"]["input_layers"]):
        shape = shape_in(by_name[name])
        if shape is None:
            raise CheckpointError(f"does not say how large its input {label(name)} is")
        found.append((name, list(shape[1:])))
    return found


def shape_in(layer: Config) -> list[int | None] | None:
    config = layer.get("config")
    if not isinstance(config, dict):
        return None
    shape = config.get("batch_shape") or config.get("batch_input_shape") or config.get("input_shape")
    if shape is None or not isinstance(shape, list | tuple):
        return None
    if any(not (size is None or isinstance(size, int)) for size in shape):
        raise CheckpointError("is damaged or forged: an input has sizes that are not numbers")
    return list(shape)


def references(value: Any) -> list[tuple[str, int, int]]:
    """Layers' outputs as a configuration names them: ["name", 0, 0], or a list or table of such."""
    if isinstance(value, dict):
        return [found for each in value.values() for found in references(each)]
    if len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return [(value[0], value[1], int(value[2]))]
    return [found for each in value for found in references(each)]


def run_model(
    building: Building, config: Config, inputs: Sequence[str], source: Numbered | Called, depth: int
) -> list[str]:
    """What a model gives for these inputs."""
    if depth > DEEPEST_MODELS:
        raise CheckpointError("has models nested too deep")
    layers = layers_in(config)
    if class_name_of(config) == "Sequential":
        values = list(inputs)
        for each, place in zip(layers, places(layers), strict=True):
            if class_name_of(each) != "InputLayer":
                values = run_layer(building, each, values, source.of(place), depth)
        return values
    return run_functional(building, config["config"], layers, inputs, source, depth)


def run_functional(
    building: Building,
    config: Config,
    layers: Sequence[Config],
    inputs: Sequence[str],
    source: Numbered | Called,
    depth: int,
) -> list[str]:
    """Every call of every layer that the outputs need, as soon as all that goes into it is there."""
    by_name = {name_of(each): (each, place) for each, place in zip(layers, places(layers), strict=True)}
    if len(by_name) != len(layers):
        raise CheckpointError("is damaged or forged: two of its layers have the same name")
    values: dict[tuple[str, int, int], str] = {}
    starts = references(config["input_layers"])
    if len(starts) != len(inputs):
        raise CheckpointError(
            f"is damaged or forged: a model inside takes {len(starts)} inputs, and gets {len(inputs)}"
        )
    values.update(zip(starts, inputs))
    ends = references(config["output_layers"])
    waiting = calls_for(by_name, ends, set(values))
    while waiting:
        ready = [call for call in waiting if all(name in values for name in tensors_in(waiting[call]))]
        if not ready:
            name = next(iter(waiting))[0]
            raise CheckpointError(f"is damaged or forged: its layers are joined in a circle (at {label(name)})")
        for name, index in ready:
            call = waiting.pop((name, index))
            each, place = by_name[name]
            if is_operation(each) or class_name_of(each) == "TFOpLambda":
                with_name(building, each, depth)
                found = [function_of(building, each, filled(call, values))]
            else:
                given = [values[key] for key in tensors_in(call)]
                found = run_layer(building, each, given, source.of(place), depth, filled(call, values))
            values.update({(name, index, place_of): value for place_of, value in enumerate(found)})
    return [values[end] for end in ends]


def calls_for(
    by_name: Mapping[str, tuple[Config, Place]], ends: Sequence[tuple[str, int, int]], known: set[tuple[str, int, int]]
) -> dict[tuple[str, int], Any]:
    """What goes into each call that these outputs need, by the layer's name and the number of the call."""
    found: dict[tuple[str, int], Any] = {}
    stack = list(ends)
    while stack:
        name, index, output = stack.pop()
        if (name, index) in found or (name, index, output) in known:
            continue
        if name not in by_name:
            raise CheckpointError(f"is damaged or forged: it has no layer {label(name)}, which another one needs")
        layer = by_name[name][0]
        nodes = layer.get("inbound_nodes") or []
        place = place_of_call(layer, index, len(nodes))
        if not 0 <= place < len(nodes):
            raise CheckpointError(f"is damaged or forged: nothing goes into its layer {label(name)}")
        found[name, index] = call = parsed_call(nodes[place])
        stack += tensors_in(call)
    return dict(reversed(found.items()))


def place_of_call(layer: Config, index: int, n: int) -> int:
    """Where a call stands among those of its layer: models inside count from 1, since making them is a call too."""
    if class_name_of(layer) not in MODELS:
        return index
    if n == 1:
        return 0
    counts_from_1 = class_name_of(layer) != "Sequential" or index == n
    return (index - 1) % n if counts_from_1 else index


@dataclass(frozen=True)
class Call:
    """The arguments of one call of a layer: keys of values (`Key`), numbers, and lists of those."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """The output of another layer."""

    key: tuple[str, int, int]


def parsed_call(node: Any) -> Call:
    """A call as Keras 3 or an older version writes it."""
    if isinstance(node, dict):
        return Call(tuple(parsed(each) for each in node["args"]), {k: parsed(v) for k, v in node["kwargs"].items()})
    if node and isinstance(node[0], str):
        node = [node]
    args, kwargs = [], {}
    for each in node:
        if each[0] == "_CONSTANT_VALUE":
            args.append(each[2])
        else:
            args.append(Key((each[0], int(each[1]), int(each[2]))))
        if len(each) > 3 and isinstance(each[3], dict):
            kwargs.update({name: old_reference(value) for name, value in each[3].items()})
    return Call(tuple(args), kwargs)


def old_reference(value: Any) -> Any:
    is_one = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int)
    return Key((value[0], value[1], int(value[2]))) if is_one else value


def parsed(value: Any) -> Any:
    """An argument of a call, as Keras 3 writes it."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, index, place = value["config"]["keras_history"]
        return Key((str(name), int(index), int(place)))
    if isinstance(value, list | tuple):
        return [parsed(each) for each in value]
    return value


def tensors_in(value: Any) -> list[tuple[str, int, int]]:
    """The keys of all outputs in a call, in order."""
    if isinstance(value, Key):
        return [value.key]
    if isinstance(value, Call):
        return tensors_in(list(value.args)) + tensors_in(list(value.kwargs.values()))
    if isinstance(value, list | tuple):
        return [key for each in value for key in tensors_in(each)]
    return []


def filled(call: Call, values: Mapping[tuple[str, int, int], str]) -> Call:
    """The call with the names of values in the place of their keys, as texts in a `Name`."""

    def fill(value: Any) -> Any:
        if isinstance(value, Key):
            return Name(values[value.key])
        return [fill(each) for each in value] if isinstance(value, list | tuple) else value

    return Call(tuple(fill(each) for each in call.args), {name: fill(each) for name, each in call.kwargs.items()})


class Name(str):
    """The name of a value, as an argument of a function."""


def with_name(building: Building, config: Config, depth: int) -> None:
    """Say which layer is being added."""
    parents = building.where.split("/")[:depth]
    building.where = "/".join([*parents, label(name_of(config), 60)])


def run_layer(
    building: Building,
    config: Config,
    inputs: list[str],
    weights: Numbered | Called,
    depth: int,
    call: Call | None = None,
) -> list[str]:
    """What a layer or a nested model gives for these inputs."""
    class_name = class_name_of(config)
    with_name(building, config, depth)
    if class_name in MODELS:
        return run_model(building, config, inputs, weights, depth + 1)
    settings = config.get("config")
    each = Layer(class_name, name_of(config), settings if isinstance(settings, dict) else {}, weights, call)
    if class_name in LAYERS and (config.get("module") or "keras.layers").startswith("keras"):
        found = LAYERS[class_name](building, each, inputs)
    else:
        found = by_its_part(building, each, inputs)
    results = [found] if isinstance(found, str) else found
    building.names.update(dict.fromkeys(results, each.name))
    return results


def by_its_part(building: Building, layer: Layer, inputs: list[str]) -> str:
    """What an author's own layer or a Lambda is known to be by what it takes: a mean and a spread are sampled from.

    Its mean is taken. Raises `CheckpointError` for any other."""
    sizes = {building.sizes(value) for value in inputs}
    if len(inputs) == 2 and len(sizes) == 1:
        means = [value for value in inputs if MEAN.search(building.names.get(value, ""))]
        spreads = [value for value in inputs if SPREAD.search(building.names.get(value, ""))]
        named = len(means) == 1 and means != spreads and len(spreads) == 1
        if named or (SAMPLING.search(layer.class_name) and not means and not spreads):
            mean = means[0] if named else inputs[0]
            building.remarks.append(
                f"The noise of the layer {label(layer.name)} ({label(layer.class_name)}) is left out: it gives the "
                "mean."
            )
            spread = next(value for value in inputs if value != mean)
            return sampled(building, mean, spread)
    if layer.class_name == "Lambda":
        raise CheckpointError(
            f"has the Lambda layer {label(layer.name)}, whose Python code is not run: use layers of Keras in its place"
        )
    raise CheckpointError(
        f"has the layer {label(layer.name)} of the class {label(layer.class_name)}, which is not one that is supported"
    )


def sampled(building: Building, mean: str, spread: str) -> str:
    """A mean plus a deviation times noise, whose mean is zero: what is beside it shows that it is one.

    A spread is the logarithm of a variance unless its name says otherwise, as in Keras' own examples.
    """
    if building.rank(mean) != 2:
        return building.each("identity", mean)
    match kind_of_spread(building.names.get(spread, "")):
        case "deviation":
            deviation = spread
        case "variance":
            deviation = building.add("sqrt", spread)
        case "log-deviation":
            deviation = building.add("exp", spread)
        case _:
            deviation = building.add("exp", building.add("mul", spread, building.number(0.5)))
    noise = building.add("full_like", mean, value=0.0)
    return building.add("add", mean, building.add("mul", noise, deviation))


# ------------------------------------------------------------------------------------------------------ activations

PLAIN_ACTIVATIONS = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "selu": "selu", "softplus": "softplus",
    "softsign": "softsign", "swish": "silu", "silu": "silu", "exponential": "exp", "mish": "mish", "relu6": "relu6",
    "hard_silu": "hard_swish", "hard_swish": "hard_swish",
}  # fmt: skip


def activated(building: Building, layer: Layer, value: str, activation: Any) -> str:
    """The value behind an activation, as a configuration names it."""
    if isinstance(activation, dict):
        inside = activation.get("config")
        if class_name_of(activation) in LAYERS and class_name_of(activation) != "function":
            settings = inside if isinstance(inside, dict) else {}
            found = LAYERS[class_name_of(activation)](
                building, Layer(class_name_of(activation), layer.name, settings, layer.weights), [value]
            )
            return found if isinstance(found, str) else found[0]
        activation = inside
    name = "linear" if activation is None else str(activation)
    if name == "linear":
        return value
    if name in PLAIN_ACTIVATIONS:
        return building.each(PLAIN_ACTIVATIONS[name], value)
    match name:
        case "elu":
            return building.each("elu", value, alpha=1.0)
        case "gelu":
            return building.each("gelu", value)
        case "leaky_relu":
            return building.each("leaky_relu", value, slope=0.2)
        case "hard_sigmoid":
            slope = 1 / 6 if building.version >= 3 else 0.2
            return building.each("hard_sigmoid", value, slope=slope, offset=0.5)
        case "softmax" | "log_softmax":
            return building.add(name, value, axis=-1)
        case "celu":
            return building.each("celu", value, alpha=1.0)
        case "hard_tanh":
            return building.each("bounded", value, low=-1.0, high=1.0)
    raise layer.refuse(f"with the activation {label(name)}")


@adds_layer("Activation")
def activation(b: Building, layer: Layer, inputs: list[str]) -> str:
    return activated(b, layer, inputs[0], layer.get("activation", "linear"))


@adds_layer("ReLU")
def relu(b: Building, layer: Layer, inputs: list[str]) -> str:
    highest, slope, threshold = (
        layer.config.get("max_value"),
        layer.get("negative_slope", 0.0),
        layer.get("threshold", 0.0),
    )
    if float(threshold) != 0 or (highest is not None and float(slope) != 0):
        raise layer.refuse("with a threshold or two slopes")
    if highest is not None:
        return b.each("bounded", inputs[0], low=0.0, high=float(highest))
    return b.each("leaky_relu", inputs[0], slope=float(slope)) if float(slope) else b.each("relu", inputs[0])


@adds_layer("LeakyReLU")
def leaky_relu(b: Building, layer: Layer, inputs: list[str]) -> str:
    slope = layer.config.get("negative_slope")
    slope = layer.get("alpha", 0.3) if slope is None else slope
    if isinstance(slope, dict):  # an array, as older versions write it
        slope = slope.get("value", 0.3)
    return b.each("leaky_relu", inputs[0], slope=float(slope))


@adds_layer("ELU")
def elu(b: Building, layer: Layer, inputs: list[str]) -> str:
    return b.each("elu", inputs[0], alpha=float(layer.get("alpha", 1.0)))


@adds_layer("Softmax")
def softmax(b: Building, layer: Layer, inputs: list[str]) -> str:
    return b.add("softmax", inputs[0], axis=int(layer.get("axis", -1)))


@adds_layer("PReLU")
def prelu(b: Building, layer: Layer, inputs: list[str]) -> str:
    (alpha,) = layer.variables("alpha")
    return b.add("prelu", inputs[0], b.tensor(alpha))


@adds_layer(*ALIKE)
def alike(b: Building, layer: Layer, inputs: list[str]) -> str:
    return b.each("identity", inputs[0])


# ------------------------------------------------------------------------------------------- dense, convolutions


@adds_layer("Dense")
def dense(b: Building, layer: Layer, inputs: list[str]) -> str:
    kernel, *bias = layer.variables("kernel", *["bias"] * bool(layer.get("use_bias", True)))
    y = b.add("linear", inputs[0], b.tensor(kernel.T.contiguous()), *map(b.tensor, bias))
    return activated(b, layer, y, layer.config.get("activation"))


@adds_layer("Conv1D", "Conv2D", "Convolution2D", "DepthwiseConv2D", "SeparableConv2D")
def conv(b: Building, layer: Layer, inputs: list[str]) -> str:
    biased = ["bias"] * bool(layer.get("use_bias", True))
    separable, depthwise = layer.class_name == "SeparableConv2D", layer.class_name == "DepthwiseConv2D"
    names = ["depthwise_kernel", "pointwise_kernel"] if separable else ["kernel"]
    if depthwise and b.version < 3:
        names = ["depthwise_kernel"]
    kernel, *rest = layer.variables(*names, *biased)
    axes = kernel.ndim - 2
    x = b.first(inputs[0]) if layer.channels_last else inputs[0]
    weight, groups = kernel.permute(axes + 1, axes, *range(axes)).contiguous(), int(layer.get("groups", 1))
    if separable or depthwise:  # (height, width, in, multiplier): the outputs of a channel lie side by side
        n_in, more = kernel.shape[2:]
        weight, groups = kernel.permute(2, 3, 0, 1).reshape(n_in * more, 1, *kernel.shape[:2]).contiguous(), n_in
    stride, dilation = layer.pair("strides", axes), layer.pair("dilation_rate", axes)
    padding = str(layer.get("padding", "valid"))
    if padding == "same":
        x = b.add("pad_same", x, kernel=list(weight.shape[2:]), stride=stride, dilation=dilation)
    elif padding == "causal" and axes == 1:
        x = b.add("pad", x, pads=[0, 0, (weight.shape[2] - 1) * dilation[0], 0, 0, 0])
    elif padding != "valid":
        raise layer.refuse(f"with the padding {label(padding)}")
    choices = {"stride": stride, "pads": [0] * 2 * axes, "dilation": dilation, "groups": groups}
    if separable:
        x = b.add("conv", x, b.tensor(weight), **choices)
        weight, rest = rest[0].permute(3, 2, 0, 1).contiguous(), rest[1:]
        choices = {"stride": [1] * axes, "pads": [0] * 2 * axes, "dilation": [1] * axes, "groups": 1}
    y = b.add("conv", x, b.tensor(weight), *map(b.tensor, rest), **choices)
    y = b.last(y) if layer.channels_last else y
    return activated(b, layer, y, layer.config.get("activation"))


@adds_layer("Conv1DTranspose", "Conv2DTranspose", "Deconvolution2D")
def conv_transpose(b: Building, layer: Layer, inputs: list[str]) -> str:
    kernel, *bias = layer.variables("kernel", *["bias"] * bool(layer.get("use_bias", True)))
    axes = kernel.ndim - 2
    weight = kernel.permute(axes + 1, axes, *range(axes)).contiguous()  # (…, out, in) to (in, out, …)
    stride, dilation = layer.pair("strides", axes), layer.pair("dilation_rate", axes)
    padding, more = str(layer.get("padding", "valid")), layer.config.get("output_padding")
    extra = None if more is None else layer.pair("output_padding", axes)
    if padding not in ("same", "valid"):
        raise layer.refuse(f"with the padding {label(padding)}")
    before, behind = [], []
    for axis in range(axes):
        k, s = (weight.shape[2 + axis] - 1) * dilation[axis] + 1, stride[axis]
        if extra is None:
            total = k - s if padding == "same" else min(0, k - s)
        else:
            total = (2 * (k // 2) if padding == "same" else 0) - extra[axis]
        before.append(max(0, total) // 2)
        behind.append(total - before[-1])
    x = b.first(inputs[0]) if layer.channels_last else inputs[0]
    y = b.add(
        "conv_transpose",
        x,
        b.tensor(weight),
        *map(b.tensor, bias),
        stride=stride,
        crops=[*before, *behind],
        dilation=dilation,
    )
    y = b.last(y) if layer.channels_last else y
    return activated(b, layer, y, layer.config.get("activation"))


@adds_layer("Embedding")
def embedding(b: Building, layer: Layer, inputs: list[str]) -> str:
    (table,) = layer.variables("embeddings")
    return b.add("embedding", inputs[0], b.tensor(table))


# -------------------------------------------------------------------------------------------------- normalisations


def on_channels(b: Building, layer: Layer, value: str, axis: Any, run: Callable[[str], str]) -> str:
    """An operation that wants channels on the first axis behind the batch, for a layer that has them on ``axis``."""
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    rank = b.rank(value)
    if not isinstance(axis, int):
        raise layer.refuse("over several axes")
    axis = axis % rank
    if axis == 1 and rank > 1:
        return run(value)
    if axis != rank - 1:
        raise layer.refuse(f"over axis {axis}")
    return b.last(run(b.first(value)))


@adds_layer("BatchNormalization", "SyncBatchNormalization")
def batch_normalization(b: Building, layer: Layer, inputs: list[str]) -> str:
    scaled, centred = bool(layer.get("scale", True)), bool(layer.get("center", True))
    names = [*["gamma"] * scaled, *["beta"] * centred, "moving_mean", "moving_variance"]
    found = dict(zip(names, map(b.tensor, layer.variables(*names))))
    parts = [found.get("gamma", ""), found.get("beta", ""), found["moving_mean"], found["moving_variance"]]
    eps = float(layer.get("epsilon", 1e-3))
    return on_channels(b, layer, inputs[0], layer.get("axis", -1), lambda x: b.add("batch_norm", x, *parts, eps=eps))


@adds_layer("LayerNormalization")
def layer_normalization(b: Building, layer: Layer, inputs: list[str]) -> str:
    axis = layer.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, b.rank(inputs[0]) - 1) or layer.get("rms_scaling", False):
        raise layer.refuse("over other axes than the last")
    names = [*["gamma"] * bool(layer.get("scale", True)), *["beta"] * bool(layer.get("center", True))]
    found = dict(zip(names, map(b.tensor, layer.variables(*names))))
    return b.add(
        "layer_norm", inputs[0], found.get("gamma", ""), found.get("beta", ""), axis=-1,
        eps=float(layer.get("epsilon", 1e-3)),
    )  # fmt: skip


@adds_layer("GroupNormalization")
def group_normalization(b: Building, layer: Layer, inputs: list[str]) -> str:
    names = [*["gamma"] * bool(layer.get("scale", True)), *["beta"] * bool(layer.get("center", True))]
    found = dict(zip(names, map(b.tensor, layer.variables(*names))))
    eps, groups = float(layer.get("epsilon", 1e-3)), int(layer.get("groups", 32))

    def run(x: str) -> str:
        n = b.sizes(x)[0] if groups == -1 else groups
        return b.add("group_norm", x, found.get("gamma", ""), found.get("beta", ""), groups=n, eps=eps)

    return on_channels(b, layer, inputs[0], layer.get("axis", -1), run)


@adds_layer("UnitNormalization")
def unit_normalization(b: Building, layer: Layer, inputs: list[str]) -> str:
    axis = layer.get("axis", -1)
    return b.add("lp_norm", inputs[0], p=2.0, axis=axis[0] if isinstance(axis, list) else int(axis), eps=1e-6)


@adds_layer("Normalization")
def normalization(b: Building, layer: Layer, inputs: list[str]) -> str:
    """Less a mean and divided by a deviation, that of the data it was adapted to, or of its configuration."""
    axis = layer.config.get("axis", -1)
    axes = [] if axis is None else [axis] if isinstance(axis, int) else list(axis)
    if layer.get("invert", False) or any(each not in (-1, b.rank(inputs[0]) - 1) for each in axes):
        raise layer.refuse("that is inverted, or along another axis than the last")
    given = layer.config.get("mean"), layer.config.get("variance")
    mean, variance = layer.variables("mean", "variance") if None in given else map(torch.tensor, given)
    deviation = variance.float().sqrt().clamp(min=1e-7)
    centred = b.add("sub", inputs[0], b.tensor(mean.float().flatten()))
    return b.add("div", centred, b.tensor(deviation.flatten()))


@adds_layer("Rescaling")
def rescaling(b: Building, layer: Layer, inputs: list[str]) -> str:
    scale, offset = layer.get("scale", 1.0), layer.get("offset", 0.0)
    if isinstance(scale, list | dict) or isinstance(offset, list | dict):
        raise layer.refuse("with several factors")
    y = b.each("mul", inputs[0], b.number(scale))
    return b.each("add", y, b.number(offset)) if offset else y


# ------------------------------------------------------------------------------------------------- pooling, resizing


@adds_layer("MaxPooling2D", "MaxPool2D", "AveragePooling2D", "AvgPool2D", "MaxPooling1D", "AveragePooling1D")
def pooling(b: Building, layer: Layer, inputs: list[str]) -> str:
    axes = b.rank(inputs[0]) - 2
    kernel = layer.pair("pool_size", axes, 2)
    stride = kernel if layer.config.get("strides") is None else layer.pair("strides", axes)
    x = b.first(inputs[0]) if layer.channels_last else inputs[0]
    same, largest, ones = layer.get("padding", "valid") == "same", layer.class_name.startswith("Max"), [1] * axes
    if largest:
        if same:
            x = b.add("pad_same", x, kernel=kernel, stride=stride, dilation=ones, value=-math.inf)
        y = b.add("max_pool", x, kernel=kernel, stride=stride, pads=[0] * 2 * axes, dilation=ones)
    elif same:
        y = b.add("avg_pool_same", x, kernel=kernel, stride=stride)
    else:
        y = b.add("avg_pool", x, kernel=kernel, stride=stride, pads=[0] * 2 * axes, count_padding=False)
    return b.last(y) if layer.channels_last else y


@adds_layer("GlobalAveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalMaxPooling1D")
def global_pooling(b: Building, layer: Layer, inputs: list[str]) -> str:
    x = b.first(inputs[0]) if layer.channels_last else inputs[0]
    axes = tuple(range(2, b.rank(x)))
    y = b.add("mean" if "Average" in layer.class_name else "max", x, axes=axes, keep=bool(layer.get("keepdims", False)))
    return b.last(y) if layer.get("keepdims", False) and layer.channels_last else y


@adds_layer("UpSampling2D", "UpSampling1D")
def upsampling(b: Building, layer: Layer, inputs: list[str]) -> str:
    axes = b.rank(inputs[0]) - 2
    mode = {"nearest": "nearest", "bilinear": "linear"}.get(str(layer.get("interpolation", "nearest")))
    if mode is None:
        raise layer.refuse(f"with {label(str(layer.get('interpolation')))} interpolation")
    factors = layer.pair("size", axes, 2)
    x = b.first(inputs[0]) if layer.channels_last else inputs[0]
    y = b.add(
        "resize", x, scales=[1.0, 1.0, *map(float, factors)], mode=mode, coordinates="half_pixel",
        rounding="round_prefer_ceil",
    )  # fmt: skip
    return b.last(y) if layer.channels_last else y


@adds_layer("ZeroPadding2D", "Cropping2D", "ZeroPadding1D", "Cropping1D")
def padding(b: Building, layer: Layer, inputs: list[str]) -> str:
    axes = b.rank(inputs[0]) - 2
    key = "padding" if layer.class_name.startswith("Zero") else "cropping"
    given = layer.get(key, 1)
    given = [given] * axes if isinstance(given, int) else [given] if axes == 1 and isinstance(given[0], int) else given
    pairs = [[each, each] if isinstance(each, int) else [int(each[0]), int(each[1])] for each in given]
    sign = 1 if key == "padding" else -1
    before, behind = [sign * first for first, _ in pairs], [sign * last for _, last in pairs]
    x = b.first(inputs[0]) if layer.channels_last else inputs[0]
    y = b.add("pad", x, pads=[0, 0, *before, 0, 0, *behind])
    return b.last(y) if layer.channels_last else y


# ---------------------------------------------------------------------------------------------------------- shapes


@adds_layer("Flatten")
def flatten(b: Building, layer: Layer, inputs: list[str]) -> str:
    x = inputs[0]
    if not layer.channels_last and b.rank(x) > 2:
        x = b.last(x)
    return b.add("reshape", x, shape=[0, math.prod(b.sizes(x))])


@adds_layer("Reshape")
def reshape(b: Building, layer: Layer, inputs: list[str]) -> str:
    target = [int(size) for size in layer.get("target_shape")]
    if target.count(-1) == 1:
        target[target.index(-1)] = math.prod(b.sizes(inputs[0])) // max(1, -math.prod(target))
    return b.add("reshape", inputs[0], shape=[0, *target])


@adds_layer("Permute")
def permute(b: Building, layer: Layer, inputs: list[str]) -> str:
    return b.add("permute", inputs[0], axes=[0, *map(int, layer.get("dims"))])


@adds_layer("RepeatVector")
def repeat_vector(b: Building, layer: Layer, inputs: list[str]) -> str:
    n, size = int(layer.get("n")), b.sizes(inputs[0])[0]
    wide = b.add("reshape", inputs[0], shape=[0, 1, size])
    return b.add("tile", wide, repeats=[1, n, 1])


@adds_layer("Concatenate")
def concatenate(b: Building, layer: Layer, inputs: list[str]) -> str:
    axis, rank = int(layer.get("axis", -1)), b.rank(inputs[0])
    if axis % rank == rank - 1 and all(value in b.turned for value in inputs):
        return b.last(b.add("concat", *(b.turned[value] for value in inputs), axis=1))
    return b.add("concat", *inputs, axis=axis)


MERGES = {"Add": "add", "Multiply": "mul", "Subtract": "sub", "Maximum": "maximum", "Minimum": "minimum"}


@adds_layer(*MERGES, "Average")
def merge(b: Building, layer: Layer, inputs: list[str]) -> str:
    if layer.class_name == "Average":
        return b.each("div", b.merged("add", *inputs), b.number(len(inputs)))
    return b.merged(MERGES[layer.class_name], *inputs)


# ------------------------------------------------------------------------------------------------------- attention

ATTENTION_PARTS = {  # by the names of the layers inside, in Keras 3's own files and in the others
    "query": ("query_dense", "query"), "key": ("key_dense", "key"), "value": ("value_dense", "value"),
    "output": ("output_dense", "attention_output"),
}  # fmt: skip


@adds_layer("MultiHeadAttention")
def multi_head_attention(b: Building, layer: Layer, inputs: list[str]) -> str:
    """Attention of the places of a query to those of a value (Vaswani et al. 2017, arXiv:1706.03762), all places of a
    map among each other."""
    query, value, key = attended(layer, inputs)
    sizes = b.sizes(query)
    if layer.get("attention_axes") and sorted(layer.get("attention_axes")) != list(range(1, len(sizes))):
        raise layer.refuse("along some of the axes")
    n_heads, size = int(layer.get("num_heads")), int(layer.get("key_dim"))
    if min(n_heads, size) < 1:
        raise layer.refuse(f"of {n_heads} heads and {size} numbers")
    q, k, v = (
        in_heads(b, layer, name, given, n_heads) for name, given in (("query", query), ("key", key), ("value", value))
    )
    products = b.add("matmul", b.add("div", q, b.number(math.sqrt(size))), b.add("permute", k, axes=[0, 1, 3, 2]))
    mixed = b.add("matmul", b.add("softmax", products, axis=-1), v)
    places = b.add("permute", mixed, axes=[0, 2, 1, 3])
    flat = b.add("reshape", places, shape=[0, b.sizes(places)[0], math.prod(b.sizes(places)[1:])])
    y = projected(b, layer, "output", flat, 2)
    return b.add("reshape", y, shape=[0, *sizes[:-1], b.sizes(y)[-1]])


def attended(layer: Layer, inputs: list[str]) -> tuple[str, str, str]:
    """The query, the value and the key of a call. Raises `CheckpointError` for masks, and for more results than one."""
    names = ("query", "value", "key")
    call = layer.call or Call(tuple(map(Name, inputs)))
    named = {name: value for name, value in call.kwargs.items() if name in names and value is not None}
    given = dict(zip(names, call.args)) | named
    if any(value for name, value in call.kwargs.items() if name not in (*names, "training")):
        raise layer.refuse("with a mask, or with its scores as a result")
    if not {"query", "value"} <= set(given) or not all(isinstance(value, Name) for value in given.values()):
        raise layer.refuse("without a query and a value")
    return given["query"], given["value"], given.get("key", given["value"])


def in_heads(b: Building, layer: Layer, name: str, value: str, n_heads: int) -> str:
    """A value through the layer inside of this name, (n, heads, places, numbers)."""
    n = math.prod(b.sizes(value)[:-1])
    y = projected(b, layer, name, b.add("reshape", value, shape=[0, n, b.sizes(value)[-1]]), 1)
    split = b.add("reshape", y, shape=[0, n, n_heads, b.sizes(y)[-1] // n_heads])
    return b.add("permute", split, axes=[0, 2, 1, 3])


def projected(b: Building, layer: Layer, name: str, value: str, axes_in: int) -> str:
    """A value through the dense layer inside of this name, whose kernel has so many axes for what comes in."""
    inside = replace(layer, weights=layer.weights.part(ATTENTION_PARTS[name]))
    kernel, *bias = inside.variables("kernel", *["bias"] * bool(layer.get("use_bias", True)))
    n_in = math.prod(kernel.shape[:axes_in])
    weight = kernel.reshape(n_in, -1).T.contiguous()
    return b.add("linear", value, b.tensor(weight), *(b.tensor(each.flatten()) for each in bias))


@adds_layer("TimeDistributed")
def time_distributed(b: Building, layer: Layer, inputs: list[str]) -> str | list[str]:
    inside = layer.get("layer")
    if class_name_of(inside) != "Dense":
        raise layer.refuse("of another layer than Dense")
    return dense(b, Layer("Dense", layer.name, inside["config"], layer.weights), inputs)


@adds_layer("InputLayer")
def input_layer(b: Building, layer: Layer, inputs: list[str]) -> str:
    raise CheckpointError(f"is damaged or forged: it has a second input, {label(layer.name)}, where none is meant")


# ------------------------------------------------------------------------------------------- functions between layers

FUNCTIONS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "truedivide": "div", "power": "pow",
    "maximum": "maximum", "minimum": "minimum", "exp": "exp", "sqrt": "sqrt", "square": "square", "negative": "neg",
    "absolute": "abs", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "log": "log", "silu": "silu",
    "softplus": "softplus", "abs": "abs", "pow": "pow", "truediv": "div", "sub": "sub", "mul": "mul",
    "__operators__.add": "add",
}  # fmt: skip


def function_of(building: Building, config: Config, call: Call) -> str:
    """A function of Keras or TensorFlow between layers, of values and numbers."""
    name = class_name_of(config)
    if name == "TFOpLambda":
        name = str(config["config"].get("function", "")).removeprefix("math.").removeprefix("nn.")
    op = FUNCTIONS.get(name.lower())
    extra = [value for key, value in call.kwargs.items() if key in ("y", "x2", "x") and value is not None]
    args = [*call.args, *extra]
    if op is None or not args or not all(isinstance(each, Name | int | float) for each in args):
        raise CheckpointError(
            f"uses the function {label(name)} (node {label(name_of(config))}), which is not supported"
        )
    values = [str(each) if isinstance(each, Name) else building.number(each) for each in args]
    if len(values) == 1:
        found = building.each(op, values[0])
    elif all(isinstance(each, Name) for each in args):
        found = building.merged(op, *values)
    elif isinstance(args[0], Name):
        found = building.each(op, values[0], *values[1:])
    else:
        found = building.add(op, *values)
    building.names[found] = name_of(config)
    return found


# ------------------------------------------------------------------------------------------------ weights alone


def with_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a Keras 3 file by the names that older files give them: ``…/kernel`` in the place of ``…/vars/0``.

    Those of a layer are told by their shapes. Others are left as they are.
    """
    layers: dict[str, list[str]] = {}
    for name in tensors:
        if match := re.fullmatch(r"(.*)/vars/\d+", name):
            layers.setdefault(match[1], []).append(name)
    names = {name: called for path, own in layers.items() for name, called in zip(own, names_of(path, own, tensors))}
    return {names.get(name, name): tensor for name, tensor in tensors.items()}


def names_of(path: str, own: Sequence[str], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """What the variables of one layer are called."""
    shapes = [tensors[name].ndim for name in own]
    kernels = shapes[0] >= 2 and shapes[1:] in ([], [1])
    called = {
        "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
        "layer_normalization": ("gamma", "beta"), "group_normalization": ("gamma", "beta"),
        "embedding": ("embeddings",), "p_re_lu": ("alpha",),
    }.get(re.sub(r"_\d+$", "", path.rpartition("/")[2]))  # fmt: skip
    if called is None and kernels:
        called = ("kernel", "bias")
    if called is None and shapes == [1, 1, 1, 1]:
        called = ("gamma", "beta", "moving_mean", "moving_variance")
    for index, name in enumerate(own):
        yield f"{path}/{called[index]}" if called and len(own) <= len(called) else name
