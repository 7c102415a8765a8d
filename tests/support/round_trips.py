"""Networks of many styles, written in every format and read back: ``python -m tests.support.round_trips`` for a table.

A cell is the largest difference of a pixel between the network's own reconstruction and that of the file.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint
from latent.checkpoint import Checkpoint
from tests.support.unusual import NETWORKS, mean_of, network

ALLOWED = 1e-5
PIXELS = {"[0, 1]": (1.0, 0.0), "[-1, 1]": (2.0, -1.0)}
Given = tuple[Tensor, ...]


def onnx(opset: int) -> Callable[[nn.Module, Given], bytes]:
    def write(module: nn.Module, given: Given) -> bytes:
        buffer = io.BytesIO()
        torch.onnx.export(module, given, buffer, opset_version=opset, dynamo=opset >= 18, verbose=False)
        return buffer.getvalue()

    return write


def torchscript(make: Callable[[nn.Module, Given], object]) -> Callable[[nn.Module, Given], bytes]:
    def write(module: nn.Module, given: Given) -> bytes:
        buffer = io.BytesIO()
        torch.jit.save(make(module, given), buffer)
        return buffer.getvalue()

    return write


def exported(module: nn.Module, given: Given) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(module, given), buffer)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[nn.Module, Given], bytes]] = {
    "ONNX 13": onnx(13), "ONNX 18": onnx(18), ".pt2": exported,
    "traced": torchscript(lambda module, given: torch.jit.trace(module, given, check_trace=False)),
    "scripted": torchscript(lambda module, given: torch.jit.script(module)),
    "frozen": torchscript(lambda module, given: torch.jit.freeze(torch.jit.trace(module, given, check_trace=False))),
}  # fmt: skip


def example(name: str, n: int = 2) -> Given:
    """Images, and their classes where the network takes them."""
    x = torch.rand(n, *NETWORKS[name].image, generator=torch.Generator().manual_seed(0))
    return (x, torch.arange(1, n + 1)) if name == "conditional" else (x,)


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
    classes = (torch.tensor([1, 5, 7]),) if name == "conditional" else ()
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
    except Exception:  # torch has many kinds for what it cannot write
        return "not written"
    try:
        return f"{difference(checkpoint.parse(content, 'model'), name):.0e}"
    except Exception as error:
        return type(error).__name__


def main() -> None:
    print("| network | " + " | ".join(FORMATS) + " |\n|---|" + "---|" * len(FORMATS))
    passed = dict.fromkeys(FORMATS, 0)
    n_written = dict.fromkeys(FORMATS, 0)
    for name in NETWORKS:
        cells = []
        for format in FORMATS:
            found = cell(name, format)
            n_written[format] += found != "not written"
            passed[format] += found[:1].isdigit() and float(found) <= ALLOWED
            cells.append(found)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("| read right | " + " | ".join(f"{passed[each]} of {n_written[each]}" for each in FORMATS) + " |")


if __name__ == "__main__":
    sys.exit(main())
