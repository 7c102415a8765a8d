"""The reader: what other people's files hold, worked out without their code and judged by what their code does."""

import contextlib
import gc
import json
import time
from functools import cache
from threading import BoundedSemaphore, Thread

import numpy as np
import pytest
import torch
from torch import nn

from latent import checkpoint
from latent.checkpoint import Checkpoint
from latent.checkpoint.__main__ import main
from latent.errors import CheckpointError
from latent.foreign import search
from latent.foreign.certainty import Level
from latent.foreign.operations import OUTPUTS, PIXELS
from latent.foreign.reading import with_activation
from latent.space import LatentSpace
from tests.support.authors import AUTHORS, Author, mlp, network_of, own_pictures, state_of, true_error
from tests.support.exhaustive import few_of
from tests.support.javascript import ALLOWED, largest_differences, needs_node, real_codes
from tests.support.model_files import saved
from tests.support.models import CHECKPOINTS, FOREIGN

TRUTH = json.loads((FOREIGN / "truth.json").read_text()) if FOREIGN.exists() else []
OF_DIGITS = [truth for truth in TRUTH if truth["mse"] is not None]  # the others are of other images, or half a model
READ_KERAS = [truth for truth in OF_DIGITS if truth["file"].endswith(".h5") and "mlp" in truth["file"]]
READ_PYTORCH = [truth for truth in OF_DIGITS if not truth["file"].endswith(".h5")]
DENSE = "birchbrandon", "wilfredkisku", "ah-afshin"  # authors whose files are read quickly
QUICKLY_READ = [truth for truth in READ_PYTORCH if truth["file"].startswith(DENSE)]
STAND_FOR_ALL = (
    "tanh", "standardised, linear", "conditional, the label first", "an average without a prefix",
)  # fmt: skip


@cache
def read(name: str) -> Checkpoint:
    return checkpoint.parse(saved(state_of(name)), f"{name}.pt")


@cache
def published(file: str) -> LatentSpace:
    return LatentSpace.open(FOREIGN / file)


def error_of(loaded: Checkpoint, n: int = 1000) -> float:
    space = LatentSpace.of("read", loaded)
    images, labels = space.images[:n], space.labels[:n]
    return float(np.square(space.reconstruct(images, labels) - images / np.float32(255)).mean())


@pytest.mark.parametrize("name", few_of(AUTHORS, STAND_FOR_ALL))
def test_an_authors_weights_are_read_as_the_author_runs_them(name):
    author = AUTHORS[name]
    loaded = read(name)
    assert error_of(loaded) <= 1.05 * true_error(author, network_of(name))
    reading = loaded.scored[0].reading
    assert reading.side == author.side
    assert reading.conditional == author.conditional
    if name != "inverted":  # whose own network is another one's part
        assert reading.variational == hasattr(network_of(name), "kl")
    assert loaded.certainty is not None
    space = LatentSpace.of(name, loaded)
    own = own_pictures(author, network_of(name))[:, 0].numpy()
    difference = np.square(space.reconstruct(space.images[: len(own)], space.labels[: len(own)]) - own).mean()
    if loaded.certainty.level == Level.CERTAIN:
        assert difference < 0.01 * own.var(axis=0).mean()


@pytest.mark.parametrize("name", ["upside down", "upside down, interpolated"])
def test_what_was_trained_on_other_images_is_read_as_authors_mostly_write_and_only_guessed(name, monkeypatch):
    monkeypatch.setattr(search, "SECONDS", 60.0)  # it takes most of the time that a quiet machine has for it
    author, loaded = AUTHORS[name], read(name)
    own = own_pictures(author, network_of(name))[:, 0].numpy()
    space = LatentSpace.of(name, loaded)
    drawn = space.reconstruct(space.images[: len(own)], space.labels[: len(own)])
    assert np.square(drawn - own).mean() < 0.01 * own.var(axis=0).mean()
    assert loaded.certainty is not None
    assert loaded.certainty.level == Level.GUESS


