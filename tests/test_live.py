"""The decoder in the browser: the program against torch, in Node; the component in a real Chromium."""

import contextlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from authors import AUTHORS
from conftest import CHECKPOINTS, ROOT, tiny
from test_reading import TRUTH, published
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from latent import checkpoint, data, inference, interpolation, live
from latent.chains import chains
from latent.errors import CheckpointError, DecoderError
from latent.layers import in_torch_layout, layers_of
from latent.network import Network
from latent.reading import ACTIVATIONS, OUTPUTS, Reading
from latent.search import Scored, first_readings

NODE = shutil.which("node") or shutil.which("nodejs")
ALLOWED = 1e-4  # a pixel

needs_node = pytest.mark.skipif(NODE is None, reason="no Node was found, which runs the JavaScript outside a browser")

# Decodes every parcel it is given and writes the pictures behind one another.
DECODE = """
import { readFileSync, writeSync } from "node:fs"
import { decoder } from "./decoder.js"
import { unpack } from "./parcel.js"
for (const path of process.argv.slice(2)) {
  const { program, weights, codes, digits } = unpack(readFileSync(path))
  const decode = decoder(program, weights)
  const n = program.latent_dim
  digits.forEach((digit, row) => {
    const picture = decode(codes.subarray(row * n, (row + 1) * n), digit)
    writeSync(1, new Uint8Array(picture.buffer, picture.byteOffset, picture.byteLength))
  })
}
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory) -> Path:
    """The JavaScript where Node takes it for modules."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("decoder.js", "live.js", "parcel.js"):
        shutil.copy(ROOT / "latent" / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "decode.js").write_text(DECODE)
    return folder


def node(modules: Path, *arguments: object) -> bytes:
    assert NODE is not None
    return subprocess.run([NODE, *map(str, arguments)], cwd=modules, check=True, capture_output=True).stdout


def largest_differences(modules: Path, models: list, codes: list) -> list[float]:
    """For each model the largest difference of a pixel between JavaScript and torch over its codes."""
    paths, expected = [], []
    for index, (model, z) in enumerate(zip(models, codes, strict=True)):
        program, digits = live.compile(model), np.arange(len(z)) % 10
        weights = np.frombuffer(program.weights, "<f4")
        values = {"program": program.to_dict(), "weights": weights, "codes": z, "digits": digits.astype(np.uint8)}
        paths.append(modules / f"{index}.parcel")
        paths[-1].write_bytes(live.parcel("test", **values))
        expected.append(inference.decode(model, z, digits).reshape(len(z), -1))
    found = np.frombuffer(node(modules, "decode.js", *paths), np.float32)
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


@needs_node
def test_every_shipped_checkpoint_draws_in_javascript_what_torch_draws(modules):
    models = [checkpoint.load(path).model() for path in sorted(CHECKPOINTS.glob("*.pt"))]
    assert len(models) >= 7
    assert max(largest_differences(modules, models, list(map(real_codes, models)))) <= ALLOWED


@needs_node
@pytest.mark.skipif(not TRUTH, reason="the foreign checkpoints are not beside this checkout")
def test_every_published_file_that_is_read_draws_in_javascript_what_torch_draws(modules):
    models = []
    for truth in TRUTH:
        with contextlib.suppress(CheckpointError):
            models.append(published(truth["file"]).model)
    assert len(models) >= len([truth for truth in TRUTH if not truth["file"].endswith(".h5")])
    assert max(largest_differences(modules, models, list(map(real_codes, models)))) <= ALLOWED


