"""TorchScript archives: their code is followed as data and gives what its network gives; hostile ones are refused in
one sentence, and what is not followed is said."""

import io
import re
import warnings
import zipfile
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint
from latent.data import evaluation_digits
from latent.errors import CheckpointError
from latent.foreign import container
from latent.foreign.aten_graph import Value
from latent.foreign.certainty import Level
from latent.foreign.graph import Input
from latent.foreign.torchscript_code import Code
from latent.foreign.torchscript_follower import Budget, Follower, Module
from latent.foreign.torchscript_graph import tensors_in
from tests.support.aten_functions import FUNCTIONS, images
from tests.support.unusual import NETWORKS, mean_of, network

ALLOWED = 1e-5
pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated
NOT_SCRIPTED = {"batch normalisation", "U-shaped", "KL"}  # which torch.jit.script itself refuses
SOME = {"dense VAE", "batch normalisation", "VQ-VAE", "conditional"}  # the others are exhaustive
SOME |= {
    "conv2d same",
    "in place",
    "copied",
    "adaptive_max_pool2d",
    "split",
    "index of two",
    "attention",
    "nearest 1.5",
}


def saved(module: nn.Module, given: tuple[Tensor, ...] = (), how: str = "trace") -> bytes:
    """A module as an archive: traced or scripted, then frozen or optimised where ``how`` says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.jit.script(module) if "script" in how else torch.jit.trace(module, given, check_trace=False)
        if "frozen" in how:
            made = torch.jit.freeze(made)
        if "optimised" in how:
            made = torch.jit.optimize_for_inference(made)
        buffer = io.BytesIO()
        torch.jit.save(made, buffer)
    return buffer.getvalue()


def check(content: bytes, module: nn.Module, name: str = "") -> checkpoint.Checkpoint:
    """What is opened, once its pictures are those of the network."""
    loaded = checkpoint.parse(content, "model.pt")
    assert loaded.described is not None, loaded.certainty.reasons()
    model = loaded.model()
    x = torch.rand(3, *model.signature.image_shape, generator=torch.Generator().manual_seed(0))
    given = (torch.tensor([1, 5, 7]),) if name == "conditional" else ()
    one_hot = F.one_hot(given[0], 10).float() if given else None
    scales = {"[0, 1]": (1.0, 0.0), "[-1, 1]": (2.0, -1.0)}
    (factor, offset), (out, shift) = (scales[loaded.described.pixels_in], scales[loaded.described.pixels_out])
    with torch.inference_mode():
        right = module.decode(mean_of(module.encode(x * factor + offset, *given)), *given)
        found = model.decode(model.encode(x, one_hot), one_hot)
    assert found.shape == right.shape
    assert float((found - ((right - shift) / out).clamp(0, 1)).abs().max()) <= ALLOWED
    return loaded


def marked(names: list[str]) -> list:
    return [name if name in SOME else pytest.param(name, marks=pytest.mark.exhaustive) for name in names]


@pytest.mark.parametrize("name", marked(list(NETWORKS)))
def test_a_traced_network_gives_what_it_gave(name):
    module = network(name)
    x = torch.rand(2, *module.image, generator=torch.Generator().manual_seed(0))
    given = (x, torch.tensor([1, 2])) if name == "conditional" else (x,)
    loaded = check(saved(module, given), module, name)
    assert loaded.described.halves.variational == (name in ("dense VAE", "KL"))


@pytest.mark.parametrize("name", marked([name for name in NETWORKS if name not in NOT_SCRIPTED]))
def test_a_scripted_network_gives_what_it_gave(name):
    module = network(name)
    loaded = check(saved(module, how="script"), module, name)
    assert loaded.described.halves.encoder.batch is None
    assert loaded.described.halves.code == tuple(mean_of(module.encode(*example(module, name))).shape[1:])


def example(module: nn.Module, name: str) -> tuple[Tensor, ...]:
    """An image of the size that the file is opened with, and its class."""
    side = 28 if name == "tiny" else module.image[1]
    x = torch.rand(1, module.image[0], side, side)
    return (x, torch.tensor([1])) if name == "conditional" else (x,)


@pytest.mark.parametrize("how", ["traced, frozen", "script, frozen", "script, optimised"])
def test_a_frozen_network_gives_what_it_gave(how):
    module = network("dense VAE")
    check(saved(module, (torch.rand(1, 1, 28, 28),), how), module)


@pytest.mark.parametrize("name", marked(list(FUNCTIONS)))
def test_an_operation_that_was_traced_gives_what_torch_gives(name):
    """Traced on some images, run on others."""

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return FUNCTIONS[name](x), self.weight

    right = FUNCTIONS[name](images(1))
    tree = container.parse(saved(One(), (images(0),)), "model.pt").content
    inputs = {"x": Input((None, 4, 6, 8))}
    follower = Follower.of(Code.of(tree["code"]), tree["constants"], inputs, Budget())
    first, *_ = tensors_in(follower.call_method(Module(tree["module"], ""), "forward", [Value("x")], {}))
    (found,) = follower.lowering.graph(inputs, [first.name], ()).run({"x": images(1)})
    assert found.shape == right.shape
    assert found.is_floating_point() == right.is_floating_point()
    assert float((found.float() - right.float()).abs().max()) <= ALLOWED


class Out(NamedTuple):
    picture: Tensor
    mu: Tensor
    logvar: Tensor


class Spoken(nn.Module):
    """What scripts are written with: loops, branches, lists, tables, named tuples, asserts, sizes that are computed, a
    part without gradients, training."""

    sizes: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [8, 8]
        self.layers = nn.ModuleDict({"first": nn.Linear(64, 20), "second": nn.Linear(20, 20)})
        self.mu, self.logvar, self.up = nn.Linear(20, 4), nn.Linear(20, 4), nn.Linear(4, 64)
        self.norm, self.drop = nn.BatchNorm1d(20), nn.Dropout(0.5)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        assert x.dim() == 4, f"bad {x.dim()}"
        h = x.reshape(x.size(0), -1)
        for _name, layer in self.layers.items():
            h = torch.relu(layer(h))
        n = 0
        while n < 5:
            n += 1
            if n == 2:
                break
            h = h + float(n) / 2
        with torch.no_grad():
            h = h * 1.5
        parts = [each * 2 for each in h.split(10, 1)]
        parts.append(torch.zeros(x.shape[0], 2))
        table = {"h": torch.cat(parts, 1)[:, :-2], "unused": h}
        h = self.drop(self.norm(table["h"].clamp(max=float("inf"))))
        return self.mu(h), self.logvar(h)

    def sample(self, mu: Tensor, logvar: Tensor, scale: float | None = None) -> Tensor:
        if scale is not None:
            mu = mu * scale
        if self.training:
            return mu + torch.empty_like(mu).normal_() * (0.5 * logvar).exp()
        return mu

    def decode(self, z: Tensor) -> Tensor:
        height, width = self.sizes[0], self.sizes[-1]
        y = torch.sigmoid(self.up(z)).view([z.shape[0], 1, height, width])
        return y if y.numel() // y.size(0) == 64 else y * 2

    def forward(self, x: Tensor) -> Out:
        mu, logvar = self.encode(x)
        return Out(self.decode(self.sample(mu, logvar)), mu=mu, logvar=logvar)


@cache
def spoken() -> nn.Module:
    torch.manual_seed(0)
    return Spoken().eval()


def test_what_scripts_are_written_with_is_followed():
    loaded = check(saved(spoken(), how="script"), spoken())
    assert loaded.described.halves.variational
    assert loaded.described.halves.remarks == ()


def test_a_script_that_was_saved_in_training_is_run_in_evaluation_mode_and_says_so():
    torch.manual_seed(0)
    content = saved(Spoken().train(), how="script")
    loaded = check(content, spoken())
    assert any("in evaluation mode" in each for each in loaded.described.halves.remarks)


class Methods(nn.Module):
    """Its forward gives a loss; what it is lies in two methods."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = spoken()

    @torch.jit.export
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.encode(x)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.inner.decode(z)

    def forward(self, x: Tensor) -> Tensor:
        return ((self.decode(self.encode(x)[0]) - x) ** 2).mean()


