"""A network in memory as a model file: ``from latent import export``.

    encode, decode ──torch.export──> ATen ──> graph ──> our own format, with the images ──> read back and compared

Whatever the architecture, if its operations are in the table. Nothing is written that does not compute what the
functions themselves compute.
"""

from __future__ import annotations

import functools
import inspect
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._python_dispatch import TorchDispatchMode

from latent import checkpoint, dataset, files
from latent.checkpoint import Checkpoint
from latent.dataset import Dataset
from latent.errors import CheckpointError, ExportError
from latent.files import label
from latent.foreign.aten_graph import Program, Step, Value, graph_of
from latent.foreign.chains import MOST_CLASSES
from latent.foreign.described import Described, Description, with_batches
from latent.foreign.graph import Graph, Input
from latent.foreign.halves import LARGEST_CODE, Classes, Layout, has_noise, made_of
from latent.foreign.operations import PIXELS
from latent.space import LatentSpace

ALLOWED = 1e-5  # of the largest output, or of 1 where that is less: what a file may differ by from the network
TRACED_IMAGES = 3  # a number that no network has as a size of its own
CHECKED_IMAGES = 100
MOST_BYTES = 128 * 1024**2  # of the images in a file
OUTSIDE = 0.01  # of the pixels: so many may lie outside of the scale without a word
SCALES = {each.ends: name for name, each in PIXELS.items() if name.startswith("[")}  # called by their ends
WAYS = ("index", "one-hot")

Function: TypeAlias = Callable[..., Any]
Images: TypeAlias = Dataset | str | Path | ArrayLike | Tensor


def export(
    path: str | Path,
    encode: Function,
    decode: Function,
    images: Images,
    labels: Any = None,
    classes: Sequence[str] = (),
    *,
    pixels: tuple[float, float] = (0, 1),
    shape: Sequence[int] | None = None,
    condition: Literal["index", "one-hot"] | None = None,
    keep_images: bool = True,
) -> LatentSpace:
    """Write a network as a model file that opens anywhere, and return its `LatentSpace` on these images.

    ``encode`` maps images (n, channels, height, width) to codes, or to the mean first of several things; ``decode``
    maps codes to images, of the same size and scale ``pixels``: (0, 1), (-1, 1), (-0.5, 0.5) or (0, 255). Both are
    functions or modules of torch; they are traced in evaluation mode. ``images`` are those that the model is to be
    judged by, an array of any layout, a `Dataset`, or the path of one (`dataset.read`), with ``labels`` and the names
    of ``classes`` where there are any. They are kept in the file, or, without ``keep_images``, their name and SHA-256.

    ``shape`` of one image as ``encode`` takes it, where that is neither (channels, height, width) nor flat.
    ``condition`` says that the functions also take the class of each image, as its index or one-hot.

    Raises `ExportError` where the functions cannot be traced, use an operation that is not in the table, or where the
    file computes something else than they do, in which case none is written; `DataError` for images.
    """
    files.check_output(Path(path))
    judged = as_dataset(images, labels, classes, f"images of {Path(path).stem}")
    judged = fewer(judged) if keep_images else judged
    saved = exported(encode, decode, judged, pixels, shape, condition, keep_images)
    saved = checkpoint.save(path, saved)
    return LatentSpace.of(Path(path).stem, replace(saved, path=Path(path)), judged)


