from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from latent import checkpoint, data, inference, report
from latent.checkpoint.__main__ import description
from latent.errors import ArgumentError, CheckpointError
from latent.measure import scores, topics
from latent.measure.evidence import Evidence
from latent.space import LatentSpace
from tests.support.models import tiny


def test_the_space_of_the_default_checkpoint(space):
    assert space.name == "ae-16"
    assert space.latent_dim == 16
    assert space.images.shape == (10_000, 28, 28)
    assert space.images.dtype == np.uint8
    assert space.labels.shape == (10_000,)
    assert space.z.shape == (10_000, 16)
    assert space.z.dtype == np.float32
    assert np.allclose(space.statistics.mean, space.z.mean(axis=0), atol=1e-4)


def test_codes_equal_those_of_the_bare_network(tiny_space):
    x = torch.from_numpy(tiny_space.images[:600].astype(np.float32) / 255)[:, None]
    with torch.inference_mode():
        bare = tiny_space.model.encode(x).numpy()
    assert np.allclose(tiny_space.z[:600], bare, atol=1e-5)
    assert np.allclose(tiny_space.encode(tiny_space.images[:600] / 255.0), bare, atol=1e-5)


@pytest.mark.parametrize(("start", "stop"), [(0, 15), (240, 260), (9_990, 10_000), (0, 10_000)])
def test_some_codes_are_to_the_last_bit_those_of_all(tiny_space, start, stop):
    before = tiny_space.codes(start, stop)
    assert "z" not in vars(tiny_space)
    assert np.array_equal(before, tiny_space.z[start:stop])
    assert np.array_equal(before, tiny_space.codes(start, stop))


def test_threads_that_ask_at_once_encode_once(tiny_space, monkeypatch):
    calls, encode = [], inference.encode
    monkeypatch.setattr(inference, "encode", lambda *given: calls.append(1) or encode(*given))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: tiny_space.z, range(4)))
    assert len(calls) == 1
    assert all(z is found[0] for z in found)


def test_one_image_or_code_is_a_batch_of_one(tiny_space):
    assert tiny_space.encode(tiny_space.images[0]).shape == (1, 2)
    for code in (tiny_space.z[0], [0.0, 1.0], tiny_space.z[:1]):
        assert tiny_space.decode(code).shape == (1, 28, 28)
    assert tiny_space.decode(np.zeros((0, 2))).shape == (0, 28, 28)


def test_decoding_is_the_same_in_any_batch_size(tiny_space):
    z = tiny_space.z[:77]
    whole = inference.decode(tiny_space.model, z, batch_size=100)
    parts = inference.decode(tiny_space.model, z, batch_size=10)
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() <= 1
    assert np.allclose(whole, parts, atol=1e-6)


@pytest.mark.parametrize(
    "wrong", [[1.0], [[1.0, 2.0, 3.0]], [np.nan, 0.0], [np.inf, 0.0], ["a", "b"], np.zeros((1, 1, 2))]
)
def test_codes_that_are_none_are_refused(tiny_space, wrong):
    with pytest.raises(ArgumentError):
        tiny_space.decode(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 27, 28), np.uint8),
        np.zeros((28, 28), np.int64),
        np.full((28, 28), 2.0),
        np.full((28, 28), -0.1),
        np.full((28, 28), np.nan),
    ],
)
def test_images_that_are_none_are_refused(tiny_space, wrong):
    with pytest.raises(ArgumentError):
        tiny_space.encode(wrong)


@pytest.mark.parametrize("image_shape", [(1, 32, 32), (3, 32, 32)])
def test_a_model_of_another_image_size_sees_resized_digits(tmp_path, image_shape):
    checkpoint.save(tmp_path / "other.pt", tiny(image_shape=image_shape))
    space = LatentSpace.open(tmp_path / "other.pt")
    expected = (32, 32) if image_shape[0] == 1 else (32, 32, 3)
    assert space.images.shape == (10_000, *expected)
    assert space.encode(space.images[:2]).shape == (2, 2)
    assert space.reconstruct(space.images[:2]).shape == (2, *expected)


def test_the_nearest_real_digit_of_a_real_code_is_itself(space):
    rows = np.array([0, 5, 9999])
    assert space.nearest(space.z[rows])[:, 0].tolist() == rows.tolist()
    query = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    by_hand = [np.argmin(np.linalg.norm(space.z - q, axis=1)) for q in query]
    assert space.nearest(query)[:, 0].tolist() == by_hand


def test_a_class_mean_is_the_mean_of_its_codes(space):
    assert np.allclose(
        space.class_mean(4), np.mean([z for z, label in zip(space.z, space.labels) if label == 4], axis=0), atol=1e-5
    )


def test_opening_nothing_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="absent"):
        LatentSpace.open(tmp_path / "absent.pt")


@pytest.mark.parametrize(
    ("recipe", "counts"), [({"dataset": "MNIST"}, True), ({"dataset": "FashionMNIST"}, False), ({}, False)]
)
def test_a_saved_test_error_counts_everywhere_or_nowhere(tmp_path, monkeypatch, recipe, counts):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))
    digits, labels = data.evaluation_digits()
    monkeypatch.setattr(data, "evaluation_digits", lambda: (digits[:200], labels[:200]))
    path = tmp_path / "tiny.pt"
    checkpoint.save(path, replace(tiny(), recipe=recipe, scores={"test_mse": 0.0123}))
    space = LatentSpace.open(path)
    evidence = Evidence.of(space)
    for part in ("reconstruction", "pca_errors"):
        evidence.measure(part)
    measured = np.square(space.reconstruct(space.images) - space.images / 255).mean()
    shown = {
        "the space": space.test_error,
        "Compare runs": scores.score(evidence, "mse"),
        "python -m latent.checkpoint": description(path)["mse"],
        "the report": report.numbers(evidence)["reconstruction"]["mse"],
        "its chart": topics.error_lines(evidence)["this model"],
    }
    assert len(set(shown.values())) == 1, shown
    assert space.test_error == pytest.approx(0.0123 if counts else measured, rel=1e-5)


def test_a_file_that_is_read_another_way_has_its_error_measured(tiny_space):
    saved = replace(tiny_space.checkpoint, scored=[None, None])
    assert replace(tiny_space, checkpoint=saved).test_error == pytest.approx(tiny_space.errors.mean())
    assert tiny_space.test_error == 0.1
