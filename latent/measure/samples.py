"""The samples that a model is shown by: those of the sampler to use, as far as samplers are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent import images, sampling
from latent.arrays import Codes, Decode
from latent.measure import findings
from latent.measure.evidence import SEED, Evidence
from latent.sampling import Sampler
from latent.space import LatentSpace


@dataclass(frozen=True, eq=False)
class Samples:
    """Codes ``z`` (n, latent_dim) drawn by the sampler of a name, and their ``pictures`` (n, h, w[, c]).

    ``measured`` says that the sampler is the best of those that were compared, not just the usual one.
    """

    sampler: str
    z: Codes
    pictures: NDArray[np.uint8]
    measured: bool

    @classmethod
    def of(cls, evidence: Evidence, n: int, fit: Callable[[str], Sampler], decode: Decode) -> Samples:
        """``n`` samples, of what is measured already or else by the usual sampler, which is ``fit`` by its name."""
        if evidence.complete("sampler") and evidence.is_open("samplers"):
            name = findings.recommended(evidence.fidelities())
            sampled = evidence.sampler(name, SEED)
            return cls(name, sampled.z[:n], sampled.pictures[:n], True)
        name = findings.usual_sampler(evidence)
        z = sampling.sample(fit(name), n, seed=SEED)
        return cls(name, z, images.to_uint8(decode(z)), False)


def fitted_to_all(space: LatentSpace, name: str) -> Sampler:
    """A sampler fitted to the codes of all images."""
    return sampling.fit(name, space.z, labels=space.labels)
