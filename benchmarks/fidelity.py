"""How near the pictures of our mixture come to real digits, beside those of pythae's, from the same codes."""

from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.comparison import Row
from benchmarks.computing import N_COMPONENTS, in_pythae, quietly
from latent.measure.evidence import Evidence
from latent.space import LatentSpace

SEEDS = range(5)


def sampling_by_mixtures(checkpoint: Path) -> list[Row]:
    """Fréchet distances of 5,000 samples from the half of the test images that neither was fitted to.

    Medians over seeds, of each of which pythae's sampler, whose fit is random too, is fitted anew.
    """
    samplers = quietly("pythae.samplers")
    evidence = Evidence(LatentSpace.open(checkpoint))
    known, held_out = evidence.halves()
    x = torch.from_numpy(evidence.space.images[known, None].copy()).float().div_(255)
    model, config = in_pythae(evidence.space.model), samplers.GaussianMixtureSamplerConfig(n_components=N_COMPONENTS)
    ours = [evidence.sampler("mixture", seed).fidelity.frechet for seed in SEEDS]
    theirs = []
    for seed in SEEDS:
        np.random.seed(seed)  # noqa: NPY002 - by which scikit-learn starts the fit where it is given none
        sampler = samplers.GaussianMixtureSampler(model, config)
        with torch.inference_mode():
            sampler.fit(x)
            # A number would make each batch of 500 start from the same state: the same 500 images ten times.
            sampler.gmm.random_state = np.random.RandomState(seed)
            pictures = sampler.sample(len(held_out), return_gen=True)
        verdict = evidence.judge()(pictures[:, 0].clamp(0, 1).numpy())
        theirs.append(evidence.reference().measure(verdict).frechet)
    mine, peer = median(ours), median(theirs)
    name = f"mixture: Fréchet distance, {checkpoint.stem}"
    return [Row(name, "pythae's sampler, same codes", "", mine, peer, mine / peer, 1.0)]