def lively(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights before training, but larger, and with normalisations that do something."""
    rng = torch.Generator().manual_seed(0)
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=rng)
            state[name] = noise + 0.5 if name.endswith("running_var") else noise * 0.4 - 0.2
            if tensor.ndim > 1:
                state[name] *= 12 / tensor[0].numel() ** 0.5
    return state


def keras(*sizes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Weights of a Keras file, by the shapes of its kernels: channels last, padded to keep the side."""
    rng = torch.Generator().manual_seed(0)
    kernels = {f"layer_{index}/kernel:0": torch.randn(size, generator=rng) for index, size in enumerate(sizes)}
    return {name: 3 * kernel / kernel[..., 0].numel() ** 0.5 for name, kernel in kernels.items()}


# Shapes and layers that none of the authors has.
OTHERS = {
    "PReLU": lambda: lively(
        nn.Sequential(
            nn.Linear(784, 30), nn.PReLU(30), nn.Linear(30, 6), nn.Linear(6, 30), nn.PReLU(), nn.Linear(30, 784)
        )
    ),
    "PReLU on maps": lambda: lively(
        nn.Sequential(
            nn.Conv2d(1, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1), nn.Flatten(), nn.Linear(392, 5), nn.Linear(5, 392),
            nn.Unflatten(1, (8, 7, 7)), nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.PReLU(6),
            nn.ConvTranspose2d(6, 1, 4, 2, 1),
        )
    ),
    "colours, flat": lambda: lively(
        nn.Sequential(nn.Linear(2352, 20), nn.Linear(20, 6), nn.Linear(6, 20), nn.Linear(20, 2352))
    ),
    "colours, on maps": lambda: lively(
        nn.Sequential(
            nn.Conv2d(3, 6, 4, 2, 1), nn.Conv2d(6, 4, 4, 2, 1), nn.ConvTranspose2d(4, 6, 4, 2, 1),
            nn.ConvTranspose2d(6, 3, 4, 2, 1),
        )
    ),
    "normalised before": lambda: lively(
        nn.Sequential(nn.Linear(784, 20), nn.Linear(20, 6), nn.BatchNorm1d(6), nn.Linear(6, 20), nn.Linear(20, 784))
    ),
    "dense behind maps": lambda: lively(
        nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.Conv2d(6, 4, 3, 2, 1), nn.Flatten(), nn.Linear(196, 784))
    ),
    "Keras, dense behind maps": lambda: keras((3, 3, 1, 6), (3, 3, 6, 4), (196, 784)),
    "Keras": lambda: keras(
        (3, 3, 1, 6), (3, 3, 6, 8), (392, 4), (4, 392), (3, 3, 8, 8), (3, 3, 6, 8), (3, 3, 1, 6)
    ),
    "Keras, kernels of 4": lambda: keras(
        (4, 4, 1, 6), (4, 4, 6, 8), (392, 4), (4, 392), (4, 4, 8, 6), (4, 4, 6, 1)
    ),
}  # fmt: skip


def some_readings(tensors: dict[str, torch.Tensor], rng: np.random.Generator, n: int = 6) -> list[Reading]:
    """Readings that the shapes allow, whatever they would draw, with every open choice made by lot."""
    turned, channels_last = in_torch_layout(tensors)
    (chain, *_) = chains(layers_of({name: tensor.float() for name, tensor in turned.items()}))
    readings = list(first_readings(chain, {}, wide=False, channels_last=channels_last))
    return [
        replace(
            readings[index % len(readings)],
            gaps=tuple(map(str, rng.choice(list(ACTIVATIONS), len(chain.links)))),
            norm_gap=str(rng.choice(["none", "GELU"])), output=str(rng.choice(list(OUTPUTS))),
            label_first=bool(rng.integers(2)), upsampling=str(rng.choice(["nearest", "bilinear"])),
        )
        for index in range(n)
    ]  # fmt: skip


@needs_node
def test_whatever_the_reader_can_read_draws_in_javascript_what_torch_draws(modules):
    rng = np.random.default_rng(0)
    states = {name: lively(author.build()) for name, author in AUTHORS.items()} | {
        name: make() for name, make in OTHERS.items()
    }
    found: list[tuple[str, Network]] = []
    for name, state in states.items():
        found += [(name, Network([Scored(reading, 0.0)])) for reading in some_readings(state, rng)]
    models = [model for _, model in found]
    codes = [rng.standard_normal((10, model.signature.latent_dim)).astype(np.float32) for model in models]
    differences = largest_differences(modules, models, codes)
    assert not [(name, worst) for (name, _), worst in zip(found, differences, strict=True) if worst > ALLOWED]

    layers = [layer for model in models for layer in live.compile(model).layers]
    assert {layer.get("name") for layer in layers} >= set(ACTIVATIONS) - {"none"}
    assert {layer.get("mode") for layer in layers} >= {"nearest", "bilinear"}
    assert {layer["op"] for layer in layers} >= {"label", "prelu", "affine", "reshape", "channels_first", "conv"}
    assert {model.reading.output for model in models} == set(OUTPUTS) == set(live.OUTPUTS)


@pytest.mark.parametrize("name", ["ae-16", "vae-2"])
def test_multiplications_are_those_that_torch_counts(name):
    model = checkpoint.load(CHECKPOINTS / f"{name}.pt").model()
    assert live.compile(model).multiplications == counted(model)


def test_multiplications_of_every_kind_of_layer_are_those_that_torch_counts():
    rng = np.random.default_rng(1)
    for name in ("upsampled", "all convolution", "conditional", "functional"):
        for reading in some_readings(lively(AUTHORS[name].build()), rng, 3):
            model = Network([Scored(reading, 0.0)])
            assert live.compile(model).multiplications == counted(model)


