"""How near the pictures of our mixture come to real digits, beside those of pythae's samplers, from the same codes."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.comparison import Row
from benchmarks.computing import N_COMPONENTS, in_pythae, quietly
from latent.measure.evidence import Evidence
from latent.space import LatentSpace

SEEDS = range(5)
FLOWS = 2  # which take minutes to train
EPOCHS = 100  # pythae's default
LEARNING_RATE = 1e-3  # ten times pythae's default, for so few codes

Draw = Callable[[torch.Tensor, int, int], torch.Tensor]
"""Pictures (n, 1, height, width) of a sampler that is fitted anew to images: of these, how many, by which seed."""


def sampling_by_mixtures(checkpoint: Path) -> list[Row]:
    """Our mixture beside pythae's."""
    samplers = quietly("pythae.samplers")
    evidence = Evidence.of(LatentSpace.open(checkpoint))
    model, config = in_pythae(evidence.space.model), samplers.GaussianMixtureSamplerConfig(n_components=N_COMPONENTS)

    def draw(x: torch.Tensor, n: int, seed: int) -> torch.Tensor:
        np.random.seed(seed)  # noqa: NPY002 - by which scikit-learn starts the fit where it is given none
        sampler = samplers.GaussianMixtureSampler(model, config)
        with torch.inference_mode():
            sampler.fit(x)
            # A number would make each batch of 500 start from the same state: the same 500 images ten times.
            sampler.gmm.random_state = np.random.RandomState(seed)
            return sampler.sample(n, return_gen=True)

    name = f"mixture: Fréchet distance, {checkpoint.stem}"
    return [compared(name, "pythae's sampler, same codes", evidence, draw, SEEDS)]


def sampling_by_a_flow(checkpoint: Path) -> list[Row]:
    """Our mixture beside pythae's masked autoregressive flow (Papamakarios et al. 2017), which takes minutes to train.

    A fifth of the codes that both are given choose the epoch.
    """
    samplers = quietly("pythae.samplers")
    trainers = quietly("pythae.trainers")
    logging.disable(logging.INFO)
    evidence = Evidence.of(LatentSpace.open(checkpoint))
    model = in_pythae(evidence.space.model)

    def draw(x: torch.Tensor, n: int, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        sampler = samplers.MAFSampler(model)
        with tempfile.TemporaryDirectory() as folder:
            training = trainers.BaseTrainerConfig(
                output_dir=folder, num_epochs=EPOCHS, learning_rate=LEARNING_RATE, no_cuda=True
            )
            left_out = len(x) // 5
            sampler.fit(x[left_out:], x[:left_out], training)
        with torch.inference_mode():
            return sampler.sample(n, return_gen=True)

    name = f"mixture: Fréchet distance, {checkpoint.stem}"
    return [compared(name, "pythae's flow (MAF), same codes", evidence, draw, range(FLOWS))]


def compared(name: str, against: str, evidence: Evidence, draw: Draw, seeds: range) -> Row:
    """Fréchet distances of 5,000 samples from the half of the test images that neither was fitted to.

    Medians over seeds, for each of which the peer, whose fit is random too, is fitted anew.
    """
    known, held_out = evidence.halves()
    x = torch.from_numpy(evidence.space.images[known, None].copy()).float().div_(255)

    def distances() -> Iterator[float]:
        for seed in seeds:
            pictures = draw(x, len(held_out), seed)[:, 0].clamp(0, 1).numpy()
            yield evidence.reference().measure(evidence.originals.see(pictures)).frechet

    mine = median(evidence.sampler("mixture", seed).fidelity.frechet for seed in seeds)
    peer = median(distances())
    return Row(name, against, "", mine, peer, mine / peer, 1.0)
