"""Models that are opened in a session: one file, several at once, an encoder and a decoder in two."""

import io

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from latent import checkpoint
from latent.foreign import search
from latent.page import picker
from latent.page.state import KEY, State
from tests.support.page import facts, healthy, opened, unfold

RNG = np.random.default_rng(0)
WEIGHTS = {
    "encoder": RNG.normal(0, 0.05, (784, 3)).astype(np.float32),
    "decoder": RNG.normal(0, 0.5, (3, 784)).astype(np.float32),
}
IMAGE, FLAT, CODE = [None, 1, 28, 28], [None, 784], [None, 3]


def half(part):
    """An encoder or a decoder as an ONNX file: one matrix; the decoder's sigmoid makes pixels."""
    nodes, into, out = {
        "encoder": (
            [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["z"])],
            ("x", IMAGE), ("z", CODE),
        ),
        "decoder": (
            [helper.make_node("MatMul", ["z", "w"], ["y"]), helper.make_node("Sigmoid", ["y"], ["pixels"])],
            ("z", CODE), ("pixels", FLAT),
        ),
    }[part]  # fmt: skip
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (into, out)]
    graph = helper.make_graph(nodes, part, values[:1], values[1:], [numpy_helper.from_array(WEIGHTS[part], "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def files(*named):
    return [(name, half(part), "application/octet-stream") for name, part in named]


def drop(app, given):
    return healthy(app.file_uploader(key="upload").set_value(given).run())


@pytest.mark.parametrize(
    "names", [("vae_decoder.onnx", "vae_encoder.onnx"), ("second.onnx", "first.onnx")], ids=["by name", "by content"]
)
def test_an_encoder_and_a_decoder_that_are_dropped_together_are_one_model(folder, names):
    app = unfold(opened("Model"), "open_file")
    drop(app, files((names[0], "decoder"), (names[1], "encoder")))
    chosen = app.selectbox(key="checkpoint")
    assert chosen.options[2:] == [chosen.value] == [f"{names[0]} + {names[1]} (uploaded)"]
    assert not app.error
    assert facts(app)["Latent dimensions"] == "3"


def test_the_two_halves_compute_what_they_compute_apart():
    found = checkpoint.parse_both(("d.onnx", half("decoder")), ("e.onnx", half("encoder"))).model()
    x = RNG.random((4, 1, 28, 28), np.float32)
    z = found.encode(torch_of(x)).numpy()
    assert np.allclose(z, x.reshape(4, -1) @ WEIGHTS["encoder"], atol=1e-5)
    drawn = found.decode(torch_of(z)).numpy().reshape(4, -1)
    assert np.allclose(drawn, 1 / (1 + np.exp(-(z @ WEIGHTS["decoder"]))), atol=1e-5)


def torch_of(values):
    import torch

    return torch.from_numpy(np.asarray(values, np.float32))


def test_a_half_that_comes_later_joins_the_one_that_is_there(folder):
    app = unfold(opened("Model"), "open_file")
    drop(app, files(("decoder.onnx", "decoder")))
    assert app.selectbox(key="checkpoint").value == "decoder.onnx (uploaded)"
    drop(app, files(("decoder.onnx", "decoder"), ("encoder.onnx", "encoder")))
    assert app.selectbox(key="checkpoint").value == "decoder.onnx + encoder.onnx (uploaded)"
    assert facts(app)["Latent dimensions"] == "3"


def test_several_models_are_all_there_and_the_last_is_chosen(folder):
    app = unfold(opened("Model"), "open_file")
    contents = [(folder / name).read_bytes() for name in ("first.pt", "second.pt")]
    drop(app, [(f"mine-{n}.pt", content, "application/octet-stream") for n, content in enumerate(contents)])
    chosen = app.selectbox(key="checkpoint")
    assert chosen.options[2:] == ["mine-0.pt (uploaded)", "mine-1.pt (uploaded)"]
    assert chosen.value == "mine-1.pt (uploaded)"
    drop(app, [])  # taken out of the list again: what was opened stays
    assert app.selectbox(key="checkpoint").value == "mine-1.pt (uploaded)"


def test_whole_models_that_are_called_halves_are_two_models(folder):
    app = unfold(opened("Model"), "open_file")
    contents = [(folder / name).read_bytes() for name in ("first.pt", "second.pt")]
    names = ["my-encoder.pt", "my-decoder.pt"]
    drop(app, [(name, content, "application/octet-stream") for name, content in zip(names, contents)])
    assert app.selectbox(key="checkpoint").options[2:] == [f"{name} (uploaded)" for name in names]


def test_two_encoders_are_two_models(folder):
    app = unfold(opened("Model"), "open_file")
    drop(app, files(("a.onnx", "encoder"), ("b.onnx", "encoder"), ("c.onnx", "decoder")))
    assert app.selectbox(key="checkpoint").options[2:] == ["a.onnx + c.onnx (uploaded)", "b.onnx (uploaded)"]


def test_a_file_is_looked_into_once_and_one_by_itself_not_at_all(folder, monkeypatch):
    looked = []
    described = checkpoint.described_half
    monkeypatch.setattr(checkpoint, "described_half", lambda file: looked.append(file[0]) or described(file))
    monkeypatch.setattr(picker.st, "session_state", {"upload": [], KEY: State()})
    given = picker.st.session_state["upload"]
    contents = [bytes([n]) * 100 for n in range(100)]
    for n, content in enumerate(contents):
        given.append(Uploaded(f"model {n}.pt", content))
        picker.take_upload()
        assert len(looked) == (n + 1 if n else 0)
    assert len(picker.st.session_state[KEY].uploads) == 100


class Uploaded(io.BytesIO):
    """A file as the uploader hands it over."""

    def __init__(self, name, content):
        super().__init__(content)
        self.name, self.size, self.file_id = name, len(content), name


def test_weights_that_mean_nothing_are_tried_once(folder, monkeypatch):
    tried = []
    read = search.read
    monkeypatch.setattr(search, "read", lambda *given: tried.append(1) or read(*given))
    torch.save({"encoder.weight": torch.zeros(8, 784), "decoder.weight": torch.zeros(784, 8)}, folder / "zeros.pt")
    app = unfold(opened("Model"), "open_file")
    drop(app, [("zeros.pt", (folder / "zeros.pt").read_bytes(), "application/octet-stream")])
    assert any("no interpretation that was tried" in text.value for text in app.text)
    healthy(app.radio(key="section").set_value("Generate").run())
    healthy(app.selectbox(key="checkpoint").set_value("zeros").run())
    healthy(app.radio(key="section").set_value("Live").run())
    assert any("no interpretation that was tried" in text.value for text in app.text)
    assert len(tried) == 2, "once as an upload, once in the folder"
