"""Files that say what they are are run as they say: against the programs they were written for, and the authors'."""

import io
import json
import warnings
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint, inference
from latent.browser import live
from latent.checkpoint import Checkpoint
from latent.checkpoint.__main__ import main
from latent.errors import CheckpointError, DecoderError
from latent.model import LatentModel
from latent.space import LatentSpace
from tests.support.exhaustive import few_rows_of
from tests.support.javascript import ALLOWED as ALLOWED_IN_BROWSER
from tests.support.javascript import largest_differences, needs_node
from tests.support.known import apart, channels_first
from tests.support.models import FOREIGN

ALLOWED = 1e-8  # of the variance
TRUTH = json.loads((FOREIGN / "truth.json").read_text()) if FOREIGN.exists() else []
DESCRIBED = [
    row["file"]
    for row in TRUTH
    if row["file"].endswith((".keras", ".onnx")) or "full-model" in row["truth"]
]  # fmt: skip


@pytest.mark.skipif(not TRUTH, reason="the foreign checkpoints are not beside this checkout")
@pytest.mark.parametrize("file", DESCRIBED)
def test_a_published_file_gives_what_its_own_runtime_gives(file):
    loaded, published = checkpoint.load(FOREIGN / file), np.load(FOREIGN / "functions" / f"{file}.npz")
    assert loaded.described is not None
    assert not loaded.scored
    model = loaded.model()
    if "codes" in published:
        pictures = inference.decode(model, channels_first(published["codes"], published))
        assert apart(pictures, published["pictures"]) < ALLOWED
    if "image_codes" in published:
        codes = inference.encode(model, published["images"])
        assert apart(codes, channels_first(published["image_codes"], published)) < ALLOWED


KERAS3 = FOREIGN.parent / "cases" / "keras3"


@pytest.mark.skipif(not KERAS3.exists(), reason="the cases are not beside this checkout")
@pytest.mark.parametrize(
    ("file", "error"),
    few_rows_of(
        [("k_dense.keras", 0.0227), ("k_nested.keras", 0.0631), ("k_nested.h5", 0.0631), ("k_deep.weights.h5", 0.0365)],
        [("k_dense.keras", 0.0227), ("k_deep.weights.h5", 0.0365)],
    ),
)
def test_keras_3_files_are_read(file, error):
    assert LatentSpace.open(KERAS3 / file).test_error == pytest.approx(error, abs=2e-4)


# ------------------------------------------------------------------------------------------------ networks of authors


class Residual(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.first, self.norm, self.second = (
            nn.Conv2d(n, n, 3, padding=1),
            nn.GroupNorm(4, n),
            nn.Conv2d(n, n, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.norm(self.first(x))))


class ResidualVAE(nn.Module):
    """Noise in its forward, three outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.2),
            Residual(8),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.mu, self.logvar, self.up = nn.Linear(784, 6), nn.Linear(784, 6), nn.Linear(6, 784)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(16, 8, 4, 2, 1), Residual(8), nn.Upsample(scale_factor=2), nn.Conv2d(8, 1, 3, padding=1),
            nn.Sigmoid(),
        )  # fmt: skip

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.mu(self.encoder(x))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        return self.decoder(F.relu(self.up(z)).view(-1, 16, 7, 7))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(logvar) * torch.exp(0.5 * logvar)
        return self.decode(z, z), mu, logvar


class Attending(nn.Module):
    """Attention in its decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10), nn.Tanh())
        self.tokens, self.norm, self.out = nn.Linear(10, 112), nn.LayerNorm(16), nn.Linear(112, 784)
        self.query, self.key, self.value = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.enc(x)

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        t = self.tokens(z).view(-1, 7, 16)
        weights = torch.softmax(self.query(t) @ self.key(t).transpose(1, 2) / 4, dim=-1)
        t = self.norm(t + weights @ self.value(t))
        return torch.sigmoid(self.out(t.flatten(1))).view(-1, 1, 28, 28)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x, x), x)


