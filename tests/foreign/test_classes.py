"""Conditional networks of any number of classes: the number is what the file or the images say, and no other."""

import io
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import checkpoint, export
from latent.dataset import Dataset
from latent.errors import CheckpointError
from latent.foreign.reading import Reading
from latent.foreign.search import Examples
from latent.model import Signature
from latent.space import LatentSpace
from tests.support.authors import digits
from tests.support.exhaustive import few_of, few_rows_of
from tests.support.model_files import saved
from tests.support.told import Told, built

ALLOWED = 1e-5
N_TRAINED = 2000


def given_to(module: Told, n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Images, their classes as the network takes them, and one-hot."""
    x = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    index = (torch.arange(n) + module.n - n).clamp(min=0)  # the last classes among them
    one_hot = F.one_hot(index, module.n).float()
    return x, one_hot if module.way == "one-hot" else index, one_hot


def onnx(module: Told, open_batch: bool = True) -> bytes:
    pytest.importorskip("onnx")
    x, label, _ = given_to(module)
    buffer, axes = io.BytesIO(), {name: {0: "n"} for name in ("image", "label")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x, label), buffer, opset_version=13, dynamo=False, input_names=["image", "label"],
            dynamic_axes=axes if open_batch else None, verbose=False,
        )  # fmt: skip
    return buffer.getvalue()


def program(module: Told) -> bytes:
    buffer, (x, label, _) = io.BytesIO(), given_to(module)
    torch.export.save(torch.export.export(module, (x, label)), buffer)
    return buffer.getvalue()


def traced(module: Told) -> bytes:
    buffer, (x, label, _) = io.BytesIO(), given_to(module)
    torch.jit.save(torch.jit.trace(module, (x, label)), buffer)
    return buffer.getvalue()


FORMATS = {"model.onnx": onnx, "model.pt2": program, "model.ts": traced}
WAYS = [(n, way) for n in (2, 3, 26, 150) for way in ("one-hot", "table", "compared")]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "told", few_of(WAYS, [(2, "one-hot"), (26, "table"), (26, "one-hot"), (3, "compared")]), ids=str
)
def test_a_file_with_operations_says_of_how_many_classes_one_is(name, told):
    n, way = told
    module = built(n, way)
    model = checkpoint.parse(FORMATS[name](module), name).model()
    assert model.signature.n_classes == n
    x, label, one_hot = given_to(module)
    with torch.inference_mode():
        z = model.encode(x, one_hot)
        assert (z - module.encode(x, label)).abs().max() <= ALLOWED
        assert (model.decode(z, one_hot) - module.decode(z, label)).abs().max() <= ALLOWED


@pytest.mark.parametrize("condition", ["index", "one-hot"])
def test_an_exported_network_is_told_as_many_classes_as_its_images_have(condition, tmp_path):
    module = built(26, "table" if condition == "index" else "one-hot")
    images, labels = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8), np.arange(60) % 26
    names = [chr(ord("a") + n) for n in range(26)]
    export(tmp_path / "mine.pt", module.encode, module.decode, images, labels, names, condition=condition)
    space = LatentSpace.open(tmp_path / "mine.pt")
    assert (space.signature.n_classes, space.classes_of_model, space.knows_classes) == (26, tuple(names), True)
    x = torch.from_numpy(images[:, None]).float() / 255
    told = torch.from_numpy(labels) if condition == "index" else F.one_hot(torch.from_numpy(labels), 26).float()
    with torch.inference_mode():
        assert np.abs(space.z - module.encode(x, told).numpy()).max() <= ALLOWED


def trained(n: int, way: str) -> tuple[Told, Dataset]:
    """A network told which of ``n`` classes a digit is of, by its kind and how much ink it has; and those digits."""
    module, (x, one_hot) = built(n, way).train(), digits(28, 0, N_TRAINED)
    ink = x.flatten(1).mean(1).argsort().argsort() * n // 10 // N_TRAINED if n >= 10 else torch.zeros(N_TRAINED)
    label = (one_hot.argmax(1) % min(n, 10) + 10 * ink.long()).clamp(max=n - 1)
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(12):
        for batch in torch.randperm(N_TRAINED, generator=torch.Generator().manual_seed(0)).split(50):
            told = F.one_hot(label[batch], n).float() if way == "one-hot" else label[batch]
            loss = F.mse_loss(module(x[batch], told), x[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    images = (x[:, 0] * 255).round().to(torch.uint8).numpy()
    return module.eval(), Dataset.of(images, label.numpy(), [f"kind {each}" for each in range(n)])


@pytest.mark.parametrize(("n", "way"), few_rows_of([(3, "one-hot"), (20, "one-hot"), (20, "table")], [(3, "one-hot")]))
def test_weights_alone_are_told_as_many_classes_as_the_images_in_use_have(n, way):
    module, images = trained(n, way)
    reading = checkpoint.parse(saved(module.state_dict()), "mine.pt", images).model().reading
    for model in (reading, Reading.from_dict(reading.to_dict(), module.state_dict())):
        assert model.chain.n_classes == n
        some = images.select(np.arange(200))
        x, one_hot = torch.tensor(some.images[:, None]).float() / 255, Examples.of(some).told(n)
        told = one_hot if way == "one-hot" else one_hot.argmax(1)
        with torch.inference_mode():
            found, right = model.picture(model.decode(model.encode(x, one_hot), one_hot)), module(x, told)
        assert (found - right).square().mean() < 0.01 * right.var(dim=0).mean()


@pytest.mark.exhaustive
def test_a_table_with_rows_to_spare_is_told_the_classes_that_the_images_have():
    module, images = trained(20, "table")
    weights = dict(module.state_dict())
    weights["table.weight"] = torch.cat([weights["table.weight"], torch.zeros(30, 8)])
    assert checkpoint.parse(saved(weights), "mine.pt", images).model().signature.n_classes == 20


@pytest.mark.exhaustive
def test_a_saved_reading_of_another_number_of_classes_is_refused():
    module, images = trained(3, "one-hot")
    reading = checkpoint.parse(saved(module.state_dict()), "mine.pt", images).model().reading
    values = reading.to_dict()
    assert values["n_classes"] == 3
    for wrong in ({"n_classes": n} for n in (4, 10, 0, -1, "3", None)):
        with pytest.raises((ValueError, TypeError)):
            Reading.from_dict(values | wrong, module.state_dict())
    with pytest.raises(ValueError, match="without a pixel"):
        Reading.from_dict(values | {"side": 0}, module.state_dict())


@pytest.mark.exhaustive
def test_a_saved_reading_of_a_table_for_no_class_is_refused():
    module, images = trained(20, "table")
    values = checkpoint.parse(saved(module.state_dict()), "mine.pt", images).model().reading.to_dict()
    for wrong in (0, -1, 21):
        with pytest.raises(ValueError, match="classes"):
            Reading.from_dict(values | {"n_classes": wrong}, module.state_dict())


def test_a_file_for_a_number_of_images_of_its_own_says_its_classes_too():
    pytest.importorskip("onnx")
    module = built(26, "table")
    model = checkpoint.parse(onnx(module, open_batch=False), "model.onnx").model()
    assert model.signature.n_classes == 26
    x, label, one_hot = given_to(module)
    with torch.inference_mode():
        assert (model.encode(x, one_hot) - module.encode(x, label)).abs().max() <= ALLOWED


def test_more_classes_than_anybody_can_choose_from_are_refused():
    pytest.importorskip("onnx")
    with pytest.raises(CheckpointError, match="takes 1,200 classes, label; at most 1,000 are supported"):
        checkpoint.parse(onnx(built(1200, "table")), "model.onnx")


def test_two_numbers_of_classes_in_one_file_are_refused():
    pytest.importorskip("onnx")
    module = built(5, "one-hot")
    two = nn.ModuleList([module, built(7, "one-hot")])
    halves = [checkpoint.parse(onnx(each), "model.onnx").described.halves for each in two]
    with pytest.raises(CheckpointError, match="two numbers"):
        type(halves[0])(**(vars(halves[0]) | {"decoder": halves[1].decoder}))


def test_images_of_another_number_of_classes_leave_the_class_to_whoever_asks():
    module = built(3, "one-hot")
    opened = checkpoint.parse(onnx(module), "model.onnx")
    images = Dataset.of(np.zeros((4, 28, 28), np.uint8), np.arange(4) % 2, ["no", "yes"])
    space = LatentSpace.of("mine", opened, images).asked_for(2)
    assert (space.knows_classes, space.classes_of_model) == (False, ("0", "1", "2"))
    assert space.conditions(4, images.labels).tolist() == [2, 2, 2, 2]


def test_a_model_is_conditional_where_it_is_told_a_class():
    assert not Signature("ae", 2, (1, 4, 4), (2,)).conditional
    assert Signature("ae", 2, (1, 4, 4), (2,), n_classes=2).conditional
