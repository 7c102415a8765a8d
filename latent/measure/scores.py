"""Scores: the numbers by which models are compared, each kept on disk once it is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from latent import checkpoint, store
from latent.dataset import Dataset
from latent.foreign import container
from latent.measure import kept
from latent.measure.evidence import CODES, KEPT_RECORDS, PCA, SEED, Evidence, subject
from latent.measure.fidelity import Fidelity
from latent.measure.intervals import Interval, mean_interval
from latent.measure.kept import Part
from latent.measure.measured import VERSION
from latent.measure.measures import Measure
from latent.space import Identity, LatentSpace, saved_test_error

SAMPLER = "mixture"  # by which models are compared: of those that draw new codes, the one nearest to real images
SAMPLER_OF_DECODERS = "normal"  # by which decoder-only files are: it needs no codes
CURVE = 64  # principal components to which the curve beside all models reaches, or farther where a code is longer
UNKNOWN = (np.nan, np.nan)  # the interval of what cannot be measured
OVERVIEW = ("mse", "probe", "frechet")  # by which all models of a folder are compared

# The SHA-256 of a file, how it is read where somebody chose that, and the SHA-256 of the images it is scored on.
Key = tuple[str, str, str]


def training_time(evidence: Evidence) -> float:
    """Seconds; NaN where the file has no history."""
    history = evidence.space.checkpoint.history
    return float(sum(row["seconds"] for row in history)) if history else np.nan


def needs_encoder(measure: Callable[[Evidence], float]) -> Callable[[Evidence], float]:
    """The measurement where there are codes of real images; NaN for a decoder-only file."""
    return lambda evidence: measure(evidence) if evidence.space.signature.has_encoder else np.nan


def needs_classes(measure: Callable[[Evidence], float]) -> Callable[[Evidence], float]:
    """The measurement where classes can be predicted from codes; NaN otherwise."""
    return needs_encoder(lambda evidence: np.nan if evidence.class_refusal else measure(evidence))


def sampler_fidelity(evidence: Evidence) -> Fidelity | None:
    """The fidelity of one sampler, the same for all; None where the judge cannot judge."""
    evidence.judge()
    if evidence.refusal:
        return None
    sampler = SAMPLER if evidence.space.signature.has_encoder else SAMPLER_OF_DECODERS
    return evidence.sampler(sampler, SEED).fidelity


def sampler_distance(evidence: Evidence) -> float:
    """The Fréchet distance of that sampler; NaN where the judge cannot judge."""
    found = sampler_fidelity(evidence)
    return np.nan if found is None else found.frechet


def where_encoded(interval: Callable[[Evidence], Interval]) -> Callable[[Evidence], Interval]:
    """The interval where there are codes of real images; unknown for a decoder-only file."""
    return lambda evidence: interval(evidence) if evidence.space.signature.has_encoder else UNKNOWN


def where_classes(interval: Callable[[Evidence], Interval]) -> Callable[[Evidence], Interval]:
    """The interval where classes can be predicted from codes; unknown otherwise."""
    return where_encoded(lambda evidence: UNKNOWN if evidence.class_refusal else interval(evidence))


def sampler_interval(evidence: Evidence) -> Interval:
    """The interval of `sampler_distance`."""
    found = sampler_fidelity(evidence)
    return UNKNOWN if found is None else found.interval("frechet")


# All by which models are compared, by its key in JSON and in the store. To add a score, add its record here.
SCORES: dict[str, Measure[Evidence]] = {
    "mse": Measure(
        "Test MSE", "squared pixel value", "less", ".5f",
        "Mean squared error per pixel on the images in use, pixels in [0, 1].",
        needs_encoder(lambda evidence: evidence.space.test_error),
        interval=where_encoded(lambda evidence: mean_interval(evidence.reconstruction().errors)),
    ),
    "pca_mse": Measure(
        "PCA MSE, same size", "squared pixel value", "neither", ".5f",
        "Test MSE of PCA with the same number of dimensions: what a linear model would reach.",
        needs_encoder(lambda evidence: float(evidence.pca_errors()[-1])),
    ),
    "probe": Measure(
        "Linear probe", "share", "more", ".1%",
        "Accuracy of a linear classifier on the codes, cross-validated.",
        needs_classes(lambda evidence: evidence.knowledge(CODES).probe), "Alain & Bengio 2016, arXiv:1610.01644",
        where_classes(lambda evidence: evidence.knowledge(CODES).probe_interval),
    ),
    "pca_probe": Measure(
        "PCA probe, same size", "share", "neither", ".1%",
        "Accuracy of the same classifier on PCA with the same number of dimensions.",
        needs_classes(lambda evidence: evidence.knowledge(PCA).probe), "Alain & Bengio 2016, arXiv:1610.01644",
    ),
    "neighbours": Measure(
        "5-NN accuracy", "share", "more", ".1%",
        "Accuracy of a 5-nearest-neighbour classifier on the codes, cross-validated.",
        needs_classes(lambda evidence: evidence.knowledge(CODES).neighbours), "Cover & Hart 1967",
        where_classes(lambda evidence: evidence.knowledge(CODES).neighbours_interval),
    ),
    "clusters": Measure(
        "k-means accuracy", "share", "more", ".1%",
        "Accuracy of one cluster per class, found without labels and matched to the classes; the tightest of ten "
        "seeds.",
        needs_classes(lambda evidence: evidence.knowledge(CODES).clusters),
        interval=where_classes(lambda evidence: evidence.knowledge(CODES).clusters_interval),
    ),
    "mig": Measure(
        "Disentanglement, MIG", "share", "more", ".3f",
        "Mutual information gap of measured properties: 1 where each has a dimension of its own.",
        needs_encoder(lambda evidence: evidence.disentanglement().mig), "Chen et al. 2018, arXiv:1802.04942",
        where_encoded(lambda evidence: evidence.disentanglement().intervals["mig"]),
    ),
    "frechet": Measure(
        "Fréchet distance, mixture", "squared units of the features", "less", ".2f",
        "Samples of the Gaussian mixture against real images, in the features of a classifier, or of a random network "
        "where images have no classes; of N(0, 1) for a decoder-only file.",
        sampler_distance, "Heusel et al. 2017, arXiv:1706.08500", sampler_interval,
    ),
    "latent_dim": Measure(
        "Dimensions", "", "neither", ",.0f", "Length of a code.",
        lambda evidence: float(evidence.space.latent_dim),
    ),
    "active_dimensions": Measure(
        "Active dimensions", "", "neither", ",.0f",
        "Dimensions that change the image, and in a VAE vary with it: the rule in Statistics.",
        needs_encoder(lambda evidence: float(evidence.active().sum())),
    ),
    "parameters": Measure(
        "Parameters", "", "neither", ",.0f", "Weights of encoder and decoder.",
        lambda evidence: float(sum(weights.numel() for weights in evidence.space.model.parameters())),
    ),
    "epochs": Measure(
        "Epochs", "", "neither", ",.0f", "Passes over the training images, where the file says.",
        lambda evidence: float(len(evidence.space.checkpoint.history) or np.nan),
    ),
    "seconds": Measure(
        "Training time (s)", "seconds", "neither", ",.0f",
        "Sum over all epochs, where the file says; it depends on the machine.", training_time,
    ),
}  # fmt: skip


def key_of(space: LatentSpace) -> Key:
    """What the scores of a space are stored under: its file, how that is read where somebody chose that,
    and its images."""
    saved = space.checkpoint
    overruled = bool(saved.scored) and np.isnan(saved.scored[0].error)
    return saved.sha256, str(saved.scored[0].reading.to_dict()) if overruled else "", space.dataset.sha256


def stored_score(key: Key, name: str, measure: Callable[[], float]) -> float:
    """The score of this name, measured where it is not in the store."""
    if not key[0]:  # of no file, so it cannot be told from others
        return measure()
    return float(store.stored(lambda: np.array(measure(), np.float64), "score", VERSION, name, *key))


def score(evidence: Evidence, name: str) -> float:
    """One of `SCORES`, measured now where it is neither kept beside the file nor in the store."""
    if ("score", name) in evidence.kept:
        return float(evidence.kept["score", name])
    return stored_score(key_of(evidence.space), name, lambda: SCORES[name].of(evidence))


def interval(evidence: Evidence, name: str) -> Interval | None:
    """The 95% interval of one of `SCORES`, measured now where it is neither kept nor in the store; None without one."""
    measure = SCORES[name].interval
    if measure is None:
        return None
    if ("interval", name) in evidence.kept:
        low, high = evidence.kept["interval", name]
        return float(low), float(high)
    key = key_of(evidence.space)
    if not key[0]:
        return measure(evidence)
    low, high = store.stored(lambda: np.array(measure(evidence), np.float64), "interval", VERSION, name, *key)
    return float(low), float(high)


def known_interval(evidence: Evidence, name: str) -> Interval | None:
    """The interval of a score where it was measured already."""
    key = key_of(evidence.space)
    kept_or_stored = ("interval", name) in evidence.kept or (key[0] and store.has("interval", VERSION, name, *key))
    return interval(evidence, name) if kept_or_stored else None


def known(key: Key, name: str) -> float | None:
    """A score that was measured already, None otherwise; NaN is one that cannot be."""
    if name in kept_scores().get(key, {}):
        return kept_scores()[key][name]
    return stored_score(key, name, lambda: np.nan) if key[0] and store.has("score", VERSION, name, *key) else None


@lru_cache(maxsize=1)
def kept_scores() -> dict[Key, dict[str, float]]:
    """The scores that are kept beside the model files that this process has looked at."""
    return {}


def take_kept(key: Key, results: Mapping[Part, Any]) -> None:
    """Count the scores among the results that are kept beside a file as known, and no others of that file."""
    kept_scores()[key] = {str(part[1]): float(value) for part, value in results.items() if part[0] == "score"}


def kind_and_size(path: Path, sha256: str, images: Dataset, within: Path | None = None) -> tuple[str, int] | None:
    """The kind and latent_dim of a file of our own format; None for another format, which takes seconds to read.

    The scores on these images that such a file holds, or that are kept beside it, are stored with the others.
    Raises `CheckpointError` for a damaged file, and for one that leads out of the folder ``within``.
    """
    values = container.open_container(path, within).content
    if not isinstance(values, dict) or values.get("format") != checkpoint.FORMAT or "config" not in values:
        return None
    saved = checkpoint.own(values, path.name, sha256)
    assert saved.config is not None
    kind, latent_dim = saved.config.kind, saved.config.latent_dim
    key = (sha256, "", images.sha256)
    stored_score(key, "latent_dim", lambda: float(latent_dim))
    error = saved_test_error(saved, images)
    if error is not None:
        stored_score(key, "mse", lambda: error)
    if os.path.exists(kept.beside(path)) and images.labels is not None:
        identity = Identity(sha256, "", images.sha256, 0)
        about = subject(identity, images.fitted(saved.config.image_shape), images.labels)
        take_kept(key, kept.read(kept.beside(path), about, KEPT_RECORDS))
    return kind, latent_dim
