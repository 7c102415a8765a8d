"""A decoder as a small program that a browser runs: a list of layers, and one block of weights."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from latent.arrays import Labels, Rows
from latent.browser import joined, source
from latent.browser.graphs import add_graph
from latent.browser.inbox import parcel
from latent.errors import DecoderError
from latent.foreign.described import Described
from latent.foreign.network import Network
from latent.foreign.normalisations import NORMALISATIONS, batch_norm_as_affine
from latent.foreign.operations import ACTIVATIONS
from latent.images import png_bytes
from latent.model import Autoencoder, LatentModel
from latent.pixels import all_resized, size_of_area

MOST_MULTIPLICATIONS = 240_000_000  # per picture: some 50 ms in a browser with WebAssembly
MOST_BYTES = 100 * 1024**2  # of weights: Streamlit sends no message above 200 MB
SPRITE_COLUMNS = 100
MOST_PIXELS = 10_000_000  # of all real images together
WEIGHTED = ("linear", "conv", "conv_transpose")

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Program:
    """A decoder for `decoder.js`.

    ``layers`` in the order in which they run, plain values only: what each does, the shape of what it puts out, and
    where its numbers lie in ``weights`` (float32, little-endian). ``picture`` (height, width, channels);
    ``multiplications`` of weights with activations for one picture.
    """

    latent_dim: int
    picture: tuple[int, int, int]
    layers: list[dict[str, Any]]
    weights: bytes = field(repr=False)
    multiplications: int

    def to_dict(self) -> dict[str, Any]:
        """All but the weights, as plain values."""
        return {"latent_dim": self.latent_dim, "picture": list(self.picture), "layers": self.layers}


def compile(model: LatentModel) -> Program:
    """The model's decoder as a program, normalisations folded into the weights before them.

    Raises `DecoderError`, whose sentence says why, for a layer that `decoder.js` does not know, for more than
    `MOST_MULTIPLICATIONS` a picture and for more than `MOST_BYTES` of weights.

    >>> from latent.space import LatentSpace
    >>> compile(LatentSpace.open("checkpoints/ae-2.pt").model).layers[0]["op"]
    'linear'
    """
    builder = Builder(model.signature.latent_dim)
    if isinstance(model, Autoencoder):
        add_modules(builder, model.decoder)
    elif isinstance(model, Network | Described):
        add_graph(builder, model.description)
    else:
        raise DecoderError(f"Expected a network of known layers, found a {type(model).__name__}.")
    return builder.program()


@dataclass(frozen=True)
class Stage:
    """What belongs to a checkpoint and goes to the browser once.

    ``codes`` (n, latent_dim) of real images, ``labels`` (n,) and the ``images`` (n, height, width[, 3]), uint8;
    ``order`` the dimensions that get a slider, the first one first, ``low`` and ``high`` (latent_dim,) their ranges;
    ``start`` (latent_dim,) the code that a reset leads to; ``axes`` (2, latent_dim), at right angles and of length 1,
    the directions of the pad, to the right and up; ``colours`` of the first classes, as in CSS, which repeat
    after these, and ``classes`` their names, none where they are not known.
    The support of a code is how many of ``distances``, of real codes to their ``neighbours`` nearest others on average,
    exceed its own: from ``edges[0]`` up it is on the data, from ``edges[1]`` at the edge. ``program`` is None where the
    decoder cannot run in the browser. ``numbers`` (n,) of the images in their set, by default as they come; the images
    are reduced where they have more than ``most_pixels`` together.
    """

    program: Program | None
    codes: NDArray[np.float32]
    labels: Labels
    images: NDArray[np.uint8]
    order: Sequence[int]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    start: NDArray[np.float32]
    axes: NDArray[np.float32]
    colours: Sequence[str]
    neighbours: int
    distances: NDArray[np.float32]
    classes: Sequence[str] = ()
    edges: tuple[float, float] = (0.1, 0.01)
    numbers: Rows | None = None
    most_pixels: int = MOST_PIXELS

    def parcel(self, name: str) -> bytes:
        """For the inbox; ``name`` stands for the content, and the same name is taken for the same content."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        shown = thumbnails(self.images, self.most_pixels)
        numbers = np.arange(len(self.images)) if self.numbers is None else self.numbers
        del values["most_pixels"]
        height, width = shown.shape[1:3]
        values |= {
            "labels": np.asarray(self.labels, "<u2"),
            "numbers": np.asarray(numbers, "<u2"),
            "classes": list(self.classes),
            "program": self.program and self.program.to_dict(),
            "weights": np.frombuffer(self.program.weights if self.program else b"", "<f4"),
            "order": [int(dimension) for dimension in self.order],
            "picture": list(self.images.shape[1:3]),
            "thumbnail": [height, width],
            "images": sprite(shown),
            "columns": SPRITE_COLUMNS,
        }
        return parcel(name, **values)