def exported(
    encode: Function,
    decode: Function,
    judged: Dataset,
    pixels: tuple[float, float],
    shape: Sequence[int] | None,
    condition: str | None,
    keep_images: bool = True,
) -> Checkpoint:
    """The model that `export` writes, checked, and not saved yet."""
    if tuple(pixels) not in SCALES:
        raise ExportError(f"pixels must be one of {', '.join(SCALES.values())}, got {pixels!r}.")
    if condition is not None and condition not in WAYS:
        raise ExportError(f"condition must be one of {', '.join(WAYS)}, got {condition!r}.")
    if condition is not None and not 2 <= len(judged.classes) <= MOST_CLASSES:
        raise ExportError(
            f"A conditional network needs images of 2 to {MOST_CLASSES:,} classes, got {len(judged.classes)}."
        )
    scale = SCALES[tuple(pixels)]  # type: ignore[index]
    with evaluated(encode, decode):
        network = Network.of(encode, decode, judged, scale, shape, condition)
        description, graphs = network.described()
        saved = Checkpoint(None, description.tensors(), described=description)
        model = checkpoint.parse(checkpoint.to_bytes(saved), "The file").model()
        assert isinstance(model, Described)
        difference = network.check(model, graphs)
    remarks = [f"Compared with its network on {len(network.x)} images; the largest difference is {difference:.1g}."]
    if not keep_images:
        remarks.append(f"Exported with {label(judged.name)}, not in the file, of SHA-256 {judged.sha256}.")
    return replace(saved, described=description.remarked(*remarks), images=judged if keep_images else None)


def as_dataset(images: Images, labels: Any, classes: Sequence[str], name: str) -> Dataset:
    """The images as a set. Raises `DataError`."""
    if isinstance(images, Dataset):
        return images
    if isinstance(images, str | Path):
        return dataset.read(images)
    arrays = [None if each is None else as_array(each) for each in (images, labels)]
    assert arrays[0] is not None
    return Dataset.of(arrays[0], arrays[1], tuple(map(str, classes)), name=name)


