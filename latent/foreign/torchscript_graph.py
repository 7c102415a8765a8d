"""TorchScript archives as a graph: which methods of a module are followed, and for inputs of which sizes.

    archive ──> module, code ──> forward, or encode and decode ──> sizes that fit ──> `torchscript_follower` ──> Graph

An archive says what its module computes, but not what goes in. So sizes are tried: those that its first layer with
weights takes, and the usual ones.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from latent.errors import CheckpointError, UnsupportedError
from latent.files import label
from latent.foreign.aten_graph import Value
from latent.foreign.chains import MOST_CLASSES, USUAL_CLASSES
from latent.foreign.graph import Graph, Input, TooMuchError
from latent.foreign.halves import CHANNELS, CLASS_NAMES, LEAST_PIXELS, SIDES, Halves, halves_of, is_mean
from latent.foreign.pickles import Record
from latent.foreign.rewriting import BATCHES
from latent.foreign.torchscript_code import Code, DamagedError
from latent.foreign.torchscript_follower import Budget, ExhaustedError, Fields, Follower, Module

MAP_SIDES = (1, 2, 4, 7, 8, 14, 16, 32)  # of codes that are maps
OTHER_SIDES = (16, 20, 24, 40, 48, 56, 80, 96, 100, 112, 160, 192, 200, 224)  # of images, beside the usual ones
LABELS = (Input((None,), torch.int64), Input((None, USUAL_CLASSES)), Input((None, 1), torch.int64))
PROBED = 3  # numbers of a code that is tried to learn what the first layer takes
SAME_FAILURES = 4  # for several sizes, after which no others are tried
TRAINING = "The network was saved as in training; it is run in evaluation mode, without dropout and batch statistics."


def graph_of(tree: Mapping[str, Any]) -> Graph | None:
    """The network of an archive, as `read_torchscript` gives it; None where it holds weights without a method.

    Raises `UnsupportedError` where it uses what is not followed or is no autoencoder, `CheckpointError` where it is
    damaged or forged; a sentence without its subject.
    """
    module = tree["module"]
    if not isinstance(module, Record) or not isinstance(tree["code"], dict):
        return None
    code = Code.of(tree["code"])
    methods = code.classes.get(module.class_name, {})
    lone = [Forward(name) for name in ("encode", "decode") if not methods.keys() >= Both.needs]
    ways = [way for way in (Forward("forward"), Both(), *lone) if way.needs <= methods.keys()]
    if not ways:
        return None
    search = Search(code, tree["constants"], module, Budget())
    return search.best(ways)


class Way:
    """Which methods are followed, one after the other."""

    needs: frozenset[str]
    first: str

    def signature(self, code: Code, module: Record) -> ast.FunctionDef:
        """The first method, which takes what comes from outside."""
        found = code.method(module.class_name, self.first)
        assert found is not None
        return found

    def follow(self, follower: Follower, module: Module, given: Sequence[Value]) -> list[Value]:
        """What comes out, the picture among it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Forward(Way):
    """One method alone; what it gives to the method ``decode`` is the code."""

    first: str

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset([self.first])

    def follow(self, follower: Follower, module: Module, given: Sequence[Value]) -> list[Value]:
        return [*tensors_in(follower.call_method(module, self.first, given, {})), *follower.decoded[:1]]


@dataclass(frozen=True)
class Both(Way):
    """The method ``encode``, then ``decode`` on its mean; both are given the class where they take one."""

    needs = frozenset(["encode", "decode"])
    first = "encode"

    def follow(self, follower: Follower, module: Module, given: Sequence[Value]) -> list[Value]:
        encoded = tensors_in(follower.call_method(module, "encode", given, {}))
        if not encoded:
            raise UnsupportedError("has a method encode that gives no code")
        code = mean_of(follower, encoded)
        decode = follower.code.method(module.record.class_name, "decode")
        assert decode is not None
        taken = [code, *given[1:]][: max(1, len(tensor_arguments(decode)))]
        pictures = tensors_in(follower.call_method(module, "decode", taken, {}))
        return [*pictures, code, *(each for each in encoded if each != code)]


def mean_of(follower: Follower, encoded: Sequence[Value]) -> Value:
    """Of what ``encode`` gives, the mean: the first, or the one that is called so among those of its size."""
    size = follower.lowering.shape(encoded[0])
    alike = [each for each in encoded if follower.lowering.shape(each) == size]
    graph = Graph(tuple(follower.lowering.nodes), {}, {}, ())
    return next((each for each in alike if is_mean(graph, follower.lowering.current(each.name))), alike[0])


def tensors_in(result: Any) -> list[Value]:
    """The tensors in what a method gives, in order."""
    match result:
        case Value():
            return [result]
        case Fields(values):
            return tensors_in(list(values.values()))
        case dict():
            return tensors_in(list(result.values()))
        case list() | tuple():
            return [each for part in result for each in (tensors_in(part) if not isinstance(part, Value) else [part])]
    return []