def test_of_activations_that_do_the_same_the_usual_one_is_believed():
    reading = read("dropout").scored[0].reading
    assert "ReLU" in reading.activations
    assert search.oddity(with_activation(reading, "LeakyReLU 0.2")) > search.oddity(reading)
    assert search.oddity(with_activation(reading, "GELU")) > search.oddity(reading)


@pytest.mark.parametrize("output", ["linear", "linear for standardised"])
def test_what_goes_far_beyond_pixels_is_likelier_meant_for_a_sigmoid(output):
    pixels = PIXELS[OUTPUTS[output].pixels].from_unit(torch.rand(8, 1, 28, 28))
    logits = 12 * pixels - 6
    assert search.price_of_excess(output, pixels, 0.01) < 1e-6
    assert search.price_of_excess(output, logits, 0.01) == search.MOST_EXCESS_PRICE
    assert search.price_of_excess("sigmoid", logits, 0.01) == 0


def aside(name: str) -> str:
    return read(name).scored[0].reading.choices().get("unused layers", "")


def test_what_lies_beside_the_network_is_left_aside_and_named():
    assert aside("a dense discriminator first") == "fc_logvar, D.*"
    assert aside("a discriminator of codes") == "fc_logvar, disc.0, disc.2, disc.4"
    assert aside("an average without a prefix") == "fc_logvar, ema.*"
    assert aside("parameters of the loss") == "fc_logvar"


