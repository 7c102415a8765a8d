"""What stands beside the mean of a VAE that its file describes: followed through the graph, by the noise that it
multiplies, or told by the names of outputs."""

import contextlib
import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint, inference
from latent.data import evaluation_digits
from latent.errors import CheckpointError
from latent.space import LatentSpace
from tests.support import keras_styles

ALLOWED = 1e-4
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own

Both = tuple[Tensor, Tensor]


class VAE(nn.Module):
    """Two dense heads; ``way`` says how its second is a spread, and what is given beside the picture."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way = way
        self.body, self.mean, self.second = nn.Linear(784, 20), nn.Linear(20, 5), nn.Linear(20, 5)
        self.decoder = nn.Linear(5, 784)

    def heads(self, x: Tensor) -> Both:
        h = F.relu(self.body(x.flatten(1)))
        return self.mean(h), self.second(h)

    def log_variance(self, x: Tensor) -> Tensor:
        _, second = self.heads(x)
        match self.way:
            case "softplus":
                return 2 * F.softplus(second).log()
            case "log-deviation":
                return 2 * second
        return second

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        mean, second = self.heads(x)
        if self.way == "not sampled":
            return self.picture(mean), mean, second
        z = mean + (0.5 * self.log_variance(x)).exp() * torch.randn_like(mean)
        if self.way == "softplus":
            z = mean + torch.randn_like(mean) * F.softplus(second)
        return (self.picture(z), mean, second) if self.way == "three outputs" else self.picture(z)

    def picture(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(z)).view(-1, 1, 28, 28)


def onnx(module: nn.Module, given: Tensor, inputs: list[str], outputs: list[str] | None) -> bytes:
    pytest.importorskip("onnx")
    buffer = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            module, (given,), buffer, opset_version=13, dynamo=False, input_names=inputs, output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in inputs}, verbose=False,
        )  # fmt: skip
    return buffer.getvalue()


def exported(module: nn.Module, x: Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(module, (x,)), buffer)
    return buffer.getvalue()


def traced(module: nn.Module, x: Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, (x,), check_trace=False), buffer)
    return buffer.getvalue()


FORMATS = {"onnx": lambda module, x: onnx(module, x, ["x"], None), "pt2": exported, "ts": traced}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("way", ["log-variance", "softplus", "log-deviation", "three outputs", "not sampled"])
def test_the_spread_is_followed_through_the_graph(way, ending):
    module, x = VAE(way).eval(), torch.rand(2, 1, 28, 28)
    found = checkpoint.parse(FORMATS[ending](module, x), f"vae.{ending}")
    for loaded in (found, checkpoint.parse(checkpoint.to_bytes(found), "own.pt")):
        model = loaded.model()
        with torch.inference_mode():
            mean, logvar = model.posterior(x)
            assert float((mean - module.heads(x)[0]).abs().max()) <= ALLOWED
            assert float((logvar - module.log_variance(x)).abs().max()) <= ALLOWED
        assert model.signature.kind == "vae"
        assert model.signature.says_spread == (way != "not sampled")  # whose outputs have no names that say it


def test_a_spread_that_is_said_is_taken_as_said_whatever_the_codes_fill():
    module, x = VAE("log-variance").eval(), torch.rand(40, 1, 28, 28)
    model = checkpoint.parse(exported(module, x[:2]), "vae.pt2").model()
    images = (x[:, 0].numpy() * 255).astype(np.uint8)
    found = inference.log_variances(model, images)
    right = module.log_variance(torch.from_numpy(images / 255).float()[:, None]).detach().numpy()
    assert np.abs(found - right).max() <= ALLOWED


def principal(n: int = 8) -> tuple[nn.Linear, nn.Linear]:
    """The best linear encoder and decoder of some digits, by their principal components."""
    images = evaluation_digits()[0][:1000].reshape(-1, 784) / 255
    mean = images.mean(axis=0)
    axes = np.linalg.svd(images - mean, full_matrices=False)[2][:n]
    encoder, decoder = nn.Linear(784, n), nn.Linear(n, 784)
    with torch.no_grad():
        encoder.weight.copy_(torch.from_numpy(axes))
        encoder.bias.copy_(torch.from_numpy(-axes @ mean))
        decoder.weight.copy_(torch.from_numpy(axes.T))
        decoder.bias.copy_(torch.from_numpy(mean))
    return encoder, decoder


class Encoder(nn.Module):
    """Mean and log-variance, in an order, as two outputs or side by side in one."""

    def __init__(self, mean: nn.Linear, mean_first: bool, in_one: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.heads = nn.ModuleList([mean, nn.Linear(784, mean.out_features)])
        self.mean_first, self.in_one = mean_first, in_one

    def forward(self, x: Tensor) -> Tensor | Both:
        both = self.heads[0](x.flatten(1)), self.heads[1](x.flatten(1))
        both = both if self.mean_first else both[::-1]
        return torch.cat(both, 1) if self.in_one else both


class Decoder(nn.Module):
    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z).view(-1, 1, 28, 28)


@pytest.mark.parametrize("in_one", [True, False])
@pytest.mark.parametrize("mean_first", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_in_two_files_the_mean_is_told_by_names_or_by_the_images(tmp_path, in_one, mean_first, named):
    first, second = principal()
    encoder, x = Encoder(first, mean_first, in_one).eval(), torch.rand(2, 1, 28, 28)
    names = ["z_mean", "z_log_var"] if mean_first else ["z_log_var", "z_mean"]
    outputs = ["moments"] if in_one else names
    (tmp_path / "encoder.onnx").write_bytes(onnx(encoder, x, ["x"], outputs if named else None))
    (tmp_path / "decoder.onnx").write_bytes(onnx(Decoder(second), torch.rand(2, 8), ["z"], None))
    model = LatentSpace.open(tmp_path / "decoder.onnx").model
    with torch.inference_mode():
        mean, logvar = model.posterior(x)
        flat = x.flatten(1)
        assert float((mean - encoder.heads[0](flat)).abs().max()) <= ALLOWED
        assert float((logvar - encoder.heads[1](flat)).abs().max()) <= ALLOWED
    assert model.signature.says_spread == (named and not in_one)
    remarks = " ".join(model.description.halves.remarks)
    assert ("by the error on the images in use" in remarks) == (not mean_first and (in_one or not named))
    assert ("Of the 16 channels" in remarks) == in_one


def test_two_files_that_do_not_fit_are_refused_by_what_each_takes_and_gives(tmp_path):
    (first, _), (_, second) = principal(5), principal(8)
    (tmp_path / "encoder.onnx").write_bytes(onnx(first, torch.rand(2, 784), ["x"], None))
    (tmp_path / "decoder.onnx").write_bytes(onnx(Decoder(second), torch.rand(2, 8), ["z"], None))
    with pytest.raises(CheckpointError, match="the encoder gives 5 numbers, the decoder takes 8"):
        LatentSpace.open(tmp_path / "decoder.onnx", other=tmp_path / "encoder.onnx")


@pytest.mark.parametrize(("name", "power"), [("z_log_var", 0.5), ("z_log_sigma", 1.0), ("z_sigma", None)])
def test_in_keras_a_sampling_layer_shows_the_spread(tmp_path, name, power):
    keras = keras_styles.keras()

    @keras.saving.register_keras_serializable("tests")
    class Sampling(keras.layers.Layer):
        def call(self, inputs):
            return inputs[0]

    layers = keras.layers
    inputs = layers.Input((784,))
    h = layers.Dense(20, activation="relu")(inputs)
    mean, second = layers.Dense(5, name="z_mean")(h), layers.Dense(5, name=name, activation="softplus")(h)
    z = Sampling()([mean, second])
    model = keras.Model(inputs, layers.Dense(784, activation="sigmoid")(z))
    heads = keras.Model(inputs, [mean, second])
    loaded = checkpoint.load(keras_styles.save(model, tmp_path / "vae.keras")).model()
    x = torch.rand(3, 1, 28, 28)
    right = heads(x.flatten(1))[1].detach().numpy()
    with torch.inference_mode():
        logvar = loaded.posterior(x)[1].numpy()
    assert np.abs(logvar - (2 * np.log(right) if power is None else 2 * power * right)).max() <= ALLOWED
    assert loaded.signature.says_spread