def fewer(judged: Dataset) -> Dataset:
    """The images, or as many of them, evenly spaced, as a file has room for, which the note says."""
    n = max(1, MOST_BYTES // judged.images[0].nbytes)
    if n >= len(judged):
        return judged
    some = judged.select(np.linspace(0, len(judged) - 1, n).round().astype(np.intp))
    return replace(some, note=f"{n:,} of {len(judged):,} images are in the file, which has room for no more.")


def as_array(values: Any) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


# ------------------------------------------------------------------------------------------ functions as they are


def modules_of(function: Any, depth: int = 3) -> Iterator[nn.Module]:
    """The modules that a function is, belongs to or refers to."""
    if isinstance(function, nn.Module):
        yield function
    elif depth:
        inner = [getattr(function, "__self__", None)]
        if isinstance(function, functools.partial):
            inner += [function.func, *function.args, *function.keywords.values()]
        code = getattr(function, "__func__", function)
        if isinstance(code, FunctionType):
            inner += [cell.cell_contents for cell in code.__closure__ or () if cell_filled(cell)]
            inner += [code.__globals__[name] for name in code.__code__.co_names if name in code.__globals__]
        for each in inner:
            if isinstance(each, nn.Module | functools.partial | FunctionType) or hasattr(each, "__func__"):
                yield from modules_of(each, depth - 1)


def cell_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


@contextmanager
def evaluated(*functions: Function) -> Iterator[None]:
    """The modules of these functions in evaluation mode; left as they were found."""
    modules = [module for function in functions for found in modules_of(function) for module in found.modules()]
    were = [(module, module.training) for module in dict.fromkeys(modules)]
    fast, validated = torch.backends.mha.get_fastpath_enabled(), Distribution._validate_args
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
        torch.backends.mha.set_fastpath_enabled(
            False
        )  # one fused operation in place of those that attention is made of
        Distribution.set_default_validate_args(False)  # which looks at numbers, as no trace can
        for module, _ in were:
            module.training = False
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            Distribution.set_default_validate_args(validated)
            for module, training in were:
                module.training = training


def tensors_in(result: Any) -> list[Tensor]:
    """The tensors of what a function gives, the mean of a code first: of a distribution its mean, of several things and
    of a dataclass the first."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(getattr(result, "mean", None), Tensor):
        spread = getattr(result, "logvar", getattr(result, "stddev", None))
        return [result.mean, *([spread] if isinstance(spread, Tensor) else [])]
    parts: Sequence[Any] = ()
    if isinstance(result, dict):
        parts = list(result.values())
    elif isinstance(result, list | tuple):
        parts = result
    elif is_dataclass(result):
        parts = [getattr(result, each.name) for each in fields(result)]
    return [tensor for part in parts if part is not None for tensor in tensors_in(part)]


class NoiseAtItsMean(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Random numbers as their mean, as they are in the graph."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        found = func(*args, **(kwargs or {}))
        match func.overloadpacket.__name__:
            case "randn" | "randn_like":
                return torch.zeros_like(found)
            case "rand" | "rand_like":
                return torch.full_like(found, 0.5)
            case "normal_":
                return found.fill_(args[1] if len(args) > 1 else (kwargs or {}).get("mean", 0.0))
            case "uniform_" if len(args) == 1:
                return found.fill_(0.5)
            case "normal" if isinstance(args[0], Tensor):
                return args[0].expand(found.shape).clone()
            case "normal":
                return torch.full_like(found, args[0])
        return found


class Traced(nn.Module):
    """A function as a module that takes and gives tensors alone."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors_in(self.function(*given)))


@dataclass(frozen=True)
class Part:
    """One of the two functions by its ``name``. ``condition`` says in which form it takes the class of an image, one
    of ``n_classes``; None where it takes none."""

    name: str
    function: Function
    condition: str | None
    n_classes: int

    def __call__(self, x: Tensor, index: Tensor | None) -> Tensor:
        """What it gives first, as the graph shall give it. Raises `ExportError`."""
        with NoiseAtItsMean():  # type: ignore[no-untyped-call]
            return self.all_of(x, index)[0]

    def all_of(self, x: Tensor, index: Tensor | None) -> list[Tensor]:
        try:
            found = tensors_in(self.function(*self.given(x, index)))
        except Exception as error:  # whatever somebody's network raises
            raise ExportError(f"{self.name} cannot take {words(x)}: {first_line(error)}.") from error
        if not found:
            raise ExportError(f"{self.name} must give a tensor, or several with the mean first.")
        if found[0].shape[:1] != x.shape[:1]:
            raise ExportError(f"{self.name} must give one result per image; of {words(x)} it gives {words(found[0])}.")
        return found

    def given(self, x: Tensor, index: Tensor | None) -> tuple[Tensor, ...]:
        if self.condition is None or index is None:
            return (x,)
        one_hot = nn.functional.one_hot(index, self.n_classes).to(x.dtype)
        return x, index if self.condition == "index" else one_hot

    def program(self, x: Tensor, index: Tensor | None) -> ExportedProgram:
        """What torch makes of it. Raises `ExportError`."""
        given = self.given(x, index)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.export.export(
                    Traced(self.function), given, dynamic_shapes=(tuple({0: Dim.AUTO} for _ in given),), strict=False
                )
        except Exception as error:  # torch has many kinds for what cannot be traced
            raise ExportError(f"{self.name} cannot be traced by torch.export: {first_line(error)}.") from error

    def graph(self, program: ExportedProgram) -> Graph:
        try:
            return graph_of(program_of(program))
        except CheckpointError as error:
            raise ExportError(f"{self.name} {error}.") from error


def words(x: Tensor) -> str:
    return f"a tensor of shape {tuple(x.shape)}"


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return label((lines or [type(error).__name__])[0], 300).rstrip(".:")


# ------------------------------------------------------------------------------------------------------ the network


@dataclass(frozen=True)
class Network:
    """Two functions with images in the scale ``pixels``: (n, channels, height, width) in [0, 1] and their classes."""

    encode: Part
    decode: Part
    x: Tensor
    index: Tensor | None
    layout: Layout
    pixels: str

    @classmethod
    def of(
        cls, encode: Function, decode: Function, judged: Dataset, pixels: str, shape: Sequence[int] | None,
        condition: str | None,
    ) -> Network:  # fmt: skip
        """With the first shape of images that ``encode`` takes. Raises `ExportError` where it takes none."""
        channels, height, width = judged.image_shape
        rows = np.linspace(0, len(judged) - 1, max(TRACED_IMAGES, min(CHECKED_IMAGES, len(judged)))).round().astype(int)
        some = judged.select(rows)
        index = None if condition is None or some.labels is None else torch.from_numpy(some.labels.astype(np.int64))
        layouts = [layout_of((channels, height, width), tuple(shape))] if shape is not None else [
            Layout((channels, height, width), (channels, height, width)),
            Layout((channels * height * width,), (channels, height, width)),
            *([Layout((3, height, width), (3, height, width))] if channels == 1 else []),
        ]  # fmt: skip
        device, dtype = place_of(encode)
        refused: ExportError | None = None
        n_classes = len(judged.classes)
        for layout in layouts:
            part = Part("encode", encode, condition if takes_two(encode) else None, n_classes)
            fitted = torch.tensor(some.fitted(layout.image)).float() / 255
            x = (fitted[:, None] if layout.image[0] == 1 else fitted.movedim(-1, 1)).to(device, dtype)
            here = None if index is None else index.to(device)
            other = Part("decode", decode, condition if takes_two(decode) else None, n_classes)
            found = cls(part, other, x, here, layout, pixels)
            try:
                found.picture()
            except ExportError as error:
                refused = refused or error
                continue
            return found
        assert refused is not None
        raise refused

    def picture(self) -> Layout:
        """How images lie in what ``decode`` gives. Raises `ExportError` where the functions do not fit the images."""
        index = self.classes(TRACED_IMAGES)
        z = self.encode(self.images(TRACED_IMAGES), index)
        if not z.is_floating_point():
            raise ExportError("encode must give numbers, not places in a codebook: let it give the quantised codes.")
        if z[0].numel() > LARGEST_CODE or z.ndim < 2:
            raise ExportError(
                f"encode must give a code per image, of at most {LARGEST_CODE:,} numbers; got {words(z)}."
            )
        return layout_of(self.layout.image, tuple(self.decode(z, index).shape[1:]), "decode gives")

    def images(self, n: int) -> Tensor:
        """The first images, as ``encode`` takes them."""
        return self.layout.put(PIXELS[self.pixels].from_unit(self.x[:n]))

    def classes(self, n: int) -> Tensor | None:
        return None if self.index is None else self.index[:n]

    def described(self) -> tuple[Description, dict[str, tuple[ExportedProgram, Graph]]]:
        """The network as data, and each half as torch has traced it, with its graph."""
        n = TRACED_IMAGES
        x, index = self.images(n), self.classes(n)
        found = self.encode.all_of(x, index)
        z = self.encode(x, index)
        if not z.is_floating_point():
            raise ExportError("encode must give numbers, not places in a codebook: let it give the quantised codes.")
        if z[0].numel() > LARGEST_CODE or z.ndim < 2:
            raise ExportError(
                f"encode must give a code per image, of at most {LARGEST_CODE:,} numbers; got {words(z)}."
            )
        y = self.decode(z, index)
        programs = {"encode": self.encode.program(x, index), "decode": self.decode.program(z, index)}
        graphs = {name: (program, getattr(self, name).graph(program)) for name, program in programs.items()}
        variational = any(has_noise(graph) for _, graph in graphs.values()) or (
            any(each.shape == z.shape for each in found[1:])
        )
        try:
            halves = made_of(
                graphs["encode"][1], graphs["decode"][1], self.layout, self.picture(), variational,
                self.condition(graphs["encode"][1], self.encode), self.condition(graphs["decode"][1], self.decode),
            )  # fmt: skip
        except CheckpointError as error:
            raise ExportError(f"The network {error}.") from error
        description = Description(with_batches(halves), self.pixels, self.pixels, "as its author says")
        return description.remarked(*self.remarks(y)), graphs

    def condition(self, graph: Graph, part: Part) -> Classes | None:
        if part.condition is None:
            return None
        name = list(graph.inputs)[1]
        sizes = () if part.condition == "index" else (part.n_classes,)
        return Classes(name, sizes, part.condition == "index", graph.inputs[name].dtype, part.n_classes)

    def remarks(self, y: Tensor) -> list[str]:
        """What is said about images that do not keep to the scale."""
        unit = PIXELS[self.pixels].to_unit(y.float())
        share = float(((unit < -OUTSIDE) | (unit > 1 + OUTSIDE)).float().mean())
        if share <= OUTSIDE:
            return []
        return [f"{share:.0%} of the decoded pixels lie outside of {self.pixels} and are cut off there."]

    def check(self, model: Described, graphs: dict[str, tuple[ExportedProgram, Graph]]) -> float:
        """The largest difference between the file and the functions. Raises `ExportError` where it is too large."""
        n = len(self.x)
        x, index = self.images(n), self.classes(n)
        z = self.encode(x, index)
        y = self.decode(z, index)
        one_hot = None if index is None else nn.functional.one_hot(index, model.signature.n_classes).float().cpu()
        with torch.inference_mode():
            codes = model.encode(self.x.float().cpu(), one_hot)
            flat = z.flatten(1).float().cpu()
            pictures = model.decode(flat, one_hot)
        right = PIXELS[self.pixels].to_unit(model_picture(model, y.float().cpu())).clamp(0, 1)
        found = {"encode": apart(codes, flat), "decode": apart(pictures, right)}
        for name, difference in found.items():
            if not difference <= ALLOWED:
                given = (x, index) if name == "encode" else (z, index)
                where = first_difference(*graphs[name], getattr(self, name).given(*given))
                raise ExportError(f"The file would not give what {name} gives: {difference:.2g} apart, {where}.")
        return max(found.values())


def place_of(function: Function) -> tuple[torch.device, torch.dtype]:
    """Where a function computes, and in which numbers. Raises `ExportError` for half precision."""
    weights = [w for module in modules_of(function) for w in module.parameters() if w.is_floating_point()]
    if not weights:
        return torch.device("cpu"), torch.float32
    if weights[0].dtype not in (torch.float32, torch.float64):
        kind = str(weights[0].dtype).removeprefix("torch.")
        raise ExportError(f"The network computes in {kind}: make it float32 by .float() before it is exported.")
    return weights[0].device, weights[0].dtype


def takes_two(function: Function) -> bool:
    """Whether a function can take the class of an image too."""
    called = function.forward if isinstance(function, nn.Module) else function
    try:
        inspect.signature(called).bind(0, 1)
    except (TypeError, ValueError):
        return False
    return True


def layout_of(image: tuple[int, int, int], sizes: tuple[int, ...], what: str = "shape says") -> Layout:
    """How images of this shape (channels, height, width) lie in a value of these sizes. Raises `ExportError`."""
    channels, height, width = image
    if sizes == image:
        return Layout(sizes, image)
    if sizes == (height, width, channels):
        return Layout(sizes, image, True)
    if int(np.prod(sizes)) == channels * height * width and (channels == 1 or len(sizes) == 1):
        return Layout(sizes, image)
    if len(sizes) == 3 and what == "shape says":
        return Layout(sizes, (sizes[0], sizes[1], sizes[2]))
    raise ExportError(
        f"{what} images of {' × '.join(map(str, sizes))}, while they are {' × '.join(map(str, image))} (channels, "
        "height, width)."
    )


def model_picture(model: Described, y: Tensor) -> Tensor:
    layout = model.description.halves.decoder_image
    assert layout is not None
    return layout.take(y)


def apart(found: Tensor, right: Tensor) -> float:
    """The largest difference, as a share of the largest number or of 1 where that is less; NaN where one is NaN."""
    if found.shape != right.shape:
        return float("inf")
    if not right.numel():
        return 0.0
    return float((found - right).abs().max() / max(1.0, float(right.abs().max())))


# --------------------------------------------------------------------------------------------------- what torch traced


def program_of(exported: ExportedProgram) -> Program:
    """The steps of what `torch.export` made. Raises `CheckpointError`, a sentence without its subject."""
    tensors: dict[str, Tensor] = {}
    inputs: dict[str, Input] = {}
    specs = {each.arg.name: each for each in exported.graph_signature.input_specs if hasattr(each.arg, "name")}
    steps: list[Step] = []
    outputs: tuple[str, ...] = ()
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind == InputKind.USER_INPUT:
                value = node.meta["val"]
                # a size that follows from the code, as len(x), is a fixed one
                sizes = tuple(size if isinstance(size, int) else size.node.maybe_as_int() for size in value.shape)
                kind = torch.float32 if value.dtype.is_floating_point else torch.int64
                inputs[node.name] = Input(sizes, kind)
            elif isinstance(spec.target, str):
                known = exported.state_dict.get(spec.target, exported.constants.get(spec.target))
                if isinstance(known, Tensor):  # and not a generator of random numbers
                    tensors[node.name] = known.detach().cpu().clone()
        elif node.op == "output":
            outputs = tuple(each.name for each in node.args[0] if isinstance(each, torch.fx.Node))
        elif node.op == "get_attr":
            known = getattr(exported.graph_module, str(node.target), None)
            if isinstance(known, Tensor):
                tensors[node.name] = known.detach().cpu().clone()
        elif node.target is not operator.getitem:
            steps.append(step_of(node))
    return Program(steps, tensors, inputs, outputs)


def step_of(node: torch.fx.Node) -> Step:
    """A call as `aten_graph` takes it; what picks one of several results names that result."""
    target = node.target
    name = str(target) if isinstance(target, torch._ops.OpOverload) else (
        f"{getattr(target, '__module__', '')}.{getattr(target, '__name__', target)}"
    )  # fmt: skip
    outputs = [node.name]
    value = node.meta.get("val")
    if isinstance(value, list | tuple):
        outputs = [""] * len(value)
        for user in node.users:
            if user.target is operator.getitem and isinstance(user.args[1], int):
                outputs[user.args[1]] = user.name
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]).removeprefix("function.") if stack else ""
    title = f"{path}/{node.name}" if path and path != "function" else node.name
    return Step(
        name, title, tuple(argument_of(each) for each in node.args),
        {name: argument_of(each) for name, each in node.kwargs.items()}, tuple(outputs),
    )  # fmt: skip


