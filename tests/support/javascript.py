"""The decoder's JavaScript outside a browser, in Node: what it draws against what torch draws."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from latent import data, inference
from latent.browser import live
from latent.browser.inbox import parcel

NODE = shutil.which("node") or shutil.which("nodejs")
ALLOWED = 1e-4  # a pixel

needs_node = pytest.mark.skipif(NODE is None, reason="no Node was found, which runs the JavaScript outside a browser")

# Decodes every parcel it is given and writes the pictures behind one another.
DECODE = """
import { readFileSync, writeSync } from "node:fs"
import { decoder } from "./decoder.js"
import { unpack } from "./inbox.js"
const [how, ...paths] = process.argv.slice(2)
if (how === "javascript") delete globalThis.WebAssembly
for (const path of paths) {
  const { program, weights, codes, digits } = unpack(readFileSync(path))
  const decode = decoder(program, weights)
  const n = program.latent_dim
  digits.forEach((digit, row) => {
    const picture = decode(codes.subarray(row * n, (row + 1) * n), digit)
    writeSync(1, new Uint8Array(picture.buffer, picture.byteOffset, picture.byteLength))
  })
}
"""


def node(modules: Path, *arguments: object) -> bytes:
    assert NODE is not None
    return subprocess.run([NODE, *map(str, arguments)], cwd=modules, check=True, capture_output=True).stdout


def largest_differences(modules: Path, models: list, codes: list, how: str = "webassembly") -> list[float]:
    """For each model the largest difference of a pixel between JavaScript and torch over its codes; ``how``
    "javascript": in an engine without WebAssembly."""
    paths, expected = [], []
    for index, (model, z) in enumerate(zip(models, codes, strict=True)):
        program, digits = live.compile(model), np.arange(len(z)) % 10
        weights = np.frombuffer(program.weights, "<f4")
        values = {"program": program.to_dict(), "weights": weights, "codes": z, "digits": digits.astype(np.uint8)}
        paths.append(modules / f"{index}.parcel")
        paths[-1].write_bytes(parcel("test", **values))
        expected.append(inference.decode(model, z, digits).reshape(len(z), -1))
    (modules / "decode.js").write_text(DECODE)
    found = np.frombuffer(node(modules, "decode.js", how, *paths), np.float32)
    ends = np.cumsum([pictures.size for pictures in expected])
    assert len(found) == ends[-1]
    parts = np.split(found, ends[:-1])
    return [float(np.abs(part - want.ravel()).max()) for part, want in zip(parts, expected, strict=True)]


def real_codes(model, n: int = 100) -> np.ndarray:
    """Codes of real digits, or where the model has no encoder, of noise."""
    if not model.signature.has_encoder:
        return np.random.default_rng(0).standard_normal((n, model.signature.latent_dim)).astype(np.float32)
    images, labels = data.evaluation_digits()
    fitted = data.fit(images[:n], model.signature.image_shape)
    return inference.encode(model, fitted, labels[:n])