def thumbnails(images: NDArray[np.uint8], most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Images (n, height, width[, 3]), all reduced alike where they have more than ``most_pixels`` together."""
    n, height, width = images.shape[:3]
    return all_resized(images, size_of_area(width, height, most_pixels / n))


def sprite(images: NDArray[np.uint8]) -> bytes:
    """Images (n, height, width[, 3]) in rows of `SPRITE_COLUMNS` as one PNG."""
    n, height, width, *channels = images.shape
    rows = -(-n // SPRITE_COLUMNS)
    tiles = np.zeros((rows * SPRITE_COLUMNS, height, width, *channels), np.uint8)
    tiles[:n] = images
    tiles = tiles.reshape(rows, SPRITE_COLUMNS, height, width, *channels).swapaxes(1, 2)
    return png_bytes(Image.fromarray(tiles.reshape(rows * height, SPRITE_COLUMNS * width, *channels)))


def live_component() -> dict[str, str]:
    """``html``, ``css`` and ``js`` of the component that moves a code and shows its picture.

    Its data: ``stage`` names the `Stage` that a parcel brings, ``holds`` is what it has last said it holds, ``base``
    the code that it shows whenever this is another one (or None), ``asked`` the class that a conditional decoder draws,
    ``shelf`` the codes that Play goes through, ``refusal`` why the decoder cannot run in the browser (or ""). It sets
    the states ``code``, the one chosen when a movement has ended, and ``holds``, the names of stages that need not be
    sent again; and the triggers ``keep``, a code, and ``ask``, a ``serial`` and a ``code``, which is answered
    with the parcel "answer": that ``serial``, and ``pixels`` (height, width[, 3]) uint8.
    """
    return {"html": source("live.html"), "css": source("live.css"), "js": with_decoder("stage.js", "live.js")}


def strip_component() -> dict[str, str]:
    """``html`` and ``js`` of the component that is a strip of pictures along a line, styled by the page.

    Its data are described in `strip.js`. It sets the triggers ``clicked``, the index of a picture to be kept,
    ``placed``, the place on the line that was fixed, and ``added``, the place whose code is to be kept; the state
    ``holds`` and the trigger ``ask`` are those of `live_component`, but that it asks with a ``serial`` and ``at``.
    """
    return {"html": source("strip.html"), "js": with_decoder("stage.js", "sheet.js", "strip.js")}


def with_decoder(*names: str) -> str:
    """The module that runs a decoder and, behind it, these that need it, as one."""
    scripts = source("special_functions.js"), activations(), products_wasm()
    return joined(*scripts, *map(source, ("products.js", "decoder.js", *names)))


def products_wasm() -> str:
    """The module ``products_wasm.js`` that `products.js` imports: `products.wasm` as text, which is made from
    `products.wat` by ``wat2wasm`` (of the package wasmtime)."""
    code = (Path(__file__).parent / "products.wasm").read_bytes()
    return f'export const WASM = "{base64.b64encode(code).decode()}"\n'


def activations() -> str:
    """The module ``activations.js`` that `decoder.js` imports: by name what applies an activation to all numbers of an
    array. Each has a loop of its own: browsers inline the function of a loop that always calls the same one.

    It is written from our own records alone; nothing of a file that somebody opens comes into it.
    """
    loop = "for (let i = 0; i < numbers.length; i++) numbers[i] = f(numbers[i])"
    lines = [
        f"  {json.dumps(each.name)}: (numbers) => {{\n    const f = {each.javascript}\n    {loop}\n  }},\n"
        for each in ACTIVATIONS.values()
        if each.javascript
    ]
    head = 'import { erf, sigmoid, softplus } from "./special_functions.js"\n\n'
    kind = "/** @type {Record<string, (numbers: Float32Array) => void>} */\n"
    return f"{head}{kind}export const ACTIVATIONS = {{\n{''.join(lines)}}}\n"


@dataclass
class Builder:
    """Layers are added in the order in which they run; ``shape`` is (n,) of numbers or (height, width, channels).

    Each takes what the layer ``at`` puts out, -1 standing for the code, by default the one that was added last.
    ``shared`` are those whose output others need as it is, so that nothing may be folded into them.
    """

    latent_dim: int
    layers: list[dict[str, Any]] = field(default_factory=list)
    arrays: list[dict[str, Weights]] = field(default_factory=list)  # of each layer
    multiplications: int = 0
    at: int = -1
    shared: set[int] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.layers[self.at]["shape"]) if self.at >= 0 else (self.latent_dim,)

    def add(
        self,
        op: str,
        shape: tuple[int, ...],
        arrays: Mapping[str, Weights] | None = None,
        of: Sequence[int] | None = None,
        **choices: Any,
    ) -> None:
        """A layer that puts out ``shape``; ``of`` the layers whose outputs it takes, where that is not the one `at`."""
        sources = [self.at] if of is None else list(of)
        told = {} if sources == [len(self.layers) - 1] else {"of": sources}
        self.layers.append({"op": op, "shape": list(shape), **choices, **told})
        self.arrays.append(dict(arrays or {}))
        self.at = len(self.layers) - 1

    def activation(self, name: str) -> None:
        """An activation, by its name. Raises `DecoderError` for one that is not written in JavaScript."""
        if name == "none":
            return
        if ACTIVATIONS[name].javascript is None:
            raise DecoderError(f"The browser cannot run {name} activations.")
        self.add("activation", self.shape, name=name)

    def affine(self, scale: Weights, offset: Weights) -> None:
        """Times ``scale`` plus ``offset``, for each channel its own or one for all; folded into weights before it."""
        op = "" if self.at < 0 or self.at in self.shared else self.layers[self.at]["op"]
        if op not in (*WEIGHTED, "affine") or not {scale.size, offset.size} <= {1, self.shape[-1]}:
            self.add("affine", self.shape, {"weight": scale, "bias": offset})
            return
        arrays = self.arrays[self.at]
        by_channel = scale[:, None] if op in WEIGHTED else scale  # channels out are the last axis but one
        arrays["weight"] = arrays["weight"] * by_channel
        arrays["bias"] = arrays["bias"] * scale + offset

    def per_channel(self, op: str, tensors: Mapping[str, Tensor]) -> None:
        """An operation with a number per channel in each of its arrays, or one for all channels."""
        arrays = {name: as_numpy(tensor) for name, tensor in tensors.items()}
        if op == "affine":
            self.affine(arrays["weight"], arrays["bias"])
        else:
            self.add(op, self.shape, arrays)

    def normalisation(self, kind: str, tensors: Mapping[str, Tensor]) -> None:
        """A normalisation, by the name of its kind. Raises `DecoderError` for one that the browser cannot run."""
        in_browser = NORMALISATIONS[kind].browser
        if in_browser is None:
            raise DecoderError(f"The browser cannot run {kind} layers.")
        self.per_channel(*in_browser(tensors))

    def group_norm(self, weight: Tensor | None, bias: Tensor | None, groups: int, eps: float) -> None:
        """A normalisation of maps within so many groups of channels; an instance normalisation has one for each."""
        n = self.shape[-1]
        arrays = {"weight": np.ones(n) if weight is None else as_numpy(weight), "bias": bias_of(bias, n)}
        self.add("group_norm", self.shape, arrays, groups=groups, eps=eps)

    def linear(self, weight: Tensor, bias: Tensor | None) -> None:
        n_out, n_in = weight.shape
        self.multiplications += n_in * n_out
        self.add("linear", (n_out,), {"weight": as_numpy(weight), "bias": bias_of(bias, n_out)})

    def conv(self, weight: Tensor, bias: Tensor | None, stride: int, before: int, behind: int) -> None:
        """Weight (out, in, height, width); zeros added ``before`` the map and ``behind`` it, on both axes."""
        n_out, _, *kernel = weight.shape
        height, width = ((n + before + behind - k) // stride + 1 for n, k in zip(self.shape, kernel))
        self.multiplications += height * width * weight.numel()
        arrays = {"weight": as_numpy(weight.permute(0, 2, 3, 1)).reshape(n_out, -1), "bias": bias_of(bias, n_out)}
        self.add("conv", (height, width, n_out), arrays, kernel=kernel, stride=stride, padding=before)

    def conv_transpose(self, weight: Tensor, bias: Tensor | None, stride: int, before: int, behind: int) -> None:
        """Weight (in, out, height, width); ``before`` and ``behind`` are cut off the map that comes out."""
        _, n_out, *kernel = weight.shape
        rows, columns, _ = self.shape
        height, width = ((n - 1) * stride + k - before - behind for n, k in zip(self.shape, kernel))
        self.multiplications += rows * columns * weight.numel()
        arrays = {"weight": as_numpy(weight.permute(2, 3, 1, 0)), "bias": bias_of(bias, n_out)}
        self.add("conv_transpose", (height, width, n_out), arrays, kernel=kernel, stride=stride, padding=before)

    def upsample(self, height: int, width: int, mode: str) -> None:
        """A map of another size: whole times larger where it is "nearest", of any size where it is "bilinear"."""
        self.add("upsample", (height, width, self.shape[-1]), mode=mode)

    def pool(self, mode: str, kernel: Sequence[int], stride: int) -> None:
        """The largest number ("max") or the mean of each window of a map that lies inside it."""
        height, width = ((n - k) // stride + 1 for n, k in zip(self.shape, kernel))
        self.add("pool", (height, width, self.shape[-1]), name=mode, kernel=list(kernel), stride=stride)

    def label(self, rows: Weights, shape: tuple[int, ...]) -> None:
        """Numbers that depend on the label alone: a row (labels, numbers) for each, or one for all."""
        self.add("label", shape, {"weight": rows}, of=())

    def clamp(self, low: float = 0.0, high: float = 1.0) -> None:
        self.add("clamp", self.shape, low=low, high=high)

    def gather(self, places: Weights, shape: tuple[int, ...]) -> None:
        """Numbers from the places in which they lie now, the first being 1; 0 stands for a zero."""
        self.add("gather", shape, {"weight": places})

    def concat(self, layers: Sequence[int], widths: Sequence[int], shape: tuple[int, ...]) -> None:
        """What these layers put out, so many numbers of each at a time."""
        self.add("concat", shape, of=layers, widths=list(widths))

    def unflatten(self, shape: tuple[int, int, int], channels_last: bool = False) -> None:
        """Numbers to a map of ``shape`` (channels, height, width)."""
        channels, height, width = shape
        self.add("reshape" if channels_last else "channels_last", (height, width, channels))

    def flatten(self, channels_last: bool = False) -> None:
        self.add("reshape" if channels_last else "channels_first", (int(np.prod(self.shape)),))

    def program(self) -> Program:
        """What was added. Raises `DecoderError` where it is too much for a browser."""
        if self.multiplications > MOST_MULTIPLICATIONS:
            raise DecoderError(
                f"An image takes {self.multiplications / 1e6:,.0f} million multiplications; the browser is limited "
                f"to {MOST_MULTIPLICATIONS / 1e6:.0f} million."
            )
        blocks: list[bytes] = []
        layers, end = [], 0
        for layer, arrays in zip(self.layers, self.arrays, strict=True):
            spans = {}
            for name, array in arrays.items():
                blocks.append(array.astype("<f4").tobytes())
                spans[name] = [end, end + array.size]
                end += array.size
            layers.append(layer | spans)
        if 4 * end > MOST_BYTES:
            raise DecoderError(
                f"The weights take {4 * end / 1024**2:,.0f} MB; at most {MOST_BYTES / 1024**2:.0f} MB can be sent."
            )
        height, width, channels = self.shape
        return Program(self.latent_dim, (height, width, channels), layers, b"".join(blocks), self.multiplications)


def add_modules(builder: Builder, decoder: nn.Sequential) -> None:
    """The layers of our own network."""
    for module in decoder:
        match module:
            case nn.Linear():
                builder.linear(module.weight, module.bias)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                tensors = dict(module.named_buffers()) | dict(module.named_parameters())
                builder.per_channel(*batch_norm_as_affine(tensors, module.eps))
            case nn.SiLU():
                builder.activation("SiLU")
            case nn.Sigmoid():
                builder.activation("sigmoid")
            case nn.Unflatten():
                channels, height, width = module.unflattened_size
                builder.unflatten((int(channels), int(height), int(width)))
            case nn.Conv2d():
                padding = int(module.padding[0])
                builder.conv(module.weight, module.bias, module.stride[0], padding, padding)
            case nn.ConvTranspose2d():
                padding, more = int(module.padding[0]), module.output_padding[0]
                builder.conv_transpose(module.weight, module.bias, module.stride[0], padding, padding - more)
            case _:
                raise DecoderError(f"The browser cannot run {type(module).__name__} layers.")


def as_numpy(tensor: Tensor) -> Weights:
    return tensor.detach().cpu().double().numpy()


def bias_of(bias: Tensor | None, n: int) -> Weights:
    return np.zeros(n) if bias is None else as_numpy(bias)