def counted(model) -> int:
    """Multiplications for one picture, as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode(False):
        model.decode(torch.zeros(1, model.signature.latent_dim), torch.zeros(1, 10))
    return counter.get_total_flops() // 2  # it counts additions too


def test_normalisations_are_folded_into_the_weights_before_them():
    model = checkpoint.load(CHECKPOINTS / "ae-16.pt").model()
    program = live.compile(model)
    assert {layer["op"] for layer in program.layers} == {
        "linear", "activation", "channels_last", "conv_transpose", "conv"
    }  # fmt: skip
    weights = sum(p.numel() for p in model.decoder.parameters() if p.ndim > 1)
    biases = sum(layer["shape"][-1] for layer in program.layers if "bias" in layer)
    assert len(program.weights) == 4 * (weights + biases)


class Stranger(nn.Module):
    signature = tiny().model().signature


def with_layer(layer: nn.Module):
    model = tiny().model()
    model.decoder.append(layer)
    return model


def with_pool():
    (reading, *_) = some_readings(lively(AUTHORS["pooled"].build()), np.random.default_rng(0))
    return Network([Scored(replace(reading, code=1), 0.0)])  # the code before the second pool


REFUSED = {
    "a layer of our own network": (lambda: with_layer(nn.Softmax(1)), "Softmax"),
    "a pool": (with_pool, "pool"),
    "another network": (Stranger, "Stranger"),
    "too much work": (lambda: tiny(image_shape=(1, 2000, 2000)).model(), r"\d+ million multiplications.* 60 million"),
    "too many weights": (lambda: tiny(image_shape=(1, 2000, 2000)).model(), "MB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_in_the_browser_is_refused_in_one_sentence_that_says_why(name, monkeypatch):
    make, words = REFUSED[name]
    if name == "too many weights":
        monkeypatch.setattr(live, "MOST_MULTIPLICATIONS", 10**12)
        monkeypatch.setattr(live, "MOST_BYTES", 2**20)
    with pytest.raises(DecoderError, match=words) as caught:
        live.compile(make())
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@needs_node
def test_a_parcel_brings_what_was_put_in(modules):
    """Names of two bytes a letter and arrays of odd lengths, so that what follows has to be aligned."""
    values = {"text": "größer ✓", "nothing": None, "bytes": b"abc", "floats": np.array([1.5, -2], np.float64)}
    (modules / "odd.parcel").write_bytes(live.parcel("näme", **values, last=np.arange(5, dtype=np.uint8)))
    script = """
        import { readFileSync } from "node:fs"
        import { unpack } from "./parcel.js"
        const { bytes, floats, last, ...rest } = unpack(readFileSync("odd.parcel"))
        console.log(JSON.stringify([[...bytes], [...floats], [...last], rest]))
    """
    found = json.loads(node(modules, "--input-type=module", "--eval", script))
    rest = {"name": "näme", "text": "größer ✓", "nothing": None}
    assert found == [[97, 98, 99], [1.5, -2], [0, 1, 2, 3, 4], rest]


def called(modules: Path, name: str, calls: list) -> list:
    """What a function of live.js gives for each list of arguments."""
    script = f"""
        import {{ {name} }} from "./live.js"
        const plain = (value) => (ArrayBuffer.isView(value) ? [...value] : value)
        const found = {json.dumps(calls)}.map((call) => {name}(...call))
        console.log(JSON.stringify(found, (key, value) => plain(value)))
    """
    return json.loads(node(modules, "--input-type=module", "--eval", script))


@needs_node
@pytest.mark.parametrize(("name", "path"), [("lerp", interpolation.lerp), ("slerp", interpolation.slerp)])
def test_the_way_between_kept_codes_is_that_of_the_interpolate_section(modules, name, path):
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, 5)) for _ in range(3)]
    pairs += [np.array([[1.0, 2, 3], [2, 4, 6]]), np.array([[0.0, 0], [1, 2]]), np.array([[1.0, 0], [1, 0]])]
    calls = [[a.tolist(), b.tolist(), t] for a, b in pairs for t in (0, 0.3, 1)]
    expected = [path(a, b, t)[0] for a, b, t in calls]
    for found, want in zip(called(modules, name, calls), expected, strict=True):
        assert np.allclose(found, want, atol=1e-6)


@needs_node
def test_the_nearest_codes_are_those_of_a_full_sort(modules):
    rng = np.random.default_rng(0)
    codes, queries = rng.standard_normal((300, 4)), rng.standard_normal((5, 4))
    calls = [[codes.ravel().tolist(), query.tolist(), 20] for query in queries]
    for query, found in zip(queries, called(modules, "nearest", calls), strict=True):
        distances = np.linalg.norm(codes - query, axis=1)
        assert found["places"] == np.argsort(distances)[:20].tolist()
        assert np.allclose(found["distances"], np.sort(distances)[:20])