def tensor_arguments(function: ast.FunctionDef) -> list[str]:
    """The tensors that a method has to be given, by name. Raises `CheckpointError` where it needs something else."""
    arguments = function.args.args[1:]
    n_needed = len(arguments) - len(function.args.defaults)
    names = []
    for argument in arguments[:n_needed]:
        if not (isinstance(argument.annotation, ast.Name) and argument.annotation.id == "Tensor"):
            raise UnsupportedError(
                f"has a method {label(function.name)} that takes {label(argument.arg)}, which is not a tensor"
            )
        names.append(argument.arg)
    return names


@dataclass
class Search:
    """Follows ways into a module for inputs of several sizes, until one is an autoencoder."""

    code: Code
    constants: Mapping[str, Any]
    module: Record
    budget: Budget

    def best(self, ways: Sequence[Way]) -> Graph:
        """The first whole autoencoder; else a half, where no way was refused that might have given the other one too.

        Raises `CheckpointError` where there is none.
        """
        half: Graph | None = None
        refusal: UnsupportedError | None = None
        for way in ways:
            try:
                graph, found = self.fitting(way)
            except UnsupportedError as error:
                refusal = refusal or error
                continue
            if is_whole(found):
                return graph
            half = half or graph
        if refusal is not None or half is None:
            assert refusal is not None
            raise refusal
        return half

    def fitting(self, way: Way) -> tuple[Graph, Halves]:
        """The graph of a way for the first sizes for which it is an autoencoder, or else half of one."""
        names = tensor_arguments(way.signature(self.code, self.module))
        if not 1 <= len(names) <= 2:
            raise UnsupportedError(
                f"takes {len(names)} tensors, where an image, or an image and its class are expected"
            )
        tried = Tried()
        for shape in tried.shapes():
            for inputs in inputs_of(names, shape, tried.labels(shape)):
                found = self.run(way, inputs, tried)
                if found is not None and is_whole(found[1]):
                    return self.remarked(way, inputs, *found)
        if tried.halves:
            return self.remarked(way, *min(tried.halves, key=lambda each: likelihood_of(each[2])))
        for near in tried.nearest():
            for n in BATCHES:
                found = self.run(way, {k: replace(v, sizes=(n, *v.sizes[1:])) for k, v in near.items()}, tried)
                if found is not None:
                    return found
        raise tried.refusal()

    def remarked(self, way: Way, inputs: Mapping[str, Input], graph: Graph, halves: Halves) -> tuple[Graph, Halves]:
        """The same with a remark where other sizes would have fitted as well."""
        main = next(name for name, each in inputs.items() if len(each.sizes) > 2 or each.dtype.is_floating_point)
        sizes = inputs[main].sizes
        if len(sizes) != 4 or sizes[2] is None:
            return graph, halves
        doubled = replace(inputs[main], sizes=(*sizes[:2], 2 * sizes[2], 2 * sizes[2]))
        larger = self.run(way, {**inputs, main: doubled}, Tried())
        if larger is None or is_whole(larger[1]) != is_whole(halves):
            return graph, halves
        what = "codes" if halves.encoder is None else "images"
        remark = f"The file takes {what} of any size; here they are {sizes[2]} × {sizes[3]}."
        return replace(graph, remarks=(*graph.remarks, remark)), halves

    def run(self, way: Way, inputs: Mapping[str, Input], tried: Tried) -> tuple[Graph, Halves] | None:
        """The graph of a way for these inputs, and what it is of an autoencoder; None where they do not fit, which is
        noted. Raises `DamagedError`."""
        follower = Follower.of(self.code, self.constants, inputs, self.budget)
        given = [Value(name) for name in inputs]
        try:
            outputs = dict.fromkeys(each.name for each in way.follow(follower, Module(self.module, ""), given))
            remarks = [TRAINING] if follower.was_training else []
            graph = follower.lowering.graph(inputs, tuple(outputs), remarks)
            halves = halves_of(graph)
        except (DamagedError, TooMuchError, ExhaustedError):
            raise
        except CheckpointError as error:
            tried.note(
                Failure(
                    inputs, str(error), isinstance(error, UnsupportedError), len(follower.lowering.nodes),
                    tuple(follower.takes),
                )
            )  # fmt: skip
            return None
        if not is_whole(halves):
            tried.halves.append((inputs, graph, halves))
        return graph, halves


@dataclass(frozen=True)
class Failure:
    """Inputs that do not fit: why, whether by what is not supported, after how many nodes, and what the layers until
    then take."""

    inputs: Mapping[str, Input]
    why: str
    unsupported: bool
    n_nodes: int
    takes: tuple[tuple[str, int], ...]


