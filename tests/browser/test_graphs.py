"""Decoders that files describe, in the browser: what their programs draw in Node against what torch draws."""

import io
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint, inference
from latent.browser import live
from latent.errors import DecoderError
from latent.model import LatentModel
from tests.support import published, unusual
from tests.support.javascript import ALLOWED, largest_differences, needs_node
from tests.support.told import built


def traced(module: nn.Module, *given: Tensor) -> LatentModel:
    """A module as it is opened from a file that describes it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(module, given, check_trace=False), buffer)
    return checkpoint.parse(buffer.getvalue(), "model.pt").model()


def opened(name: str) -> LatentModel:
    """A network in the style of an author."""
    made = unusual if name in unusual.NETWORKS else published
    module = made.network(name)
    x, classes = torch.rand(2, *module.image), torch.tensor([1, 2])
    return traced(module, x, *([classes] if name in published.CONDITIONAL else []))


def codes_of(model: LatentModel, n: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, model.signature.latent_dim)).astype(np.float32)


PARTING = [
    "residual", "tiny", "U-shaped", "batch normalisation", "residual maps", "residual, dense", "reflected",
    "class one-hot", "class by table", "class as planes",
]  # fmt: skip


@needs_node
def test_decoders_whose_paths_part_and_join_draw_in_javascript_what_torch_draws(modules):
    models = [opened(name) for name in PARTING]
    differences = largest_differences(modules, models, list(map(codes_of, models)))
    assert {name: worst for name, worst in zip(PARTING, differences, strict=True) if worst > ALLOWED} == {}
    operations = {layer["op"] for model in models for layer in live.compile(model).layers}
    assert operations >= {"add", "concat", "label", "gather", "clamp", "group_norm", "upsample"}


class Joined(nn.Module):
    """Values that several layers take, also such as change them where they lie, and that meet in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.gate, self.conv = nn.Linear(5, 8 * 49), nn.Linear(5, 8), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.places = nn.BatchNorm2d(8), nn.Parameter(torch.randn(1, 8, 7, 7))
        self.scale, self.up = nn.Parameter(torch.randn(8, 1, 1)), nn.ConvTranspose2d(21, 4, 4, 2, 1)
        self.last = nn.Conv2d(4, 1, 1)
        nn.init.uniform_(self.norm.running_mean, -1, 1)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, z: Tensor) -> Tensor:
        h = self.lift(z).view(-1, 8, 7, 7)
        again = self.conv(h)  # normalised below, and needed as it is
        both = F.relu(self.norm(again)) - again * torch.sigmoid(h) + self.places
        gated = both * torch.sigmoid(self.gate(z))[:, :, None, None] + h * self.scale
        first, second = gated.chunk(2, dim=1)
        pooled = F.max_pool2d(h, 2, 1) + F.avg_pool2d(h, 2, 1)
        joined = torch.cat([first, F.pad(pooled, (1, 0, 0, 1)), 1 - second, (again + again)[:, ::2]], dim=1)
        one = joined[:, 7:8] * both[:, 3:4].transpose(2, 3)
        y = self.up(torch.cat([joined, one], dim=1))
        y = self.last(F.interpolate(y, scale_factor=2, mode="bilinear"))
        return torch.sigmoid(y / 2 - 0.25)


@needs_node
def test_values_that_are_shared_are_there_for_each_layer_that_takes_them(modules):
    torch.manual_seed(0)
    module = Joined().eval()
    model = traced(module, torch.randn(2, 5))
    codes = codes_of(model)
    with torch.inference_mode():
        right = module(torch.from_numpy(codes)).numpy()[:, 0]
    assert np.abs(inference.decode(model, codes) - right).max() <= ALLOWED
    assert {layer["op"] for layer in live.compile(model).layers} >= {"add", "mul", "pool", "concat", "gather", "label"}
    assert max(largest_differences(modules, [model], [codes])) <= ALLOWED


@needs_node
@pytest.mark.parametrize(("n", "way"), [(26, "one-hot"), (3, "table"), (12, "compared")])
def test_a_row_for_each_of_any_number_of_classes_is_drawn_in_javascript(n, way, modules):
    module = built(n, way)
    given = torch.eye(n)[:2] if way == "one-hot" else torch.tensor([0, 1])
    model = traced(module, torch.rand(2, 1, 28, 28), given)
    assert model.signature.n_classes == n
    (rows,) = [layer for layer in live.compile(model).layers if layer["op"] == "label"]
    assert np.subtract(*reversed(rows["weight"])) == n * rows["shape"][0]
    assert max(largest_differences(modules, [model], [codes_of(model, n)])) <= ALLOWED


REFUSED = {"KL": "matmul", "separable": "conv", "LayerNorm": "layer_norm", "dilated": "conv_transpose", "sine": "sin"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_browser_cannot_run_is_refused_by_the_name_of_its_operation(name):
    with pytest.raises(DecoderError, match=rf"^The browser cannot run the operation {REFUSED[name]} \(.+\)\.$"):
        live.compile(opened(name))
