"""Everything that is measured of one checkpoint, each part when it is first asked for, and once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import astuple, dataclass, field
from functools import partial, wraps
from typing import Any, Concatenate, TypeVar

import numpy as np
from numpy.typing import NDArray

from latent import clustering, components, inference, projection, sampling, store
from latent.arrays import Labels, Rows
from latent.clustering import Clusters
from latent.errors import ArgumentError
from latent.images import to_uint8
from latent.measure import alignment, dimensions, judge, kept, knowledge, properties
from latent.measure.dimensions import Dimensions, PropertyCorrelations, Reconstruction
from latent.measure.fidelity import MEASURES, Fidelity, Reference, halves
from latent.measure.judge import JUDGE_FILE, Judge, Judgement
from latent.measure.kept import Part
from latent.measure.knowledge import Knowledge
from latent.measure.smoothness import KINDS, Paths, Smoothness
from latent.sampling import Sampler
from latent.space import LatentSpace

BLOCK = 1000  # pictures in memory at a time
N_SHOWN = 60  # pictures of a sampler that are kept to be looked at
MOST_DIMENSIONS = 64  # that are diagnosed, the most spread ones
REAL, RECONSTRUCTIONS = "real images", "reconstructions"
REFERENCES = (REAL, RECONSTRUCTIONS)  # what a perfect sampler, and one with the real codes, would reach
CODES, PCA, PIXELS = "codes", "PCA", "raw pixels"
FEATURES = (CODES, PCA, PIXELS)  # the space's own, and the baselines

VERSION = 1  # of the measures: raise it with every change to what one of them says, and results kept before are void

SEED = 0  # of the samples that findings and reports speak of
MOST_KEPT = 128  # parts in memory: a sampler has one for every seed

T = TypeVar("T")


def measured_once(measure: Callable[Concatenate[Evidence, ...], T]) -> Callable[Concatenate[Evidence, ...], T]:
    """A measurement that is made when it is first asked for; whoever asks meanwhile waits for it."""

    @wraps(measure)
    def kept_or_measured(evidence: Evidence, *arguments: Hashable) -> T:
        key = (measure.__name__, *arguments)
        if key in evidence.kept:
            return evidence.kept[key]
        with evidence.lock:
            found: T = evidence.found.pop(key) if key in evidence.found else measure(evidence, *arguments)
            evidence.found[key] = found  # the last asked for is the last to go
            while len(evidence.found) > MOST_KEPT:
                evidence.found.pop(next(iter(evidence.found)))
            return found

    return kept_or_measured


@dataclass(frozen=True)
class Sampled:
    """A sampler's ``fidelity``, and the first of what it drew: codes ``z`` (60, latent_dim), ``pictures`` uint8."""

    fidelity: Fidelity
    z: NDArray[np.float32] = field(repr=False)
    pictures: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True)
class Predictions:
    """The class that the judge reads in every image (n,), and in its reconstruction (n,)."""

    originals: NDArray[np.uint8]
    reconstructions: NDArray[np.uint8]

    @property
    def changed(self) -> float:
        """The share of images whose reconstruction is read as another class."""
        return float(np.mean(self.originals != self.reconstructions))