class Conditional(nn.Module):
    """The class by an embedding, on both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 5)
        self.enc = nn.Sequential(nn.Linear(789, 32), nn.ELU(), nn.Linear(32, 4))
        self.dec = nn.Sequential(nn.Linear(9, 32), nn.GELU(), nn.Linear(32, 784), nn.Sigmoid())

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.enc(torch.cat([x.flatten(1), self.embedding(label)], 1))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        return self.dec(torch.cat([z, self.embedding(label)], 1)).view(-1, 1, 28, 28)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.decode(self.encode(x, label), label)


class Colour(nn.Module):
    """64 × 64 in colour, its code a map."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1),
            nn.InstanceNorm2d(8, affine=True),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 4, 3, 2, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(4, 16, 1), nn.SiLU(), nn.PixelShuffle(2), nn.ConvTranspose2d(4, 8, 3, 2, 1, 1), nn.PReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReflectionPad2d(1), nn.Conv2d(8, 3, 3), nn.Sigmoid(),
        )  # fmt: skip

    def encode(self, x: Tensor, label: Tensor) -> Tensor:
        return self.encoder(x).flatten(1)

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        return self.decoder(z.view(-1, 4, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


NETWORKS = {"residual VAE": ResidualVAE, "attention": Attending, "conditional": Conditional, "colour": Colour}
CLASSES = torch.tensor([1, 5, 7])


@cache
def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


def images_for(name: str, n: int) -> Tensor:
    return torch.rand(
        n, *((3, 64, 64) if name == "colour" else (1, 28, 28)), generator=torch.Generator().manual_seed(1)
    )


def onnx_bytes(module: nn.Module, args: tuple, opset: int, open_batch: bool, names: tuple[str, ...]) -> bytes:
    pytest.importorskip("onnxscript")
    buffer = io.BytesIO()
    axes = {name: {0: "n"} for name in names} if open_batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, args, buffer, opset_version=opset, dynamo=opset >= 18, input_names=list(names), verbose=False,
            **({"dynamic_axes": axes} if opset < 18 else {}),
        )  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "opset"),
    few_rows_of(
        [(name, opset) for name in NETWORKS for opset in (13, 18)],
        [*((name, 13) for name in NETWORKS), ("conditional", 18), ("colour", 18)],
    ),
)
def test_what_torch_exports_to_onnx_computes_the_same(name, opset):
    module, n = network(name), 1 if opset == 18 else 2
    given, names = ((images_for(name, n), CLASSES[:n]), ("image", "label")) if name == "conditional" else (
        (images_for(name, n),), ("image",)
    )  # fmt: skip
    loaded = checkpoint.parse(onnx_bytes(module, given, opset, opset == 13, names), "model.onnx")
    check_against(loaded, module, name)


def check_against(loaded: Checkpoint, module: nn.Module, name: str) -> None:
    """The codes and pictures of a file against those of the network that it was made of."""
    model, x = loaded.model(), images_for(name, 3)
    assert model.signature.conditional == (name == "conditional")
    assert model.signature.kind == ("vae" if "VAE" in name else "ae")
    one_hot = F.one_hot(CLASSES, 10).float()
    with torch.inference_mode():
        z = model.encode(x, one_hot)
        assert apart(z.numpy(), module.encode(x, CLASSES).numpy()) < ALLOWED
        assert apart(model.decode(z, one_hot).numpy(), module.decode(z, CLASSES).numpy()) < ALLOWED


def test_an_own_file_keeps_what_a_foreign_one_described(tmp_path):
    content = onnx_bytes(network("colour"), (images_for("colour", 2),), 13, True, ("image",))
    again = checkpoint.parse(checkpoint.to_bytes(checkpoint.parse(content, "a.onnx")), "own.pt")
    check_against(again, network("colour"), "colour")


