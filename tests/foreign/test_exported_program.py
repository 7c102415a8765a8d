"""Programs of `torch.export`: run as torch runs them, and refused in one sentence where they are forged."""

import io
import json
import re
import zipfile
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent import checkpoint
from latent.checkpoint import formats
from latent.errors import CheckpointError
from latent.space import LatentSpace
from tests.support.exhaustive import few_of, few_rows_of
from tests.support.models import FOREIGN
from tests.support.unusual import NETWORKS, mean_of, network

ALLOWED = 1e-5
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own


def saved(module: nn.Module, given: tuple[Tensor, ...], open_batch: bool = False, core: bool = False) -> bytes:
    axes = tuple({0: torch.export.Dim.AUTO} for _ in given) if open_batch else None
    program = torch.export.export(module, given, dynamic_shapes=axes)
    program = program.run_decompositions() if core else program
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", few_of(NETWORKS, [name for name in NETWORKS if name not in ("KL", "transformer")]))
def test_a_program_gives_what_its_network_gives(name):
    """Traced with two images and run on three."""
    module, image = network(name), NETWORKS[name].image
    x = torch.rand(3, *image, generator=torch.Generator().manual_seed(0))
    given = (torch.tensor([1, 5, 7]),) if name == "conditional" else ()
    model = checkpoint.parse(saved(module, (x[:2], *(each[:2] for each in given))), "model.pt2").model()
    one_hot = nn.functional.one_hot(given[0], 10).float() if given else None
    with torch.inference_mode():
        right = module.decode(mean_of(module.encode(x, *given)), *given)
        scale = model.description.pixels_out
        unit = right / 2 + 0.5 if scale == "[-1, 1]" else right
        taken = x / 2 + 0.5 if model.description.pixels_in == "[-1, 1]" else x
        found = model.decode(model.encode(taken, one_hot), one_hot)
    assert scale in ("[0, 1]", "[-1, 1]")
    assert float((found - unit.clamp(0, 1)).abs().max()) <= ALLOWED


class Parts(nn.Module):
    """What `torch.export` writes in many ways: results in tuples, a part without gradients, sizes that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head, self.last = nn.Linear(64, 12), nn.Linear(12, 4), nn.Linear(4, 64)
        self.register_buffer("ones", torch.ones(12), persistent=False)
        self.places = torch.arange(4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.reshape(x.shape[0], -1))
        with torch.no_grad():
            a, b = h + 1, h * self.ones
        c, d = torch.split(h, [4, 8], dim=1)
        c = c * 2
        c.relu_()
        h = a + b + torch.cat([d, c], 1) + h.max(1).values[:, None] + h.std(1, keepdim=True)
        h = torch.stack(torch.unbind(h.view(-1, 3, 4), 1), 2).flatten(1)
        z = self.head(h) + self.places + torch.zeros(x.shape[0], 4)
        y = self.last(z.masked_fill(z > 2, 0.5)).view(-1, 8, 8)
        return torch.sigmoid(torch.roll(y.flip(1), 3, 2)).unsqueeze(1)


@cache
def parts() -> nn.Module:
    torch.manual_seed(0)
    return Parts().eval()


@pytest.mark.parametrize(
    ("open_batch", "core"),
    few_rows_of([(False, False), (False, True), (True, False), (True, True)], [(False, True), (True, False)]),
)
def test_what_torch_writes_in_many_ways_is_run_as_it_says(open_batch, core):
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = checkpoint.parse(saved(parts(), (x[:2],), open_batch, core), "model.pt2").model()
    assert model.signature.latent_dim == 4
    with torch.inference_mode():
        assert float((model.decode(model.encode(x)) - parts()(x)).abs().max()) <= ALLOWED


class WithExpanded(nn.Module):
    """A constant shows one row at many places, as class tokens and positions do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(784, 16), nn.Linear(16, 784)
        self.register_buffer("row", torch.arange(16.0).expand(4, 16))

    def forward(self, x: Tensor) -> Tensor:
        code = self.first(x.flatten(1)) + self.row.sum(0) / 100
        return torch.sigmoid(self.last(code.relu())).reshape(-1, 1, 28, 28)


