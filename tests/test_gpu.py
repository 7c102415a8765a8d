"""The package on a GPU: the processor's numbers, one model for all, and a sentence where memory is short.

They run where torch finds CUDA, and are skipped elsewhere: ``python -m pytest -m gpu``.
"""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from latent import checkpoint, inference, report, train
from latent.errors import ArgumentError
from latent.measure.evidence import Evidence
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS, tiny
from tests.support.training import SMALL, some_images

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use is in this machine"),
]
NAMES = ("ae-16", "vae-16")
GPU = torch.device("cuda")


def on_the_processor(space: LatentSpace) -> LatentSpace:
    """The same model and images, run by the processor."""
    model = space.checkpoint.model()
    return replace(space, model=model)


@pytest.fixture(scope="module", params=NAMES)
def pair(request):
    """A shipped model on the GPU and on the processor, on 2,000 of the images."""
    space = LatentSpace.open(CHECKPOINTS / f"{request.param}.pt")
    few = space.judged_by(space.dataset.select(np.arange(2000)))
    return few, on_the_processor(few)


def test_the_model_is_on_the_gpu(pair):
    ours, theirs = pair
    assert next(ours.model.parameters()).device.type == "cuda"
    assert next(theirs.model.parameters()).device.type == "cpu"


def test_codes_pictures_and_errors_are_those_of_the_processor(pair):
    ours, theirs = pair
    assert np.abs(ours.z - theirs.z).max() < 2e-3 * theirs.statistics.std.max()
    assert np.abs(ours.decode(theirs.z) - theirs.decode(theirs.z)).max() < 2e-3
    assert ours.errors.mean() == pytest.approx(theirs.errors.mean(), rel=1e-4)


def test_a_report_tells_the_processors_numbers(pair):
    found = []
    for space in pair:
        evidence = Evidence.of(space)
        for _ in report.gather(evidence):
            pass
        found.append(report.numbers(evidence))
    ours, theirs = found
    assert ours["reconstruction"]["pca_mse"] == theirs["reconstruction"]["pca_mse"]
    assert ours["probe"]["codes"] == pytest.approx(theirs["probe"]["codes"], abs=0.002)
    for name, each in theirs[
        "samplers"
    ].items():  # axes of a Gaussian may point the other way: then other codes are drawn
        assert ours["samplers"][name]["frechet"] == pytest.approx(each["frechet"], rel=0.1, abs=0.02), name
    effects = [[row["effect"] for row in each["dimensions"]] for each in found]
    assert np.allclose(*effects, rtol=0.01)


def test_training_reaches_the_same_error_and_the_file_opens_anywhere(tmp_path):
    recipe = replace(SMALL, epochs=6, batch_size=16, lr=0.01)
    errors = []
    for device in (GPU, torch.device("cpu")):
        out = tmp_path / f"{device.type}.pt"
        finished = train.train(recipe, some_images(), out, device=device, show=lambda line: None)
        errors.append(finished.history[-1]["test_mse"])
        assert all(not weights.is_cuda for weights in checkpoint.load(out).state.values())
    assert errors[0] == pytest.approx(errors[1], rel=0.1)


def test_sessions_share_a_model_and_ask_it_at_once(pair):
    ours, _ = pair
    z, found = ours.z[:500], {}

    def ask(session: int) -> None:
        found[session] = ours.decode(z)

    threads = [threading.Thread(target=ask, args=(session,)) for session in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[0], each) for each in found.values())


@pytest.fixture
def full():
    """A function that fills the memory of the GPU but for some bytes; all of it is given back afterwards."""
    held = []

    def fill(spared: int) -> None:
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + spared) / total)
        if spared:
            return
        for size in (2**26, 2**20, 2**14, 512):
            while True:
                try:
                    held.append(torch.empty(size, dtype=torch.uint8, device=GPU))
                except torch.OutOfMemoryError:
                    break

    yield fill
    held.clear()
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_where_memory_is_short_batches_are_smaller(pair, full):
    ours, theirs = pair
    images = np.repeat(theirs.images, 10, axis=0)
    full(60 * 1024**2)
    z = inference.encode(ours.model, images, batch_size=len(images))
    assert np.abs(z[::10] - theirs.z).max() < 2e-3 * theirs.statistics.std.max()


def test_where_no_memory_is_left_a_sentence_says_so(pair, full):
    full(0)
    with pytest.raises(ArgumentError, match="memory of the GPU"):
        pair[0].encode(pair[0].images[:10])


def test_a_model_that_finds_the_gpu_full_runs_on_the_processor_and_says_so(full):
    full(0)
    space = LatentSpace.of("tiny", tiny())
    assert next(space.model.parameters()).device.type == "cpu"
    assert "memory" in space.complaint
    assert space.judged_by(space.dataset.select(np.arange(10))).z.shape == (10, 2)