def test_onnxruntime_and_the_graph_agree_on_the_operations_of_old_opsets():
    onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    helper, rng = onnx.helper, np.random.default_rng(0)

    def tensor(name, *shape):
        return onnx.numpy_helper.from_array(rng.normal(0, 0.2, shape).astype(np.float32), name)

    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        node("Conv", ["a", "w1"], ["b"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
        node("Clip", ["b"], ["c"], min=0.0, max=6.0),
        node("AveragePool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["d"], ["e"]),
        node("Gemm", ["e", "w2", "b2"], ["code"], alpha=0.5, transB=1),
        node("MatMul", ["code", "w3"], ["f"]),
        node("Reshape", ["f", "shape"], ["g"]),
        node("ConvTranspose", ["g", "w4"], ["h"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
        node("Upsample", ["h", "scales"], ["i"], mode="nearest"),
        node("Pad", ["i"], ["j"], pads=[0, 0, 0, 0, 0, 0, 0, 0]),
        node("Slice", ["j"], ["k"], axes=[2, 3], starts=[0, 0], ends=[28, 28]),
        node("Transpose", ["k"], ["l"], perm=[0, 2, 3, 1]),
        node("Sigmoid", ["l"], ["y"]),
    ]
    weights = [
        tensor("w1", 4, 1, 3, 3), tensor("w2", 8, 196), tensor("b2", 8), tensor("w3", 8, 196), tensor("w4", 4, 1, 3, 3),
        onnx.numpy_helper.from_array(np.array([-1, 4, 7, 7], np.int64), "shape"),
        onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"),
    ]  # fmt: skip
    value = [helper.make_tensor_value_info(name, 1, ["n", 28, 28, 1]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], weights)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=6).SerializeToString()
    x = rng.random((3, 28, 28, 1), np.float32)
    (right,) = onnxruntime.InferenceSession(content).run(None, {"x": x})
    model = checkpoint.parse(content, "tf.onnx").model()
    assert model.signature.latent_dim == 8
    with torch.inference_mode():
        found = model.decode(model.encode(torch.from_numpy(x).movedim(-1, 1)))
    assert apart(found.movedim(1, -1).numpy(), right) < ALLOWED


# ------------------------------------------------------------------------------------------------------- two files


def test_an_encoder_and_a_decoder_side_by_side_are_one_model(tmp_path, capsys):
    module, x = network("colour"), images_for("colour", 2)
    folder, apart_folder = tmp_path / "model", tmp_path / "apart"
    folder.mkdir()
    apart_folder.mkdir()
    encoder = onnx_bytes(module.encoder, (x,), 13, True, ("x",))
    decoder = onnx_bytes(module.decoder, (torch.rand(2, 4, 8, 8),), 13, True, ("z",))
    (folder / "encoder.onnx").write_bytes(encoder)
    (folder / "decoder.onnx").write_bytes(decoder)
    assert checkpoint.find(folder) == [folder / "decoder.onnx"]
    for name in ("encoder", "decoder"):
        loaded = checkpoint.load(folder / f"{name}.onnx")
        check_against(loaded, module, "colour")
        assert loaded.sha256 == checkpoint.fingerprint(folder / "decoder.onnx")
    (apart_folder / "first.onnx").write_bytes(encoder)
    (apart_folder / "second.onnx").write_bytes(decoder)
    assert main([str(apart_folder / "first.onnx"), str(apart_folder / "second.onnx"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["latent_dim"], found["image_shape"]) == (True, 256, [3, 64, 64])
    with pytest.raises(CheckpointError, match="encoder-only file"):
        LatentSpace.open(apart_folder / "first.onnx")
    assert not LatentSpace.open(apart_folder / "second.onnx").signature.has_encoder


# ------------------------------------------------------------------------------------------------------- in the browser


class Plain(nn.Module):
    """A decoder of a single path, as a browser runs it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 98), nn.ReLU(), nn.Unflatten(1, (2, 7, 7)), nn.ConvTranspose2d(2, 8, 3, 2, 1, 1),
            nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(8, 1, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


@needs_node
def test_a_decoder_of_a_single_path_draws_in_javascript_what_torch_draws(keras, modules, tmp_path):
    torch.manual_seed(0)
    plain = onnx_bytes(Plain().eval(), (torch.rand(2, 6),), 13, True, ("z",))
    layers = keras.layers
    decoder = keras.Sequential([
        layers.Input((4,)), layers.Dense(7 * 7 * 3, activation="relu"), layers.Reshape((7, 7, 3)),
        layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="elu"), layers.UpSampling2D(2),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ])  # fmt: skip
    decoder.save(tmp_path / "model.keras")
    models = [checkpoint.parse(plain, "z.onnx").model(), checkpoint.load(tmp_path / "model.keras").model()]
    codes = [np.random.default_rng(0).normal(size=(4, m.signature.latent_dim)).astype(np.float32) for m in models]
    assert max(largest_differences(modules, models, codes)) <= ALLOWED_IN_BROWSER


class Grouped(nn.Module):
    """A decoder with group and instance normalisations, with scales of their own and without."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 392), nn.Unflatten(1, (8, 7, 7)), nn.GroupNorm(4, 8, 1e-3), nn.SiLU(),
            nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.InstanceNorm2d(6, affine=True), nn.ReLU(),
            nn.ConvTranspose2d(6, 4, 4, 2, 1), nn.InstanceNorm2d(4), nn.GroupNorm(1, 4, affine=False),
            nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip
        for layer in (self.layers[2], self.layers[5]):
            nn.init.uniform_(layer.weight, -2, 2)
            nn.init.uniform_(layer.bias, -1, 1)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


@needs_node
@pytest.mark.filterwarnings("ignore")
def test_group_and_instance_normalisations_draw_in_javascript_what_torch_draws(modules):
    torch.manual_seed(0)
    buffer, decoder = io.BytesIO(), Grouped().eval()
    torch.export.save(torch.export.export(decoder, (torch.rand(2, 6),)), buffer)
    model = checkpoint.parse(buffer.getvalue(), "z.pt2").model()
    codes = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    with torch.inference_mode():
        right = decoder(torch.from_numpy(codes)).numpy()
    assert np.abs(inference.decode(model, codes) - right[:, 0]).max() <= ALLOWED_IN_BROWSER
    assert {"group_norm"} <= {layer["op"] for layer in live.compile(model).layers}
    assert max(largest_differences(modules, [model], [codes])) <= ALLOWED_IN_BROWSER


def exported(name: str) -> LatentModel:
    """A network of this file as it is opened from ONNX."""
    content = onnx_bytes(network(name), (images_for(name, 1),), 18, False, ("image",))
    return checkpoint.parse(content, "model.onnx").model()


@needs_node
def test_a_decoder_whose_paths_part_draws_in_javascript_what_torch_draws(modules):
    model = exported("residual VAE")
    codes = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    assert "add" in {layer["op"] for layer in live.compile(model).layers}
    assert max(largest_differences(modules, [model], [codes])) <= ALLOWED_IN_BROWSER


def test_a_decoder_with_attention_is_left_to_the_server():
    with pytest.raises(DecoderError, match="The browser cannot run"):
        live.compile(exported("attention"))


# ------------------------------------------------------------------------------------------------ scales of pixels


class Scaled(nn.Module):
    """An autoencoder that brings pixels into another scale itself: times a factor plus an offset."""

    def __init__(self, factor: float, offset: float, last: nn.Module) -> None:
        super().__init__()
        self.factor, self.offset, self.last = factor, offset, last
        self.encoder, self.decoder = nn.Linear(784, 5), nn.Linear(5, 784)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.encoder((x * self.factor + self.offset).flatten(1))
        return self.last(self.decoder(z)).view(-1, 1, 28, 28)


class Centred(nn.Module):
    """Pixels around 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x) - 0.5


class Standardised(nn.Module):
    """Pixels by the mean and the standard deviation of MNIST's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (torch.sigmoid(x) - 0.1307) / 0.3081


@pytest.mark.parametrize(
    ("factor", "offset", "last", "scales"),
    [
        (2.0, -1.0, nn.Tanh(), ("[0, 1]", "[-1, 1]")),
        (1 / 0.3081, -0.1307 / 0.3081, nn.Sigmoid(), ("[0, 1]", "[0, 1]")),
        (2 / 255, -1.0, nn.Tanh(), ("[0, 255]", "[-1, 1]")),
        (0.5, 0.5, nn.Sigmoid(), ("[-1, 1]", "[0, 1]")),
        (1.0, -0.5, Centred(), ("[0, 1]", "[-0.5, 0.5]")),
        (1.0, -0.5, Standardised(), ("[0, 1]", "standardised")),
    ],
)
def test_a_scale_that_the_operations_bring_pixels_into_tells_in_which_they_come(factor, offset, last, scales):
    module = Scaled(factor, offset, last).eval()
    content = onnx_bytes(module, (torch.rand(2, 1, 28, 28),), 13, True, ("image",))
    described = checkpoint.parse(content, "scaled.onnx").described
    assert (described.pixels_in, described.pixels_out) == scales
    assert described.why == "in and out as its operations say"