def test_a_constant_that_was_expanded_is_read():
    torch.manual_seed(0)
    module, x = WithExpanded().eval(), torch.rand(3, 1, 28, 28)
    model = checkpoint.parse(saved(module, (x,)), "mine.pt2").model()
    with torch.inference_mode():
        assert float((model.decode(model.encode(x)) - module(x)).abs().max()) <= ALLOWED


@pytest.mark.parametrize("name", few_of(["batch normalisation", "transformer", "KL"], ["batch normalisation"]))
def test_core_operations_are_run_too(name):
    module = network(name)
    x = torch.rand(2, *NETWORKS[name].image, generator=torch.Generator().manual_seed(0))
    model = checkpoint.parse(saved(module, (x,), core=True), "model.pt2").model()
    with torch.inference_mode():
        right = module.decode(mean_of(module.encode(x)))
        unit, taken = (right / 2 + 0.5, x / 2 + 0.5) if model.description.pixels_out == "[-1, 1]" else (right, x)
        taken = taken if model.description.pixels_in == model.description.pixels_out else x
        assert float((model.decode(model.encode(taken)) - unit.clamp(0, 1)).abs().max()) <= ALLOWED


def test_a_program_is_found_by_its_bytes(tmp_path):
    content = saved(parts(), (torch.rand(2, 1, 8, 8),))
    (tmp_path / "no-ending").write_bytes(content)
    assert formats.begins_as_one(tmp_path / "no-ending")
    assert checkpoint.find(tmp_path) == [tmp_path / "no-ending"]


@pytest.mark.skipif(not FOREIGN.exists(), reason="the cases are not beside this checkout")
def test_the_case_has_its_right_error(tmp_path):
    import runpy
    import sys

    make = FOREIGN.parent / "cases" / "other-containers" / "make.py"
    arguments, sys.argv = sys.argv, [str(make), str(tmp_path)]
    try:
        runpy.run_path(str(make))
    finally:
        sys.argv = arguments
    assert LatentSpace.open(tmp_path / "exported.pt2").test_error == pytest.approx(0.03934, abs=1e-5)


# ------------------------------------------------------------------------------------------------------------- forged


@cache
def original() -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(saved(parts(), (torch.rand(2, 1, 8, 8),))))
    return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def forged(change=None, weights=None, entries=(), without=()) -> bytes:
    """The program of `Parts` with its JSON changed by a function, its list of weights by another, and entries added."""
    found = dict(original())
    for name, function in (("models/model.json", change), ("data/weights/model_weights_config.json", weights)):
        if function is not None:
            tree = json.loads(found[name])
            function(tree["graph_module"]["graph"] if name.startswith("models") else tree["config"])
            found[name] = json.dumps(tree).encode()
    found |= dict(entries)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in found.items():
            if name not in without:
                archive.writestr(f"model/{name}", content)
    return buffer.getvalue()


def node(graph: dict, op: str) -> dict:
    return next(each for each in graph["nodes"] if each["target"].startswith(f"torch.ops.aten.{op}."))


def argument(name: str, kind: str, value: object) -> dict:
    return {"name": name, "arg": {kind: value}, "kind": 1}


def calls(op: str, *arguments: dict):
    """Replaces the sigmoid by another call."""

    def change(graph: dict) -> None:
        node(graph, "sigmoid").update(target=op, inputs=[argument("self", "as_tensor", {"name": "roll"}), *arguments])

    return change


def set_weight(**values):
    def change(entries: dict) -> None:
        entries["first.weight"]["tensor_meta"].update(values)

    return change


def rename_input(graph: dict) -> None:
    node(graph, "linear")["inputs"][0]["arg"] = {"as_tensor": {"name": "sigmoid"}}


