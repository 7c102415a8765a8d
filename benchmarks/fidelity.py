"""How near the pictures of our mixture come to real digits, beside those of pythae's, from the same codes."""

from pathlib import Path
from statistics import median

import torch

from benchmarks.comparison import Row
from benchmarks.computing import N_COMPONENTS, in_pythae, quietly
from latent.measure.evidence import Evidence
from latent.measure.fidelity import halves
from latent.space import LatentSpace

SEEDS = range(3)


def sampling_by_mixtures(checkpoint: Path) -> list[Row]:
    """Fréchet distances of 5,000 samples from the half of the test digits that neither was fitted to."""
    samplers = quietly("pythae.samplers")
    evidence = Evidence(LatentSpace.open(checkpoint))
    known, held_out = halves(len(evidence.space.z))
    x = torch.from_numpy(evidence.space.images[known, None].copy()).float().div_(255)
    sampler = samplers.GaussianMixtureSampler(
        in_pythae(evidence.space.model), samplers.GaussianMixtureSamplerConfig(n_components=N_COMPONENTS)
    )
    with torch.inference_mode():
        sampler.fit(x)
    ours = [evidence.sampler("mixture", seed).fidelity.frechet for seed in SEEDS]
    theirs = []
    for seed in SEEDS:
        sampler.gmm.random_state = seed
        with torch.inference_mode():
            pictures = sampler.sample(len(held_out), return_gen=True)
        verdict = evidence.judge(pictures[:, 0].clamp(0, 1).numpy())
        theirs.append(evidence.reference().measure(verdict.features, verdict.digits, verdict.confidence).frechet)
    mine, peer = median(ours), median(theirs)
    name = f"mixture: Fréchet distance, {checkpoint.stem}"
    return [Row(name, "pythae's sampler, same codes", "", mine, peer, mine / peer, 1.0)]