@dataclass
class Tried:
    """What became of the inputs that were tried: halves of autoencoders, and failures."""

    halves: list[tuple[Mapping[str, Input], Graph, Halves]] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def note(self, failure: Failure) -> None:
        """Remember a failure. Raises `UnsupportedError` where another one of this kind would follow for any sizes."""
        self.failed.append(failure)
        if failure.unsupported and sum(each.why == failure.why for each in self.failed) >= SAME_FAILURES:
            raise UnsupportedError(failure.why)

    @property
    def takes(self) -> tuple[tuple[str, int], ...]:
        """What the first layers take, as far as the inputs that were tried came."""
        met = [each.takes for each in self.failed if each.takes]
        return max(met, key=lambda takes: (multiplies(takes), len(takes)), default=())

    def labels(self, shape: tuple[int, ...]) -> Iterator[Input]:
        """The ways to give the class of an image or a code of these sizes; last the number of classes in one-hot form
        that would fill up what the first dense layer takes."""
        yield from LABELS
        if shape == (PROBED,):
            return
        n = next((n for kind, n in self.takes if kind == "features"), 0) - math.prod(shape)
        if 2 <= n <= MOST_CLASSES and n != USUAL_CLASSES:
            yield Input((None, n))

    def shapes(self) -> Iterator[tuple[int, ...]]:
        """The sizes to try, each once: what the first layer takes, which is known once one was tried."""
        first = (CHANNELS[0], SIDES[0], SIDES[0])
        yield first
        if not multiplies(self.takes) or any(len(each.inputs) > 1 for each in self.failed):  # a class may have its own
            yield (PROBED,)
        takes = self.takes
        usual = [(channels, side, side) for sides in (SIDES, OTHER_SIDES) for channels in CHANNELS for side in sides]
        yield from dict.fromkeys(shape for shape in (*suited(takes), *usual) if shape != first)

    def nearest(self) -> list[Mapping[str, Input]]:
        """The inputs that were followed the farthest, of those that did not fit."""
        ordered = sorted((each for each in self.failed if not each.unsupported), key=lambda each: -each.n_nodes)
        return [each.inputs for each in ordered[:3]]

    def refusal(self) -> UnsupportedError:
        """Why none fits, in the words of what was followed the farthest."""
        last = max(self.failed, key=lambda each: each.n_nodes)
        if last.unsupported:
            return UnsupportedError(last.why)
        sizes = " × ".join(str(size) for size in next(iter(last.inputs.values())).sizes[1:])
        return UnsupportedError(f"does not say how large what it takes is, and for {sizes} it {last.why}")


def multiplies(takes: Sequence[tuple[str, int]]) -> bool:
    """Whether a layer that multiplies by weights is among those that took so many numbers."""
    return any(kind != "vectors" for kind, _ in takes)


def suited(takes: Sequence[tuple[str, int]]) -> Iterator[tuple[int, ...]]:
    """Sizes, without the number of images, that a first layer of so many features or channels may take."""
    vectors = [size for kind, size in takes if kind == "vectors"]
    layers = dict.fromkeys(each for each in takes if each[0] != "vectors")
    for kind, n in layers:
        yield from suited_to(kind, n, dict.fromkeys([0, USUAL_CLASSES, *vectors]))
    if not layers:  # what is added to a vector of a table is as long
        yield from ((size,) for size in vectors)


def suited_to(kind: str, n: int, beside: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """The sizes for one layer, which may take so many numbers of the class ``beside``."""
    if kind == "channels":
        if n in CHANNELS:
            yield from ((n, side, side) for side in (*SIDES, *OTHER_SIDES))
        yield from ((n, side, side) for side in MAP_SIDES)
        yield (n,)
    for less in beside if kind == "features" else ():
        features = n - less
        for channels in CHANNELS:
            side = math.isqrt(max(features, 0) // channels)
            if channels * side * side == features and features >= LEAST_PIXELS:
                yield channels, side, side
        if features > 0:
            yield (features,)
    if kind == "features" and 8 <= n <= SIDES[-1]:  # row by row
        yield 1, n, n


def inputs_of(
    names: Sequence[str], shape: tuple[int, ...], labels: Iterable[Input] = LABELS
) -> Iterator[dict[str, Input]]:
    """The inputs by name for an image or a code of these sizes, with every way to give its class where there is one."""
    main = Input((None, *shape))
    if len(names) == 1:
        yield {names[0]: main}
        return
    is_second = bool(CLASS_NAMES.search(names[1])) or not CLASS_NAMES.search(names[0])
    for classes in labels:
        yield dict(zip(names, (main, classes) if is_second else (classes, main)))


def is_whole(halves: Halves) -> bool:
    return halves.encoder is not None and halves.decoder is not None


def likelihood_of(halves: Halves) -> tuple[bool, int]:
    """What sorts halves of several sizes: those of images of a usual size first, then the smaller ones."""
    layout = halves.encoder_image or halves.decoder_image
    assert layout is not None
    return layout.image[1] not in SIDES, math.prod(layout.image)