def argument_of(argument: Any) -> Any:
    if isinstance(argument, torch.fx.Node):
        return Value(argument.name)
    if isinstance(argument, list | tuple):
        return [argument_of(each) for each in argument]
    return argument


class Recording(torch.fx.Interpreter):
    """Runs what torch has traced and keeps what each step gives."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[str, Any] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        self.found[n.name] = super().run_node(n)
        found = self.found[n.name]
        if isinstance(found, Tensor):  # a step that follows may change it in place
            self.found[n.name] = found.detach().cpu().clone()
        return found


def first_difference(exported: ExportedProgram, graph: Graph, given: Sequence[Tensor]) -> str:
    """In words, the first operation at which the graph gives something else than what torch has traced."""
    recording = Recording(exported.graph_module)
    lifted = [
        exported.state_dict.get(each.target, exported.constants.get(each.target))
        for each in exported.graph_signature.input_specs
        if each.kind != InputKind.USER_INPUT and each.target is not None
    ]
    with NoiseAtItsMean():  # type: ignore[no-untyped-call]
        recording.run(*lifted, *given)
    names = [name for name in graph.producers if name in recording.found]
    inputs = {name: x.cpu().float() if x.is_floating_point() else x.cpu() for name, x in zip(graph.inputs, given)}
    for name, value in zip(names, graph.run(inputs, names)):
        right = recording.found[name]
        if isinstance(right, Tensor) and not apart(value.float(), right.float()) <= ALLOWED:
            node = graph.producers[name]
            return f"first at the operation {node.op} (node {label(node.name)})"
    return "though no operation of its trace differs: it gives something else each time, or the trace is not all of it"