KINDS = {
    "LayerNorm": ("normalisation", "one group"),
    "residual, dense": ("residual blocks", "2"),
    "inverted": ("images", "inverted"),
    "label through a table of 50": ("label through", "label_emb"),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_few_networks_have_is_run_and_said_and_kept_in_our_format(tmp_path, name):
    loaded, (choice, value) = read(name), KINDS[name]
    assert loaded.scored[0].reading.choices()[choice] == value
    checkpoint.save(tmp_path / "own.pt", Checkpoint(None, loaded.state, scores={"test_mse": 0.5}, scored=loaded.scored))
    again, space = LatentSpace.open(tmp_path / "own.pt"), LatentSpace.of(name, loaded)
    images, labels = space.images[:20], space.labels[:20]
    assert np.array_equal(again.reconstruct(images, labels), space.reconstruct(images, labels))
    assert again.checkpoint.certainty == loaded.certainty


def test_a_nan_counts_only_in_weights_that_are_run():
    weights = network_of("tanh").state_dict()
    beside = weights | {"losses": torch.tensor([0.3, float("nan")])}
    assert (
        checkpoint.parse(saved(beside), "a.pt").scored[0].reading.to_dict() == read("tanh").scored[0].reading.to_dict()
    )
    weights["decoder.0.bias"] = torch.full_like(weights["decoder.0.bias"], float("nan"))
    with pytest.raises(CheckpointError, match=r"decoder\.0 are not finite"):
        checkpoint.parse(saved(weights), "b.pt")


def test_a_name_like_a_schedules_is_no_reason_to_refuse():
    state = network_of("tanh").state_dict() | {"betas": torch.linspace(0, 1, 10)}
    assert checkpoint.parse(saved(state), "a.pt").scored[0].reading.choices()["activations"] == "tanh"


def test_layers_that_cannot_be_run_are_listed_and_the_reading_is_never_certain():
    state = dict(network_of("tanh").state_dict())
    middle = {"encoder.1.weight": torch.ones(3, 3, 3, 3, 3), "encoder.1.bias": torch.ones(3)}
    loaded = checkpoint.parse(saved({"encoder.0.weight": state.pop("encoder.0.weight")} | middle | state), "a.pt")
    assert "encoder.1" in loaded.scored[0].reading.chain.not_run
    assert loaded.certainty.level != Level.CERTAIN
    assert any("encoder.1" in reason for reason in loaded.certainty.reasons())


def test_a_decoder_alone_is_read_in_the_likeliest_style_and_called_a_guess():
    weights = network_of("a discriminator of codes").state_dict()
    decoder = {name: weight for name, weight in weights.items() if name.startswith("decoder.")}
    loaded = checkpoint.parse(saved(decoder), "decoder.pt")
    z = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    own = network_of("a discriminator of codes").decoder(z).detach().numpy().reshape(20, 28, 28)
    assert np.allclose(LatentSpace.of("decoder", loaded).decode(z.numpy()), own, atol=1e-5)
    assert loaded.certainty.level == Level.GUESS
    assert len(loaded.scored) > 1


CHOICES = {
    "tanh": {"activations": "tanh", "pixels out": "sigmoid", "code": "12"},
    "sigmoid": {"activations": "sigmoid"},
    "symmetric, tanh, LeakyReLU 0.2": {"activations": "LeakyReLU 0.2", "pixels in": "[-1, 1]"},
    "standardised, linear": {"pixels in": "standardised", "pixels out": "linear for standardised"},
    "one head, interleaved": {"mean": "even indices"},
    "one head, halves": {"mean": "first half"},
    "two heads, the log-variance first": {"mean": "h1"},
    "conditional, the label first": {"label": "before"},
    "conditional": {"label": "after"},
    "pooled": {"code": "4 × 7 × 7"},
    "spatial heads": {"code": "4 × 7 × 7", "mean": "conv_mu"},
    "generator-like": {"image side": "32", "code": "10 × 1 × 1"},
}


@pytest.mark.parametrize("name", few_of(CHOICES, [name for name in CHOICES if name in STAND_FOR_ALL]))
def test_what_was_inferred_is_said(name):
    found = read(name).scored[0].reading.choices()
    assert {key: found.get(key) for key in CHOICES[name]} == CHOICES[name]


OFFERED = {
    "conditional, the label first": "Label", "one head, halves": "Mean of the code", "two heads": "Mean of the code",
    "upsampled": "Upsampling", "pooled": "Convolutions",
}  # fmt: skip


@pytest.mark.parametrize("name", few_of(OFFERED, ["conditional, the label first", "two heads"]))
def test_every_choice_that_was_inferred_can_be_another_and_the_network_still_runs(name):
    reading = read(name).scored[0].reading
    alternatives = reading.alternatives()
    assert OFFERED[name] in alternatives
    images, labels = torch.rand(2, reading.channels, reading.side, reading.side), torch.eye(10)[:2]
    for choices in alternatives.values():
        first, *others = choices.values()
        assert first == reading
        assert others
        for other in others:
            x = images if other.side == reading.side else torch.rand(2, other.channels, other.side, other.side)
            pictures = other.picture(other.decode(other.encode(x, labels), labels))
            assert pictures.shape == x.shape
            assert torch.isfinite(pictures).all()


def test_another_head_gives_another_code_and_back_again_the_same():
    reading = read("two heads").scored[0].reading
    other = reading.alternatives()["Mean of the code"]["h2"]
    images, labels = torch.rand(3, 1, 28, 28), torch.eye(10)[:3]
    assert not torch.allclose(other.encode(images, labels), reading.encode(images, labels))
    back = other.alternatives()["Mean of the code"]["h1"]
    assert torch.equal(back.encode(images, labels), reading.encode(images, labels))
    assert reading.differences(other).startswith("mean h2")


@pytest.mark.exhaustive
def test_the_layers_are_listed_with_all_that_was_inferred_of_them():
    lines = read("upsampled").scored[0].reading.layer_lines()
    pooled = "encoder.3: Conv2d 8 → 16, kernel 3, stride 1, padding 1, max pool 2, stride 2, maps of 7, "
    upsampled = "decoder.7: Conv2d 8 → 1, kernel 3, stride 1, padding 1, upsampled 2 times before, maps of 28, "
    assert lines[1].startswith(pooled)
    assert lines[-1].startswith(upsampled)
    assert lines[1].endswith("LU before")  # of the family of ReLU
    assert lines[3] == "decoder.0: Linear 10 → 784 ⟵ code"
    normalised = read("normalised, decoder first").scored[0].reading.layer_lines()
    assert normalised[-2].startswith("decoder.3: Linear 64 → 128, ")
    assert normalised[-2].endswith(", decoder.4 after")


def test_other_strides_are_told_layer_by_layer():
    reading = read("pooled").scored[0].reading
    _, other, *_ = reading.alternatives()["Convolutions"].values()
    assert reading.differences(other).startswith("encoder.3: Conv2d 16 → 4, kernel 3, stride 2, padding 1, maps of 7")


@pytest.mark.exhaustive
def test_the_order_of_the_batch_and_the_load_of_the_machine_do_not_change_the_reading():
    again = checkpoint.parse(saved(network_of("two heads").state_dict()), "again.pt")
    assert again.scored[0].reading.to_dict() == read("two heads").scored[0].reading.to_dict()


@pytest.mark.parametrize(
    "name", few_of(["tanh", "conditional, the label first", "pooled", "convolutional heads"], ["tanh"])
)
def test_a_file_that_was_read_is_saved_in_our_format_and_opens_to_the_same_pictures(tmp_path, name):
    loaded = read(name)
    checkpoint.save(tmp_path / "own.pt", Checkpoint(None, loaded.state, scores={"test_mse": 0.5}, scored=loaded.scored))
    again = LatentSpace.open(tmp_path / "own.pt")
    space = LatentSpace.of(name, loaded)
    digits, labels = space.images[:20], space.labels[:20]
    assert np.array_equal(again.encode(digits, labels), space.encode(digits, labels))
    assert np.array_equal(again.reconstruct(digits, labels), space.reconstruct(digits, labels))


def test_a_whole_pickled_network_tells_its_strides_and_none_of_its_code_runs(tmp_path):
    network = network_of("pooled")
    torch.save(network, tmp_path / "whole.pt")
    assert error_of(checkpoint.load(tmp_path / "whole.pt")) <= 1.05 * true_error(AUTHORS["pooled"], network)


def test_the_activations_that_a_whole_network_names_are_believed():
    """ReLU and LeakyReLU 0.01 hardly differ in what they do; a file that names one is read with it."""
    from latent.foreign import container, search

    network = network_of("symmetric, tanh, LeakyReLU 0.2")
    modules = container.parse(saved(network), "whole.pt").modules()
    assert search.activations_named(modules) == {"LeakyReLU 0.2", "tanh"}
    weights = network_of("standardised, linear").state_dict()
    for name in ("ReLU", "LeakyReLU 0.01"):
        record = container.Record(f"torch.nn.modules.activation.{name.split()[0]}", {"negative_slope": 0.01})
        found = search.read(weights, {"encoder.1": record})[0].reading
        assert set(found.activations[1:]) == {name}


def test_what_an_optimiser_remembers_is_let_go_of_before_the_search(monkeypatch):
    """Many wait for their turn at once, each with a file of up to 200 MB."""
    remembered, sizes = torch.zeros(123_457), []
    content = saved(
        {"state_dict": network_of("tanh").state_dict(), "optimizer": {"state": {0: {"exp_avg": remembered}}}}
    )
    n, search_now = len(remembered), search.read
    del remembered

    def look_first(*given):
        gc.collect()
        sizes.extend(each.numel() for each in gc.get_objects() if type(each) is torch.Tensor)
        return search_now(*given)

    monkeypatch.setattr(search, "read", look_first)
    checkpoint.parse(content, "training.pt")
    assert sizes
    assert n not in sizes


def test_searches_wait_for_their_turn_and_give_it_back(monkeypatch):
    """Also where one ends in an error."""
    running, most = [], []

    def search_for_a_while(tensors, *others):
        running.append(1)
        time.sleep(0.05)
        most.append(len(running))
        running.pop()
        raise CheckpointError("nothing is found")

    def read_in_vain():
        with contextlib.suppress(CheckpointError):
            search.read({})

    monkeypatch.setattr(search, "TURNS", BoundedSemaphore(1))
    monkeypatch.setattr(search, "read_now", search_for_a_while)
    threads = [Thread(target=read_in_vain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_a_classifier_head_is_left_aside_and_named():
    state = network_of("tanh").state_dict() | mlp([12, 64, 10], nn.ReLU).state_dict(prefix="classifier.")
    reading = checkpoint.parse(saved(state), "semi.pt").scored[0].reading
    assert reading.choices()["unused layers"] == "classifier.0, classifier.2"


@pytest.mark.exhaustive
def test_a_decoder_alone_draws_digits_and_cannot_encode():
    state = network_of("two heads").state_dict()
    decoder = {name: tensor for name, tensor in state.items() if name.startswith(("b.", "c."))}
    space = LatentSpace.of("decoder", checkpoint.parse(saved(decoder), "decoder.pt"))
    assert not space.signature.has_encoder
    assert space.decode(space.z[:3]).shape == (3, 28, 28)
    with pytest.raises(ValueError, match="decoder-only"):
        space.encode(space.images[:1])


def test_a_conditional_decoder_draws_the_digit_that_is_asked_for():
    space = LatentSpace.of("conditional", read("conditional"))
    real = space.images / 255.0
    for digit in (0, 1):
        picture = space.asked_for(digit).decode(space.class_mean(digit))[0]
        distances = [np.square(picture - real[space.labels == d].mean(axis=0)).mean() for d in range(10)]
        assert int(np.argmin(distances)) == digit


REFUSED = {
    "a classifier": (lambda: mlp([784, 64, 10], nn.ReLU).state_dict(), "classifier"),
    "an encoder alone": (lambda: mlp([784, 64, 16], nn.ReLU).state_dict(), "no decoder"),
    "a recurrent network": (lambda: nn.LSTM(28, 64).state_dict(), "recurrent"),
    "a transformer": (lambda: nn.TransformerEncoderLayer(64, 4).state_dict(), "transformer"),
    "a diffusion model": (lambda: {"betas": torch.rand(10), "conv.weight": torch.rand(1, 1, 3, 3)}, "diffusion"),
    "an optimizer": (lambda: torch.optim.Adam(nn.Linear(2, 2).parameters()).state_dict(), "optimizer|no tensors"),
    "no tensors": (lambda: {"epoch": 3}, "no tensors"),
    "a decoder of larger images": (
        lambda: nn.Sequential(nn.ConvTranspose2d(8, 4, 100), nn.ConvTranspose2d(4, 1, 100)).state_dict(),
        "from a code to an image of 28, 32 or 64 pixels",
    ),
    "an untrained network": (lambda: mlp([784, 32, 784], nn.ReLU, nn.Sigmoid()).state_dict(), "beats the mean image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_autoencoder_is_refused_in_one_sentence_that_says_what_it_is(name):
    make, words = REFUSED[name]
    with pytest.raises(CheckpointError, match=words) as caught:
        checkpoint.parse(saved(make()), "strange.pt")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("strange.pt")


@pytest.mark.parametrize(("seconds", "said"), [(0.02, "could be tried in the time"), (20, "that was tried beats")])
def test_a_refusal_says_whether_the_time_for_the_search_ran_out(monkeypatch, seconds, said):
    monkeypatch.setattr(search, "SECONDS", seconds)
    make, _ = REFUSED["an untrained network"]
    with pytest.raises(CheckpointError, match=said):
        checkpoint.parse(saved(make()), "strange.pt")


@pytest.mark.skipif(not TRUTH, reason="the foreign checkpoints are not beside this checkout")
@pytest.mark.parametrize("truth", few_of(READ_PYTORCH, QUICKLY_READ), ids=lambda truth: truth["file"])
def test_published_pytorch_files_are_read_within_5_percent_of_what_their_authors_code_does(truth):
    space = published(truth["file"])
    assert space.test_error <= 1.05 * truth["mse"]


@pytest.mark.skipif(not TRUTH, reason="the foreign checkpoints are not beside this checkout")
@pytest.mark.parametrize("truth", READ_KERAS, ids=lambda truth: truth["file"][:30])
def test_published_keras_files_are_read(truth):
    space = published(truth["file"])
    assert space.test_error <= 1.05 * truth["mse"]


@needs_node
@pytest.mark.exhaustive
@pytest.mark.skipif(not TRUTH, reason="the foreign checkpoints are not beside this checkout")
def test_every_published_file_that_is_read_draws_in_javascript_what_torch_draws(modules):
    models = []
    for truth in OF_DIGITS:
        with contextlib.suppress(CheckpointError):
            models.append(published(truth["file"]).model)
    assert len(models) >= len(READ_PYTORCH)
    assert max(largest_differences(modules, models, list(map(real_codes, models)))) <= ALLOWED


def test_the_command_says_how_each_file_is_read_and_fails_for_what_is_refused(tmp_path, capsys):
    (tmp_path / "good.pt").write_bytes(saved(network_of("tanh").state_dict()))
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    assert main([str(tmp_path / "good.pt"), "--json"]) == 0
    (good,) = json.loads(capsys.readouterr().out)
    assert set(good) == {
        "path", "ok", "kind", "latent_dim", "image_shape", "mse", "reading", "runner_up", "seconds", "error",
        "certainty", "margin", "doubts", "remedy", "not_run", "left_aside",
    }  # fmt: skip
    assert (good["ok"], good["kind"], good["latent_dim"], good["image_shape"]) == (True, "ae", 12, [1, 28, 28])
    assert good["mse"] == pytest.approx(true_error(AUTHORS["tanh"], network_of("tanh")), rel=0.1)
    assert good["runner_up"]["margin"] >= 0.9
    assert (good["certainty"], good["remedy"], good["not_run"], good["left_aside"]) == ("certain", None, [], [])
    assert good["margin"] > 1
    assert main([str(tmp_path / "good.pt"), str(tmp_path / "bad.pt")]) == 1
    text = capsys.readouterr().out
    assert "refused: bad.pt" in text
    assert "tanh" in text


def test_the_command_knows_our_own_files(capsys):
    assert main([str(CHECKPOINTS / "ae-16.pt"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["latent_dim"], found["reading"]) == (True, 16, None)
    assert found["mse"] == pytest.approx(checkpoint.load(CHECKPOINTS / "ae-16.pt").scores["test_mse"], rel=1e-3)


def test_authors_are_told_apart_by_what_they_do():
    """A wrong reading is clearly worse, or this whole way of reading would prove nothing."""
    author: Author = AUTHORS["tanh"]
    reading = read("tanh").scored[0].reading
    from dataclasses import replace

    wrong = read("tanh").overruled(replace(reading, activations=tuple("ReLU" for _ in reading.activations)))
    assert error_of(wrong) > 1.5 * true_error(author, network_of("tanh"))


def test_two_files_are_read_at_the_same_instant_without_disturbing_each_other():
    from concurrent.futures import ThreadPoolExecutor

    contents = [saved(network_of(name).state_dict()) for name in ("tanh", "two heads")] * 2
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda content: checkpoint.parse(content, "same.pt"), contents))
    for loaded, name in zip(found, ("tanh", "two heads") * 2, strict=True):
        assert loaded.scored[0].reading.choices() == read(name).scored[0].reading.choices()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("steps", 0, 6), 10**6), (("steps", 0, 2), 0), (("steps", 0, 3), -5), (("side",), 10**9), (("code",), 99),
        (("gaps",), []), (("pixels",), "[0, 7]"), (("output",), None),
        (("links", 0, "layer"), "elsewhere"), (("gaps", 1), "explode"),
    ],
)  # fmt: skip
def test_a_saved_reading_that_was_forged_is_refused_in_one_sentence(path, value):
    loaded = read("pooled")
    whole = Checkpoint(None, loaded.state, scores={"test_mse": 0.5}, scored=loaded.scored)
    import io

    values = torch.load(io.BytesIO(checkpoint.to_bytes(whole)), weights_only=True)
    place = values["reading"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(CheckpointError, match=r"forged\.pt is an incomplete"):
        checkpoint.parse(saved(values), "forged.pt")