BIG = 2**40
HOSTILE = {
    "an unknown operation": (lambda: forged(calls("torch.ops.aten.fft_fft.default")), r"aten\.fft_fft\.default \(node"),
    "a custom operation": (lambda: forged(calls("torch.ops.mylib.run.default")), r"the operation mylib\.run\.default"),
    "Python's own": (lambda: forged(calls("os.system")), r"the operation os\.system"),
    "a cycle": (lambda: forged(rename_input), "takes sigmoid, which nothing before it gives"),
    "a missing tensor": (lambda: forged(weights=lambda entries: entries.pop("head.bias")), "no tensor head.bias"),
    "missing bytes": (lambda: forged(without=["data/weights/weight_0"]), "weight_0 is missing"),
    "a huge weight": (lambda: forged(weights=set_weight(sizes=[{"as_int": BIG}, {"as_int": 64}])), "does not fit its"),
    "a repeated weight": (
        lambda: forged(weights=set_weight(sizes=[{"as_int": BIG}], strides=[{"as_int": 0}])), "does not fit its bytes"
    ),
    "a weight before its bytes": (lambda: forged(weights=set_weight(storage_offset={"as_int": -4})), "is impossible"),
    "a weight of objects": (lambda: forged(weights=set_weight(dtype=99)), "of a type that is not read"),
    "a pickle": (
        lambda: forged(
            weights=lambda entries: entries["head.bias"].update(use_pickle=True),
            entries={"data/weights/weight_3": b"cos\nsystem\n(S'true'\ntR."}.items(),
        ),
        "damaged",
    ),
    "a huge expansion": (
        lambda: forged(calls("torch.ops.aten.expand.default", argument("size", "as_ints", [BIG, 8, 8]))),
        "too much memory|fit",
    ),
    "a huge repetition": (
        lambda: forged(calls("torch.ops.aten.repeat.default", argument("repeats", "as_ints", [BIG, 1, 1]))),
        "too much memory|fit",
    ),
    "huge interleaving": (
        lambda: forged(calls("torch.ops.aten.repeat_interleave.self_int", argument("repeats", "as_int", BIG))),
        "over more than",
    ),
    "a huge range": (
        lambda: forged(
            lambda graph: node(graph, "zeros").update(
                target="torch.ops.aten.arange.default", inputs=[argument("end", "as_int", BIG)]
            )
        ),
        "more than .* numbers",
    ),
    "a size of words": (
        lambda: forged(calls("torch.ops.aten.expand.default", argument("size", "as_strings", ["x"]))), "fit"
    ),
    "too many arguments": (
        lambda: forged(calls("torch.ops.aten.pixel_shuffle.default", *[argument("n", "as_int", 2)] * 9)), "do not fit"
    ),
    "a mask": (
        lambda: forged(
            calls("torch.ops.aten.index.Tensor", argument("indices", "as_tensors", [{"name": "gt"}]))
        ),
        "by a mask",
    ),
    "training": (
        lambda: forged(
            calls("torch.ops.aten.dropout.default", argument("p", "as_float", 0.5), argument("train", "as_bool", True))
        ),
        r"as in training; .*\.eval\(\)",
    ),
    "no nodes": (lambda: forged(lambda graph: graph.update(nodes=[])), "no model in it|nothing gives|damaged"),
    "nodes that are none": (lambda: forged(lambda graph: graph.update(nodes=[{}])), "program is incomplete"),
    "a name twice": (
        lambda: forged(lambda graph: node(graph, "sigmoid").update(outputs=[{"as_tensor": {"name": "roll"}}])),
        "two steps give roll",
    ),
    "a huge input": (
        lambda: forged(lambda graph: graph["tensor_values"]["x"].update(sizes=[{"as_int": 2}, {"as_int": BIG}])),
        "too large",
    ),
    "deep JSON": (lambda: forged(entries={"models/model.json": b"[" * 100_000}.items()), "not readable as JSON"),
    "two programs": (lambda: forged(entries={"models/b.json": b"{}"}.items()), "2 programs"),
    "another byte order": (lambda: forged(entries={"byteorder": b"big"}.items()), "big-endian"),
    "a zip bomb": (lambda: forged(entries={"data/weights/bomb": b"\0" * 10**8}.items()), "unpacks to far more"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_is_refused_in_one_sentence(name):
    make, words = HOSTILE[name]
    with pytest.raises(CheckpointError) as caught:
        LatentSpace.of("model", checkpoint.parse(make(), "model.pt2"))
    sentence = str(caught.value)
    assert re.search(words, sentence), sentence
    assert len(sentence) < 500
    assert not set("\n\0") & set(sentence)


def test_the_forgery_without_a_change_is_read():
    assert np.isfinite(LatentSpace.of("model", checkpoint.parse(forged(), "model.pt2")).z[:10]).all()


def test_an_older_program_is_told_what_to_do():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(CheckpointError, match="export it again with a newer version"):
        checkpoint.parse(buffer.getvalue(), "old.pt2")