def test_two_methods_are_one_autoencoder():
    loaded = check(saved(Methods().eval(), how="script"), spoken())
    assert loaded.described.halves.code == (4,)
    assert loaded.described.halves.variational


class Half(nn.Module):
    def __init__(self, function: str) -> None:
        super().__init__()
        self.inner, self.function = network("VQ-VAE"), function

    def forward(self, x: Tensor) -> Tensor:
        return self.inner.encoder(x) if self.function == "encode" else self.inner.decoder(x)


def test_halves_are_opened_as_halves():
    x, z = torch.rand(2, 1, 28, 28), torch.rand(2, 4, 7, 7)
    whole = network("VQ-VAE")
    files = {"encoder.pt": saved(Half("encode").eval(), (x,)), "decoder.pt": saved(Half("decode").eval(), (z,))}
    encoder, decoder = (checkpoint.parse(content, name) for name, content in files.items())
    assert encoder.described.halves.decoder is None
    assert decoder.described.halves.encoder is None
    assert any("codes of any size; here they are 7 × 7" in each for each in decoder.described.halves.remarks)
    both = checkpoint.parse_both(*files.items())
    with torch.inference_mode():
        found = both.model().decode(both.model().encode(x))
        assert float((found - whole.decoder(whole.encoder(x))).abs().max()) <= ALLOWED


