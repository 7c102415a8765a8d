"""Records: what one says is found everywhere, and the browser computes what torch computes."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from latent import checkpoint
from latent.browser import live
from latent.errors import CheckpointError, DecoderError
from latent.foreign import container, formats, search
from latent.foreign.chains import chains
from latent.foreign.formats import FORMATS, Format
from latent.foreign.layers import layers_of
from latent.foreign.network import Network
from latent.foreign.normalisations import NORMALISATIONS, Normalisation
from latent.foreign.operations import ACTIVATIONS, OUTPUTS, PIXELS, Activation, Round
from latent.foreign.reading import Reading
from latent.foreign.search import Scored, first_readings, single_changes
from tests.support.authors import Author, Flat, mlp, trained
from tests.support.javascript import ALLOWED, largest_differences, needs_node, node
from tests.support.models import CHECKPOINTS

VALUES = torch.cat([torch.linspace(-30, 30, 2401), torch.tensor([-1e-6, 0.0, 1e-6])]).double()


# --------------------------------------------------------------------------------------------------- what is there


def in_javascript(modules, names) -> dict[str, list[float]]:
    """What each activation's JavaScript makes of `VALUES`."""
    script = f"""
        import {{ ACTIVATIONS }} from "./activations.js"
        const activated = (name) => {{
          const numbers = Float64Array.from({VALUES.tolist()})
          ACTIVATIONS[name](numbers)
          return [name, [...numbers]]
        }}
        console.log(JSON.stringify(Object.fromEntries({json.dumps(names)}.map(activated))))
    """
    return json.loads(node(modules, "--input-type=module", "--eval", script))


@needs_node
def test_every_activation_is_in_javascript_what_it_is_in_torch(modules):
    assert all(activation.javascript for activation in ACTIVATIONS.values())
    for name, found in in_javascript(modules, list(ACTIVATIONS)).items():
        assert np.allclose(found, ACTIVATIONS[name].torch(VALUES), rtol=0, atol=1e-5), name


def test_the_search_tries_what_it_has_always_tried_and_in_that_order():
    assert [list(search.tried_in(each, ACTIVATIONS)) for each in (Round.COARSE, Round.FULL)] == [
        ["ReLU", "tanh"],
        ["ReLU", "LeakyReLU 0.01", "LeakyReLU 0.2", "GELU", "SiLU", "ELU", "tanh", "sigmoid"],
    ]
    assert [list(search.tried_in(each, PIXELS)) for each in Round] == [
        ["[0, 1]", "[-1, 1]"],
        ["[0, 1]", "[-1, 1]", "standardised", "[-0.5, 0.5]"],
        ["[0, 1]", "[-1, 1]", "standardised", "[-0.5, 0.5]", "[0, 255]"],
    ]


SCALED = {
    "[0, 1]": lambda x: x, "[-1, 1]": lambda x: 2 * x - 1, "standardised": lambda x: (x - 0.1307) / 0.3081,
    "[-0.5, 0.5]": lambda x: x - 0.5, "[0, 255]": lambda x: 255 * x,
}  # fmt: skip


@pytest.mark.parametrize("name", PIXELS)
def test_a_scale_leads_there_and_back(name):
    x, scale = torch.linspace(0, 1, 256), PIXELS[name]
    assert torch.equal(scale.from_unit(x), SCALED[name](x))
    assert torch.allclose(scale.to_unit(scale.from_unit(x)), x, atol=1e-6)
    assert torch.allclose(scale.from_unit(x) * scale.factor + scale.offset, x, atol=1e-6)
    assert scale.ends == pytest.approx((SCALED[name](0.0), SCALED[name](1.0)))


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_is_an_activation_and_a_scale_that_are_named_in_its_own_name(name):
    activation, _, scale = name.partition(" for ")
    assert OUTPUTS[name].activation == {"linear": "none"}.get(activation, activation)
    assert OUTPUTS[name].pixels == (scale or "[0, 1]")