KEPT_RECORDS = (
    Clusters, Dimensions, Fidelity, Knowledge, Predictions, PropertyCorrelations, Reconstruction, Sampled, Smoothness
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the measures of this package say of one space.

    Every part is measured when it is first asked for and then ``found``, whichever section, report or thread asks; what
    was ``kept`` beside the file is not measured again. What depends on the judge raises `ArgumentError` where
    ``refusal`` says why it cannot be asked, and what depends on codes of real images where the file holds a decoder
    alone.
    """

    space: LatentSpace
    judge: Judge = field(default_factory=judge.load, repr=False)
    kept: Mapping[Part, Any] = field(default_factory=dict, repr=False)
    found: dict[tuple[Hashable, ...], Any] = field(default_factory=dict, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def with_kept(cls, space: LatentSpace) -> Evidence:
        """The evidence of a space, with the results that are kept beside its file, if they are of it."""
        path = space.checkpoint.path
        if path is None or not kept.beside(path).exists():
            return cls(space)
        return cls(space, kept=kept.read(kept.beside(path), subject_of(space), KEPT_RECORDS))

    def has(self, part: str, *arguments: Hashable) -> bool:
        """Whether the part of this name was measured already."""
        return (part, *arguments) in self.kept or (part, *arguments) in self.found

    @property
    def refusal(self) -> str:
        """Why the judge cannot judge this model's pictures, as a sentence; empty where it can."""
        trained_on = self.space.checkpoint.recipe.get("dataset", self.judge.dataset)
        if trained_on != self.judge.dataset:
            return f"No classifier scores: classifier trained on {self.judge.dataset}, model trained on {trained_on}."
        return "" if self.judges_real_images() else "No classifier scores: accuracy below 95% on these images."

    @property
    def samplers(self) -> tuple[str, ...]:
        """The samplers that can be compared: without real codes, those that need none."""
        encodes = self.space.signature.has_encoder
        return tuple(name for name, each in sampling.SAMPLERS.items() if encodes or not each.needs_codes)

    @property
    def rows(self) -> tuple[str, ...]:
        """What is measured against real images: the references that there are, then the samplers."""
        return (*(REFERENCES if self.space.signature.has_encoder else REFERENCES[:1]), *self.samplers)

    @measured_once
    def judges_real_images(self) -> bool:
        """Whether the judge names the evaluation images rightly, in the size and colour that this model takes."""
        return self.judge.applies(self.space.images[:BLOCK], self.space.labels[:BLOCK])

    @measured_once
    def originals(self) -> Judgement:
        """The judge's opinion of the evaluation images."""
        return self.judge(self.space.images)

    @measured_once
    def reconstructions(self) -> Judgement:
        """The judge's opinion of their reconstructions."""
        return self.judge_codes(self.space.z, self.space.labels)

    @measured_once
    def predictions(self) -> Predictions:
        """The classes that the judge reads in the evaluation images and in their reconstructions."""
        before, after = self.originals().digits, self.reconstructions().digits
        return Predictions(before.astype(np.uint8), after.astype(np.uint8))

    def judge_codes(self, z: NDArray[np.float32], labels: NDArray[np.integer[Any]] | None = None) -> Judgement:
        """The judge's opinion of codes (n, latent_dim), decoded; few pictures are in memory at a time."""
        parts = [slice(start, start + BLOCK) for start in range(0, len(z), BLOCK)]
        verdicts = [self.judge(self.space.decode(z[part], None if labels is None else labels[part])) for part in parts]
        return Judgement(
            np.concatenate([each.features for each in verdicts]),
            np.concatenate([each.probabilities for each in verdicts]),
        )

    # What comes out of the decoder, against real images.

    @measured_once
    def reference(self) -> Reference:
        """Half of the evaluation images; samplers are fitted to the codes of the other half."""
        known, held_out = halves(len(self.space.z))
        z = self.space.z
        return Reference.of(self.originals().features[held_out], z[known], z[held_out])

    @measured_once
    def fitted_sampler(self, name: str) -> Sampler:
        """A sampler fitted to the codes of the half that the reference is not of."""
        known, _ = halves(len(self.space.z))
        return sampling.fit(name, self.space.z[known], labels=self.space.labels[known])

    def fidelities(self, seed: int = SEED) -> dict[str, Fidelity]:
        """The fidelity of each of ``rows``, the references first."""
        return {name: self.sampler(name, SEED if name in REFERENCES else seed).fidelity for name in self.rows}

    @measured_once
    def sampler(self, name: str, seed: int) -> Sampled:
        """One of ``rows``: as many pictures as the reference has, measured against it; no reference needs the seed."""
        if self.refusal:
            raise ArgumentError(self.refusal)
        space, reference = self.space, self.reference()
        known, held_out = halves(len(space.z))
        if name == REAL:
            verdict, z = self.originals().select(known), space.z[known]
            pictures: NDArray[Any] = space.images[known[:N_SHOWN]]
        elif name == RECONSTRUCTIONS:
            verdict, z = self.reconstructions().select(known), space.z[known]
            pictures = space.decode(z[:N_SHOWN], space.labels[known[:N_SHOWN]])
        else:
            z = sampling.sample(self.fitted_sampler(name), len(held_out), seed=seed)
            labels = space.labels[known] if space.signature.conditional else None  # digits as often as they are
            verdict = self.judge_codes(z, labels)
            pictures = space.decode(z[:N_SHOWN], None if labels is None else labels[:N_SHOWN])
        drawn = name not in REFERENCES and space.signature.has_encoder
        fidelity = reference.measure(verdict.features, verdict.digits, verdict.confidence, z if drawn else None)
        return Sampled(fidelity, z[:N_SHOWN], to_uint8(pictures))

    # What the codes hold.

    @measured_once
    def diagnosed_dimensions(self) -> NDArray[np.intp]:
        """The dimensions that are diagnosed: all, or of very many the most spread."""
        return self.space.statistics.most_spread(MOST_DIMENSIONS)

    @measured_once
    def dimensions(self) -> Dimensions:
        """What each of the diagnosed dimensions carries."""
        space = self.space
        logvar = inference.log_variances(space.model, space.images)
        return Dimensions.of(space.z, space.labels, space.decode, logvar, self.diagnosed_dimensions())

    @measured_once
    def property_correlations(self) -> PropertyCorrelations:
        """How each of the diagnosed dimensions is related to measured properties of pictures."""
        space, chosen = self.space, self.diagnosed_dimensions()
        measure = partial(properties.measure_all, properties=properties.of(space.images))
        return PropertyCorrelations.of(space.z, measure(space.images), space.decode, measure, chosen)

    @measured_once
    def neighbours(self) -> NDArray[np.float64]:
        """The classes of the nearest neighbours of each class, shares (10, 10)."""
        return dimensions.neighbour_classes(components.condensed(self.space.z), self.space.labels)

    @measured_once
    def nearest_images(self) -> NDArray[np.uint16]:
        """The images whose codes are nearest to that of each, (n, 10), by which codes of two models are compared."""
        return alignment.nearest_images(self.space.z).astype(np.uint16)

    @measured_once
    def mixed_neighbours(self, a: int, b: int) -> tuple[Rows, Rows]:
        """Images of class ``a`` whose nearest neighbour is of class ``b``, and these neighbours, (n,) each."""
        space = self.space
        rows = np.flatnonzero(space.labels == a)
        neighbours = space.nearest(space.z[rows], 2)[:, 1]
        is_b = space.labels[neighbours] == b
        return rows[is_b], neighbours[is_b]

    @measured_once
    def knowledge(self, features: str) -> Knowledge:
        """How well classes can be told from one of `FEATURES`, kept on disk across restarts.

        "PCA" are principal components of the pixels, as many as the code has dimensions.
        """
        space = self.space

        def measure() -> NDArray[np.float64]:
            rows = space.z if features == CODES else knowledge.pixels(space.images)
            if features == PCA:
                rows = components.principal_components(rows, space.latent_dim)
            return np.array(astuple(Knowledge.of(rows, space.labels)))

        if features == CODES and not space.checkpoint.sha256:  # of no file: there is nothing to know it by
            return Knowledge(*measure().tolist())
        of = {CODES: space.identity[:2], PCA: (space.latent_dim, *space.signature.image_shape)}
        key = of.get(features, space.signature.image_shape)  # what the features are made of
        return Knowledge(*store.stored(measure, "knowledge", features, len(space.images), key).tolist())

    @measured_once
    def clusters(self, method: str, n: int, seed: int) -> Clusters:
        """``n`` clusters of the codes by one of `clustering.METHODS`."""
        return clustering.fit(method, self.space.z, n, seed)

    def tsne(self, progress: Callable[[float], Any] = lambda share: None) -> NDArray[np.float32]:
        """Places (n, 2) of all codes by t-SNE, kept on disk across restarts; ``progress`` as in `projection.tsne`."""
        key: Part = ("tsne",)
        if key in self.kept:
            return self.kept[key]
        return store.stored(lambda: projection.tsne(self.space.z, progress), "t-SNE", *self.space.identity[:2])

    @property
    def has_tsne(self) -> bool:
        """Whether t-SNE, which takes a minute, was measured already."""
        return ("tsne",) in self.kept or store.has("t-SNE", *self.space.identity[:2])

    # What encoding and decoding loses, and what lies between codes.

    @measured_once
    def reconstruction(self) -> Reconstruction:
        """The error of every evaluation image."""
        return Reconstruction(self.space.errors.astype(np.float64), self.space.labels)

    @measured_once
    def pca_errors(self) -> NDArray[np.float64]:
        """The error of principal components as codes, from none (the mean picture) to as many as dimensions."""
        return dimensions.pca_errors(self.space.images, self.space.latent_dim)

    @measured_once
    def pca_curve(self, most: int) -> NDArray[np.float64]:
        """The error of 0 to ``most`` principal components, (most + 1,), kept on disk across restarts."""
        shape = self.space.signature.image_shape
        errors = lambda: dimensions.pca_errors(self.space.images, most)  # noqa: E731
        return store.stored(errors, "pca errors", most, len(self.space.images), *shape)

    @measured_once
    def smoothness(self, kind: str) -> Smoothness:
        """What happens on paths of one of `KINDS` between random pairs of real images."""
        if self.refusal:
            raise ArgumentError(self.refusal)
        return self.paths().along(kind)

    @measured_once
    def paths(self) -> Paths:
        """The pairs of real images between which smoothness is measured, and how."""
        return Paths.of(self.space.z, self.space.decode, lambda pictures: self.judge(pictures).confidence)

    def parts(self) -> list[Part]:
        """All that there is to measure of this space, in a good order: the names and arguments of its measures."""
        encodes, judges = self.space.signature.has_encoder, not self.refusal
        parts: list[Part] = []
        if encodes:
            parts += [("reconstruction",), ("pca_errors",), ("dimensions",), ("property_correlations",)]
            parts += [("neighbours",), ("knowledge", CODES), ("knowledge", PCA)]
        if judges:
            parts += [("sampler", name, SEED) for name in self.rows]
        if judges and encodes:
            parts += [("predictions",), *(("smoothness", kind) for kind in KINDS)]
        return parts

    def measure(self, part: str, *arguments: Hashable) -> Any:
        """One of the parts, by its name."""
        return getattr(self, part)(*arguments)

    def complete(self, part: str) -> bool:
        """Whether all that there is of a part was measured already; false where there is nothing of it."""
        wanted = [each for each in self.parts() if each[0] == part]
        return bool(wanted) and all(self.has(*each) for each in wanted)


def subject_of(space: LatentSpace) -> dict[str, Any]:
    """What the results of a space are of; see `subject`."""
    return subject(space.identity, space.images, space.labels)


def subject(identity: tuple[str, str, int], images: NDArray[np.uint8], labels: Labels) -> dict[str, Any]:
    """What results are of, as plain values, one of which is another wherever the results may be: the model file, how it
    is read and the class it is asked for (`LatentSpace.identity`), the images, the judge, the version of the measures.
    """
    sha256, reading, digit = identity
    of_images = hashlib.sha256(repr((images.shape, str(images.dtype))).encode())
    of_images.update(np.ascontiguousarray(images).data)
    of_images.update(np.ascontiguousarray(labels).data)
    of_judge = hashlib.sha256(JUDGE_FILE.read_bytes())
    return {
        "model": sha256, "reading": reading, "digit": digit, "images": of_images.hexdigest(),
        "judge": of_judge.hexdigest(), "measures": [VERSION, *MEASURES],
    }  # fmt: skip