def test_a_number_of_images_that_a_trace_has_written_down_is_kept_to():
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network("dense VAE")

        def forward(self, x: Tensor) -> Tensor:
            return self.decode(self.encode(x))

        def encode(self, x: Tensor) -> Tensor:
            return torch.cat([self.inner.encode(x)[0], torch.ones(len(x), 1)], 1)

        def decode(self, z: Tensor) -> Tensor:
            return self.inner.decode(z[:, :-1])

    loaded = check(saved(Fixed().eval(), (torch.rand(4, 1, 28, 28),)), Fixed().eval())
    assert loaded.described.halves.encoder.batch == 4


# ------------------------------------------------------------------------------------------------------ not followed


class Known(nn.Module):
    """A dense autoencoder that its weights tell."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(784, 8), nn.Linear(8, 784)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x.flatten(1))
        return torch.sigmoid(self.decoder(torch.special.bessel_j0(z))).view(-1, 1, 28, 28)


class Branching(Known):
    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x.flatten(1))
        if bool(z.sum() > 0):
            z = z * 2
        return torch.sigmoid(self.decoder(z)).view(-1, 1, 28, 28)


class Counting(Known):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return torch.sigmoid(self.decoder(self.encoder(x.flatten(1)) * self.seen)).view(-1, 1, 28, 28)


class Many(Known):
    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x.flatten(1))
        if x.size(0) == 1:
            z = z * 2
        return torch.sigmoid(self.decoder(z)).view(-1, 1, 28, 28)


class Scalar(Known):
    def forward(self, x: Tensor, beta: float) -> Tensor:
        return torch.sigmoid(self.decoder(self.encoder(x.flatten(1)) * beta)).view(-1, 1, 28, 28)


NOT_FOLLOWED = {
    Known: r"it needs the operation aten\.special_bessel_j0 \(node special_bessel_j0\), which is not supported\.",
    Branching: r"it takes a number from its image",
    Counting: r"it changes seen as it runs",
    Many: r"it decides by the number of images which branch it takes",
    Scalar: r"method forward that takes beta, which is not a tensor",
}


@pytest.mark.parametrize("kind", NOT_FOLLOWED, ids=lambda kind: kind.__name__)
def test_what_is_not_followed_is_named(kind):
    opened = container.parse(saved(kind().eval(), how="script"), "model.pt")
    assert opened.graph is None
    assert opened.not_followed.startswith("The operations that the file describes are not run: it ")
    assert re.search(NOT_FOLLOWED[kind], opened.not_followed), opened.not_followed


class Components(nn.Module):
    """Principal components of digits, with an operation that is not in the table and changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        digits = torch.from_numpy(evaluation_digits()[0][:1000]).flatten(1) / 255
        mean = digits.mean(0)
        axes = torch.linalg.svd(digits - mean, full_matrices=False).Vh[:16]
        self.encoder, self.decoder = nn.Linear(784, 16), nn.Linear(16, 784)
        with torch.no_grad():
            for layer, weight, bias in ((self.encoder, axes, -axes @ mean), (self.decoder, axes.T, mean)):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x.flatten(1))
        return self.decoder(z + 0 * torch.special.bessel_j0(z)).view(-1, 1, 28, 28)