def test_the_formats_are_named_for_people_in_one_sentence():
    assert formats.names() == "PyTorch, TorchScript, torch.export, safetensors, Keras, ONNX and .npz"
    assert formats.names("or").endswith("ONNX or .npz")
    endings = {".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".h5", ".keras", ".onnx", ".npz", ".pkl", ".jit", ".pt2"}
    assert sorted(formats.suffixes()) == sorted(endings)


# ------------------------------------------------------------------------------------------------------ what is saved


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return network.state_dict()


SAVED = {
    "links": [
        {"layer": "0", "transposed": False, "n_in": 784, "n_out": 6, "joint": "image", "condition": 0, "before": [],
         "after": []},
        {"layer": "2", "transposed": False, "n_in": 3, "n_out": 784, "joint": "halve", "condition": 0, "before": [],
         "after": []},
    ],
    "side": 28, "turn": 0, "steps": [None, None], "sides": [0, 0], "variational": True, "gaps": ["ReLU", "ReLU"],
    "code": 1, "norm_gap": "tanh", "code_activation": "none", "split": "second half", "pixels": "[-1, 1]",
    "output": "tanh for [-1, 1]", "label_first": False, "upsampling": "nearest", "channels_last": False,
}  # fmt: skip


def test_a_reading_that_an_older_file_or_link_holds_is_read_and_saved_with_the_same_words():
    tensors = state_of(nn.Sequential(nn.Linear(784, 6), nn.ReLU(), nn.Linear(3, 784)))
    reading = Reading.from_dict(SAVED, tensors)
    assert (reading.activations, reading.norm_activation, reading.split) == (("ReLU", "ReLU"), "tanh", "second half")
    assert repr(reading.to_dict()) == repr(SAVED)  # in the same order, of plain values


def test_a_saved_reading_whose_layers_are_joined_in_no_known_way_is_refused():
    forged = SAVED | {"links": [SAVED["links"][0], SAVED["links"][1] | {"joint": "glue"}]}
    with pytest.raises(ValueError, match="glue"):
        Reading.from_dict(forged, state_of(nn.Sequential(nn.Linear(784, 6), nn.ReLU(), nn.Linear(3, 784))))


def test_normalisations_are_not_left_aside_in_a_reading_that_was_saved():
    """Also where they keep no weights of their own."""
    network = nn.Sequential(
        nn.Linear(784, 20), nn.BatchNorm1d(20, affine=False), nn.ReLU(), nn.Linear(20, 6), nn.Linear(6, 784)
    )
    reading = any_reading(network)
    again = Reading.from_dict(reading.to_dict(), state_of(network))
    assert again.choices() == reading.choices()
    assert not again.variational


# ------------------------------------------------------------------------------------------------- one record, added


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(3 * x)


SINE = Activation("sine", lambda x: torch.sin(3 * x), "(x) => Math.sin(3 * x)", Round.COARSE, module="Sine")


def any_reading(network: nn.Module) -> Reading:
    """The first reading that a network's names and shapes allow, without a search."""
    (chain, *_) = chains(layers_of(state_of(network)))
    return next(first_readings(chain, {}, wide=False, channels_last=False))


def copied(modules, folder):
    """The JavaScript with the activations that there are now."""
    shutil.copytree(modules, folder / "modules")
    (folder / "modules" / "activations.js").write_text(live.activations())
    return folder / "modules"


@needs_node
def test_an_activation_that_is_added_is_searched_for_offered_and_drawn_in_the_browser(monkeypatch, modules, tmp_path):
    monkeypatch.setitem(ACTIVATIONS, "sine", SINE)
    author = Author(lambda: Flat(mlp([784, 64, 10], Sine), mlp([10, 64, 784], Sine, nn.Sigmoid())))
    network = trained(author)
    loaded = search.read(state_of(network))
    reading = loaded[0].reading
    assert reading.choices()["activations"] == "sine"
    assert "sine" in reading.alternatives()["Activations"]
    assert "sine" in reading.alternatives()["Activation of the code"]
    whole = container.parse(saved(network), "whole.pt")
    assert search.activations_named(whole.modules()) == {"sine", "sigmoid"}

    model = Network(loaded)
    assert "sine" in {layer.get("name") for layer in live.compile(model).layers}
    assert "const f = (x) => Math.sin(3 * x)" in live.live_component()["js"]
    z = np.random.default_rng(0).standard_normal((20, 10)).astype(np.float32)
    assert max(largest_differences(copied(modules, tmp_path), [model], [z])) <= ALLOWED


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_an_activation_without_javascript_is_run_by_the_server_and_the_refusal_names_it(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "sine", Activation("sine", torch.sin))
    reading = any_reading(mlp([784, 20, 6, 20, 784], nn.ReLU))
    with pytest.raises(DecoderError, match="sine"):
        live.compile(Network([Scored(reading.alternatives()["Activations"]["sine"], 0.0)]))
    assert "sine" not in live.activations()


class Gain(nn.Module):
    """A factor and an offset for each channel, under names that no other layer has."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.rand(n) + 0.5), nn.Parameter(torch.rand(n) - 0.5)

    def forward(self, x):
        return x * self.gain + self.shift


GAIN = Normalisation(
    "gain",
    parameters=("gain", "shift"),
    recognises=lambda tensors: set(tensors) == {"gain", "shift"},
    channels=lambda tensors: len(tensors["gain"]),
    torch=lambda h, tensors: h * tensors["gain"] + tensors["shift"],
    browser=lambda tensors: ("affine", {"weight": tensors["gain"], "bias": tensors["shift"]}),
)


class Gained(nn.Module):
    """Names that are no positions, so that an activation may stand before what normalises."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.gain1, self.code = nn.Linear(784, 20), Gain(20), nn.Linear(20, 6)
        self.up, self.gain2, self.out = nn.Linear(6, 20), Gain(20), nn.Linear(20, 784)

    def decode(self, z):
        return torch.sigmoid(self.out(torch.relu(self.gain2(self.up(z)))))

    def forward(self, x):
        return self.decode(self.code(torch.relu(self.gain1(self.down(x.flatten(1)))))).view_as(x)


@needs_node
@torch.inference_mode()
def test_a_normalisation_that_is_added_is_placed_run_offered_and_drawn_in_the_browser(monkeypatch, modules):
    monkeypatch.setitem(NORMALISATIONS, "gain", GAIN)
    torch.manual_seed(0)
    network = Gained()
    reading = any_reading(network)
    assert [[norm.name for norm in link.after] for link in reading.chain.links] == [["gain1"], [], ["gain2"], []]
    assert {changed.norm_activation for changed in single_changes(reading)} >= {"none", "ReLU", "tanh"}
    x, model = torch.rand(3, 1, 28, 28), Network([Scored(reading, 0.0)])
    assert torch.allclose(model.decode(model.encode(x)), network(x), atol=1e-6)
    again = Reading.from_dict(reading.to_dict(), state_of(network))
    assert torch.equal(again.encode(x), reading.encode(x))
    assert again.choices() == reading.choices()

    assert [layer["op"] for layer in live.compile(model).layers].count("affine") == 0  # folded into the weights
    z = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    assert max(largest_differences(modules, [model], [z])) <= ALLOWED


def test_a_normalisation_that_the_browser_cannot_run_is_refused_by_its_name(monkeypatch):
    monkeypatch.setitem(NORMALISATIONS, "gain", replace(GAIN, browser=None))
    with pytest.raises(DecoderError, match="gain"):
        live.compile(Network([Scored(any_reading(Gained()), 0.0)]))


def test_a_normalisation_that_is_an_activation_has_none_before_it(monkeypatch):
    monkeypatch.setitem(NORMALISATIONS, "gain", replace(GAIN, is_activation=True))
    assert {changed.norm_activation for changed in single_changes(any_reading(Gained()))} == {"none"}


def test_a_format_that_is_added_is_recognised_listed_and_named(monkeypatch, tmp_path):
    toy = Format("toy file", "toy", (".toy",), lambda raw: raw.startswith(b"TOY!"), lambda raw: {"w": torch.ones(2, 2)})
    monkeypatch.setitem(FORMATS, "toy file", toy)
    (tmp_path / "a.toy").write_bytes(b"TOY! and more")
    opened = container.open_container(tmp_path / "a.toy")
    assert (opened.format, list(opened.tensors())) == ("toy file", ["w"])
    assert checkpoint.find(tmp_path) == [tmp_path / "a.toy"]
    assert formats.names().endswith("ONNX, .npz and toy")
    with pytest.raises(CheckpointError, match=r"\.npz and toy files are read"):
        container.parse(b"\1\2\3\4", "other.bin")


def test_what_stands_in_a_file_never_comes_into_the_source_that_browsers_run():
    before = live.live_component()
    checkpoint.load(CHECKPOINTS / "ae-2.pt")
    tensors = {f"</script>{name}": tensor for name, tensor in state_of(mlp([784, 20, 6, 20, 784], nn.ReLU)).items()}
    (chain, *_) = chains(layers_of(tensors))
    live.compile(Network([Scored(next(first_readings(chain, {}, False, False)), 0.0)]))
    assert live.live_component() == before
