"""Networks of many styles, written in every format and read back: ``python -m tests.support.round_trips`` for a table.

A cell is the largest difference of a pixel between the network's own reconstruction and that of the file.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint, exporting
from latent.checkpoint import Checkpoint
from latent.dataset import Dataset
from latent.errors import LatentError
from tests.support import keras_styles, published, unusual
from tests.support.unusual import mean_of

ALLOWED = 1e-5
SYMMETRIC = (unusual.Colour, unusual.Tiny, unusual.KL)  # pixels from -1 to 1
PIXELS = {
    "[0, 1]": (1.0, 0.0),
    "[-1, 1]": (2.0, -1.0),
    "[-0.5, 0.5]": (1.0, -0.5),
    "[0, 255]": (255.0, 0.0),
}  # factor, offset
CONDITIONAL = {"conditional", *published.CONDITIONAL}
NAMES = [*unusual.NETWORKS, *published.NETWORKS]
Given = tuple[Tensor, ...]


def network(name: str) -> nn.Module:
    """A network of either file, in evaluation mode; the same weights each time."""
    return (unusual if name in unusual.NETWORKS else published).network(name)


def onnx(opset: int, any_batch: bool = False) -> Callable[[nn.Module, Given], bytes]:
    def write(module: nn.Module, given: Given) -> bytes:
        names = ["x", "classes"][: len(given)]
        open_axes = {name: {0: "batch"} for name in names} if any_batch else None
        buffer = io.BytesIO()
        torch.onnx.export(
            module, given, buffer, opset_version=opset, dynamo=opset >= 18, verbose=False, input_names=names,
            dynamic_axes=open_axes,
        )  # fmt: skip
        return buffer.getvalue()

    return write


def torchscript(make: Callable[[nn.Module, Given], object]) -> Callable[[nn.Module, Given], bytes]:
    def write(module: nn.Module, given: Given) -> bytes:
        buffer = io.BytesIO()
        torch.jit.save(make(module, given), buffer)
        return buffer.getvalue()

    return write


def exported(any_batch: bool) -> Callable[[nn.Module, Given], bytes]:
    def write(module: nn.Module, given: Given) -> bytes:
        open_axes = tuple({0: torch.export.Dim.DYNAMIC} for _ in given) if any_batch else None
        buffer = io.BytesIO()
        torch.export.save(torch.export.export(module, given, dynamic_shapes=open_axes), buffer)
        return buffer.getvalue()

    return write


def by_latent(module: nn.Module, given: Given) -> bytes:
    x, *classes = given
    scale, condition = ((-1, 1) if isinstance(module, SYMMETRIC) else (0, 1)), "index" if classes else None
    images = np.random.default_rng(0).integers(0, 256, (10, *x.shape[2:], x.shape[1]), np.uint8)
    judged = Dataset.of(images.squeeze(-1) if x.shape[1] == 1 else images, np.arange(10), tuple("abcdefghij"))
    return checkpoint.to_bytes(exporting.exported(module.encode, module.decode, judged, scale, None, condition))


FORMATS: dict[str, Callable[[nn.Module, Given], bytes]] = {
    "ONNX 13": onnx(13), "ONNX 18": onnx(18), "ONNX 11, any batch": onnx(11, any_batch=True),
    ".pt2": exported(any_batch=False), ".pt2, any batch": exported(any_batch=True),
    "traced": torchscript(lambda module, given: torch.jit.trace(module, given, check_trace=False)),
    "scripted": torchscript(lambda module, given: torch.jit.script(module)),
    "frozen": torchscript(lambda module, given: torch.jit.freeze(torch.jit.trace(module, given, check_trace=False))),
    "latent.export": by_latent,
}  # fmt: skip


def example(name: str, n: int = 2) -> Given:
    """Images, and their classes where the network takes them."""
    x = torch.rand(n, *network(name).image, generator=torch.Generator().manual_seed(0))
    return (x, torch.arange(1, n + 1)) if name in CONDITIONAL else (x,)


def written(name: str, format: str) -> bytes:
    """The network of a style in a format. Raises whatever torch raises where it cannot write it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FORMATS[format](network(name), example(name))


def difference(loaded: Checkpoint, name: str) -> float:
    """The largest difference of a pixel from the network's own, pixels in [0, 1]; infinite where it was not run."""
    if loaded.described is None:
        return float("inf")
    model, module = loaded.model(), network(name)
    x = torch.rand(3, *model.signature.image_shape, generator=torch.Generator().manual_seed(1))
    classes = (torch.tensor([1, 5, 7]),) if name in CONDITIONAL else ()
    one_hot = F.one_hot(classes[0], 10).float() if classes else None
    (factor, offset), (out, shift) = (PIXELS[loaded.described.pixels_in], PIXELS[loaded.described.pixels_out])
    with torch.inference_mode():
        right = module.decode(mean_of(module.encode(x * factor + offset, *classes)), *classes)
        found = model.decode(model.encode(x, one_hot), one_hot)
    return float((found - ((right - shift) / out).clamp(0, 1)).abs().max())


def cell(name: str, format: str) -> str:
    """What becomes of a network in a format, for the table."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # torch prints the network that it cannot write
            content = written(name, format)
    except LatentError as error:  # of `latent.export`
        print(f"{name}, {format}: {error}", file=sys.stderr)
        return type(error).__name__
    except Exception:  # torch has many kinds for what it cannot write
        return "not written"
    try:
        return f"{difference(checkpoint.parse(content, 'model'), name):.0e}"
    except Exception as error:
        print(f"{name}, {format}: {error}", file=sys.stderr)
        return type(error).__name__


def show(rows: Iterable[str], columns: Iterable[str], cell_of: Callable[[str, str], str]) -> None:
    """A table in Markdown, with how many of each column were read right."""
    columns = list(columns)
    print("| network | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    found: dict[str, list[str]] = {column: [] for column in columns}
    for row in rows:
        for column in columns:
            found[column].append(cell_of(row, column))
        print(f"| {row} | " + " | ".join(cells[-1] for cells in found.values()) + " |", flush=True)
    print("| read right | " + " | ".join(map(share_right, found.values())) + " |\n")


def share_right(cells: list[str]) -> str:
    """How many of what was written were read right.

    >>> share_right(["1e-07", "not written", "CheckpointError", "inf"])
    '1 of 3'
    """
    written = [each for each in cells if each != "not written"]
    return f"{sum(each[:1].isdigit() and float(each) <= ALLOWED for each in written)} of {len(written)}"


def main() -> None:
    show(NAMES, FORMATS, cell)
    keras = keras_styles.keras()
    show(keras_styles.STYLES, keras_styles.ENDINGS, partial(keras_styles.cell, keras))


if __name__ == "__main__":
    sys.exit(main())