def test_what_is_not_followed_is_read_by_its_weights_and_never_called_certain():
    loaded = checkpoint.parse(saved(Components().eval(), how="script"), "model.pt")
    assert loaded.described is None
    assert loaded.certainty.level != Level.CERTAIN
    said = loaded.certainty.reasons()[0]
    assert "the operation aten.special_bessel_j0" in said
    assert replace(loaded.certainty, doubt="").level == Level.CERTAIN  # as weights alone would be
    own = replace(loaded, scores={"test_mse": 0.0})
    assert checkpoint.parse(checkpoint.to_bytes(own), "own.pt").certainty.reasons()[0] == said


def test_weights_that_cannot_be_read_either_are_refused_with_both_reasons():
    torch.manual_seed(0)
    with pytest.raises(CheckpointError, match=r"cannot be explored: .*\. The operations .* special_bessel_j0"):
        checkpoint.parse(saved(Known().eval(), how="script"), "model.pt")


# ------------------------------------------------------------------------------------------------------------- forged


@cache
def original() -> dict[str, bytes]:
    content = saved(network("dense VAE"), (torch.rand(1, 1, 28, 28),), "script, frozen")
    archive = zipfile.ZipFile(io.BytesIO(content))
    return {name: archive.read(name) for name in archive.namelist() if not name.endswith("debug_pkl")}


def forged(body: str) -> bytes:
    """The frozen network with another body of its forward, and two functions beside it."""
    found = dict(original())
    (name,) = (name for name in found if name.endswith(".py"))
    found[f"{name.partition('/')[0]}/code/__torch__.py"] = TWO_FUNCTIONS
    text = found[name].decode()
    head = text[: text.index("    _0 = torch.linear(")]
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    found[name] = f"{head}{lines}\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return buffer.getvalue()


BIG = 2**40
HOSTILE = {
    "no Python": ("return (((", "cannot be parsed"),
    "deep brackets": (f"return {'(' * 150}x{')' * 150}", None),
    "many brackets": (f"return {'(' * 10_000}x", "cannot be parsed"),
    "many signs": (f"return {'-' * 100_000}1", "cannot be parsed"),
    "a long chain": (f"return x{'.a' * 50_000}", "cannot be parsed"),
    "many calls": (f"return x{'()' * 50_000}", "cannot be parsed"),
    "much code": ("y = 1\n" * 100_000 + "return x", "more than 384 KB of code"),
    "an unknown operation": ("return torch.fft_fft(x)", r"the operation aten\.fft_fft \(node fft_fft\)"),
    "a custom operation": ("return ops.mylib.run(x)", r"the operation mylib\.run \(node"),
    "Python's own": ("return os.system(x)", "attribute system|kind Name"),
    "an import": ("import os\nreturn x", "a statement of the kind Import"),
    "a lambda": ("f = lambda: x\nreturn f()", "an expression of the kind Lambda"),
    "itself": ("return (self).forward(x, )", "calls itself"),
    "each other": ("return __torch__.a(x, )", "calls itself"),
    "no such function": ("return __torch__.nowhere.f(x, )", "no code of nowhere.f"),
    "no such method": ("return (self).nothing(x, )", "no code of .*nothing"),
    "no such weight": ("return torch.add(x, self.weight)", "holds no weight"),
    "no such constant": ("return torch.add(x, CONSTANTS.c99)", "holds no constant c99"),
    "an endless loop": ("while True:\n  y = 1\nreturn x", "150,000 statements"),
    "a long loop": ("for i in range(9223372036854775807):\n  y = i\nreturn x", "150,000 statements"),
    "a loop of step 0": ("for i in range(0, 5, 0):\n  y = i\nreturn x", "does not fit"),
    "a doubled list": ("y = [1]\nfor i in range(100):\n  y = torch.add(y, y)\nreturn x", "larger than any network"),
    "a doubled text": ('y = "a"\nfor i in range(100):\n  y = torch.add(y, y)\nreturn x', "larger than any network"),
    "a squared number": ("y = 3\nfor i in range(100):\n  y = torch.mul(y, y)\nreturn x", "larger than any network"),
    "a power": ("return torch.mul(x, torch.pow(2, 9223372036854775807))", "larger than any network"),
    "a list of itself": ("y = [x]\n_0 = torch.append(y, y)\nreturn torch.cat(y)", "other than tensors and numbers"),
    "lists of lists": (
        "a = [1]\nb = [1]\nfor i in range(60):\n  a = [a, a]\n  b = [b, b]\nif torch.eq(a, b):\n  pass\nreturn x",
        "a comparison of lists of lists",
    ),
    "a huge expansion": (f"return torch.expand(x, [{BIG}, 8, 8])", "too much memory|fit"),
    "a huge repetition": (f"return torch.repeat(x, [{BIG}, 1, 1, 1])", "too much memory|fit"),
    "huge zeros": (f"return torch.add(x, torch.zeros([{BIG}, {BIG}]))", "too much memory|fit"),
    "a huge range": (f"return torch.add(x, torch.arange({BIG}))", "more than .* numbers"),
    "many ranges": (
        "y = x\nfor i in range(5000):\n  y = torch.add(y, torch.sum(torch.arange(65000)))\nreturn y", "too much memory"
    ),
    "many nodes": ("y = x\nfor i in range(50000):\n  y = torch.relu(y)\nreturn y", "40,000 operations"),
    "what is never set": ("y = uninitialized(Tensor)\nreturn torch.relu(y)", "never set"),
    "no result": ("pass", "gives nothing|no output|nothing"),
    "a tuple taken apart": ("a, b, c, = (1, 2)\nreturn x", "has other parts"),
    "a part that is not there": ("return torch.mul(x, [1, 2][9])", "not there"),
    "a change of the network": ("self.k = 1\nreturn x", "an assignment to k"),
    "an error of its own": ('ops.prim.RaiseException("no", "ValueError")\nreturn x', "refuses what it is given: no"),
}  # fmt: skip
TWO_FUNCTIONS = (
    b"def a(x: Tensor) -> Tensor:\n  return __torch__.b(x, )\ndef b(x: Tensor) -> Tensor:\n  return __torch__.a(x, )\n"
)


SLOW = {"many nodes", "an endless loop", "a long loop", "many ranges"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.exhaustive) if name in SLOW else name for name in HOSTILE]
)
def test_a_hostile_archive_is_refused_in_one_sentence(name):
    body, words = HOSTILE[name]
    opened = container.parse(forged(body), "model.pt")
    try:
        graph, sentence = opened.graph, opened.not_followed
    except CheckpointError as error:
        graph, sentence = None, str(error)
    if words is None:
        return
    assert graph is None
    assert re.search(words, sentence), sentence
    assert len(sentence) < 500
    assert not set("\n\0") & set(sentence)


class Told(nn.Module):
    """A decoder that is told a class, one-hot or by its index, in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.wide, self.narrow, self.out = nn.Linear(15, 392), nn.Linear(5, 392), nn.ConvTranspose2d(8, 1, 4, 4)
        self.table, self.short_table = nn.Embedding(10, 10), nn.Embedding(10, 5)
        self.label, self.scales = nn.Linear(10, 10), nn.Linear(10, 8)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        match self.way:
            case "one-hot":
                h = self.wide(torch.cat([z, y], 1))
            case "index":
                h = self.wide(torch.cat([z, F.one_hot(y, 10).float()], 1))
            case "table":
                h = self.wide(torch.cat([self.table(y), z], 1))
            case "added":
                h = self.narrow(z + self.short_table(y))
            case "layer":
                h = self.wide(torch.cat([z, F.relu(self.label(y))], 1))
            case _:
                h = self.narrow(z) * self.scales(y).repeat_interleave(49, dim=1)
        return torch.sigmoid(self.out(F.relu(h.view(-1, 8, 7, 7))))


@pytest.mark.parametrize("way", ["one-hot", "index", "table", "added", "layer", "scaled"])
def test_a_decoder_alone_is_told_its_class_in_the_way_it_takes_it(way):
    """Nothing in the archive says how long a code is, and the class comes before any layer of the code."""
    torch.manual_seed(0)
    module, index = Told(way).eval(), torch.tensor([3, 7])
    given = index if way in ("index", "table", "added") else F.one_hot(index, 10).float()
    z = torch.randn(2, 5)
    model = checkpoint.parse(saved(module, (z, given)), "decoder.pt").model()
    assert model.signature.latent_dim == 5
    assert model.signature.n_classes == 10
    with torch.inference_mode():
        found, right = model.decode(z, F.one_hot(index, 10).float()), module(z, given)
    assert float((found - right).abs().max()) <= ALLOWED
