"""Everything that is measured of one checkpoint, each part when it is first asked for, and once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import clustering, components, inference, projection, sampling, store, traversal
from latent.arrays import Codes, Labels, Pictures, Rows
from latent.clustering import Clusters
from latent.errors import ArgumentError, CheckpointError
from latent.files import read
from latent.images import to_uint8
from latent.measure import alignment, bounds, dimensions, gates, kept
from latent.measure.bounds import LikelihoodBounds
from latent.measure.dimensions import Dimensions, PropertyCorrelations, Reconstruction
from latent.measure.disentanglement import Disentanglement
from latent.measure.fidelity import MEASURES, Fidelity, Reference, halves
from latent.measure.gates import Gate, Looked, Subject
from latent.measure.health import N_IMAGES, Health, squared_errors
from latent.measure.judge import JUDGE_FILE, NOBODY, Judge
from latent.measure.judgement import Seen
from latent.measure.kept import Part
from latent.measure.knowledge import FOLDS, Knowledge
from latent.measure.measured import VERSION, Measured, measured_once
from latent.measure.originals import JUDGE, Originals
from latent.measure.smoothness import KINDS, Paths, Smoothness
from latent.neighbours import nearest
from latent.sampling import Sampler
from latent.space import Identity, LatentSpace

BLOCK = 1000  # pictures in memory at a time
N_SHOWN = 60  # pictures of a sampler that are kept to be looked at
MOST_DIMENSIONS = 64  # that are diagnosed, those with the largest effect
MOST_MEASURED = 512  # dimensions of which the effect on the image is measured
REAL, RECONSTRUCTIONS = "real images", "reconstructions"
REFERENCES = (REAL, RECONSTRUCTIONS)  # what a perfect sampler, and one with the real codes, would reach
CODES, PCA, PIXELS = "codes", "PCA", "raw pixels"
FEATURES = (CODES, PCA, PIXELS)  # the space's own, and the baselines

# What the parts of the evidence are about, so that none is measured behind a closed gate.
SUBJECTS: dict[str, Subject] = {
    "dimensions": "activity", "property_correlations": "properties", "disentanglement": "properties",
    "neighbours": "overlap", "knowledge": "classes", "sampler": "samplers", "smoothness": "paths",
    "predictions": "reconstruction", "likelihood_bounds": "reconstruction",
}  # fmt: skip

SEED = 0  # by which findings, reports and results are drawn
# The parts that no seed moves.
UNMOVED = {"disentanglement", "judges_real_images", "predictions", "reconstruction"}
LEAST = 20  # images: of fewer, halves and neighbours say nothing


@dataclass(frozen=True)
class Sampled:
    """A sampler's ``fidelity``, and the first of what it drew: codes ``z`` (60, latent_dim), ``pictures`` uint8."""

    fidelity: Fidelity
    z: NDArray[np.float32] = field(repr=False)
    pictures: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True)
class Predictions:
    """The class that the judge reads in every image (n,), and in its reconstruction (n,).

    ``taught`` are the rows of the images that it was trained on, whose own class it knows too well to count.
    """

    originals: NDArray[np.unsignedinteger]
    reconstructions: NDArray[np.unsignedinteger]
    taught: Rows = field(default_factory=lambda: NOBODY)

    @property
    def changed(self) -> float:
        """The share of images whose reconstruction is read as another class, of those the judge was not taught."""
        return float(np.mean(np.delete(self.originals != self.reconstructions, self.taught)))


@dataclass(frozen=True)
class SeenAgain:
    """What is seen of the reconstructions: their squared ``errors`` (n,), and the pictures where they are judged."""

    errors: NDArray[np.float64] = field(repr=False)
    judged: Seen | None = field(default=None, repr=False)

    @property
    def seen(self) -> Seen:
        """The pictures. Raises `ArgumentError` where they were not judged."""
        if self.judged is None:
            raise ArgumentError("The reference classifier was not asked about these images.")
        return self.judged


KEPT_RECORDS = (
    Clusters, Dimensions, Disentanglement, Fidelity, Health, Knowledge, LikelihoodBounds, Predictions,
    PropertyCorrelations, Reconstruction, Sampled, Smoothness,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evidence(Measured):
    """What the measures of this package say of one space, and of the ``originals`` that it is judged by.

    What depends on the judge raises `ArgumentError` where ``refusal`` says why it cannot be asked, and what depends on
    codes of real images where the file holds a decoder alone. All that is drawn at random is drawn by ``seed``.
    """

    space: LatentSpace
    originals: Originals
    seed: int = SEED

    @classmethod
    def of(cls, space: LatentSpace, originals: Originals | None = None) -> Evidence:
        """The evidence of a space; with what is known of its images already, where that is given."""
        return cls(space, originals or Originals.of(space))

    @classmethod
    def with_kept(cls, space: LatentSpace, originals: Originals | None = None) -> Evidence:
        """The evidence of a space, with the results that are kept beside its file, if they are of it."""
        path, evidence = space.checkpoint.path, cls.of(space, originals)
        if path is None or not os.path.exists(kept.beside(path)):
            return evidence
        return replace(evidence, kept=kept.read(kept.beside(path), subject_of(space), KEPT_RECORDS))

    def drawn_by(self, seed: int) -> Evidence:
        """The evidence of the same space by another seed; what no seed moves and is found already is shared."""
        shared = {part: value for part, value in self.found.items() if part[0] in UNMOVED}
        return Evidence(self.space, self.originals, seed, found=shared)

    @property
    def refusal(self) -> str:
        """Why the judge cannot judge this model's pictures, as a sentence; empty where it can."""
        if self.size_refusal:
            return self.size_refusal
        if not self.has_judge:
            return "No classifier scores yet: the reference classifier for these images is still to be trained."
        judge = self.judge()
        trained_on = self.space.checkpoint.recipe.get("dataset", judge.dataset)
        if judge.names_classes and not len(judge.taught) and trained_on != judge.dataset:
            return f"No classifier scores: classifier trained on {judge.dataset}, model trained on {trained_on}."
        if not judge.names_classes or self.judges_real_images():
            return ""
        return f"No classifier scores: accuracy below {judge.needed:.0%} on these images."

    @property
    def has_judge(self) -> bool:
        """Whether the judge of these images needs no training any more."""
        return self.originals.has_judge

    def judge(self, progress: Callable[[float], object] = lambda share: None) -> Judge:
        """The judge of the images in use, trained for them where there is none (`Originals.judge`)."""
        return self.originals.judge(progress)

    @property
    def names_classes(self) -> bool:
        """Whether the judge can be asked, and for classes."""
        return not self.refusal and self.judge().names_classes

    @property
    def size_refusal(self) -> str:
        """Why nothing can be measured, as a sentence: too few images; empty where there are enough."""
        n = len(self.space.images)
        return "" if n >= LEAST else f"No metrics: they need at least {LEAST} images, and the set in use has {n}."

    @property
    def class_refusal(self) -> str:
        """Why classes cannot be predicted from the codes, as a sentence; empty where they can."""
        if self.size_refusal:
            return self.size_refusal
        if not self.space.has_classes:
            return "No class metrics: the images in use have no labels."
        counts = np.bincount(self.space.labels)
        if np.count_nonzero(counts) < 2:
            return "No class metrics: the images in use are of one class only."
        if counts[counts > 0].min() < FOLDS:
            return f"No class metrics: cross-validation needs {FOLDS} images of each class, and one has fewer."
        return ""

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
    def health(self) -> Health:
        """Whether the model does what an autoencoder does at all, looked at on images spread evenly over all."""
        space = self.space
        rows = np.unique(np.linspace(0, len(space.images) - 1, N_IMAGES).astype(np.intp))
        labels, encodes = space.labels[rows], space.signature.has_encoder
        z = space.encode(space.images[rows], labels) if encodes else space.z[rows]
        return Health.of(space.images[rows], z, labels, space.decode, has_encoder=encodes, seed=self.seed)

    @property
    def gates(self) -> list[Gate]:
        """The gates that are closed: what has to be said first. None is known before `health` is measured."""
        if not self.has("health"):
            return []
        saved = self.space.checkpoint
        return gates.closed(
            Looked(self.health(), self.space.signature, saved.recipe, saved.history, self.space.dataset.name)
        )

    def measured_gates(self) -> list[Gate]:
        """The same, with `health` measured first where it is not yet."""
        self.health()
        return self.gates

    def is_open(self, subject: Subject) -> bool:
        """Whether something can be said of a subject, as far as is known by now."""
        return not self.closing(subject)

    def closing(self, subject: Subject | None) -> list[Gate]:
        """The closed gates that close a subject, as far as is known by now; none where there is no subject."""
        return [gate for gate in self.gates if subject in gate.closes]

    @measured_once
    def judges_real_images(self) -> bool:
        """Whether the judge names the evaluation images rightly, in the size and colour that this model takes."""
        return self.originals.are_named()

    @measured_once
    def seen_again(self, judges: bool) -> SeenAgain:
        """What is seen of the reconstructions, with the judge's opinion or without; all images are decoded once."""
        space, errors, seen = self.space, [], []
        for part, pictures in self.decoded(space.z, space.labels):
            errors.append(squared_errors(space.images[part] / np.float32(255), pictures))
            seen += [self.originals.see(pictures)] if judges else []
        return SeenAgain(np.concatenate(errors), Seen.together(seen) if judges else None)

    def decoded(self, z: Codes, labels: Labels | None = None) -> Iterator[tuple[slice, Pictures]]:
        """Codes (n, latent_dim) decoded, a part of the rows at a time, so that few pictures are in memory."""
        for start in range(0, len(z), BLOCK):
            part = slice(start, start + BLOCK)
            yield part, self.space.decode(z[part], None if labels is None else labels[part])

    @measured_once
    def predictions(self) -> Predictions:
        """The classes that the judge reads in the evaluation images and in their reconstructions.

        Raises `ArgumentError` where it cannot be asked for classes.
        """
        judge = self.asked_judge()
        if not judge.names_classes:
            raise ArgumentError(judge.refusal)
        numbers = np.min_scalar_type(len(judge.classes))
        before, after = (each.judgement.predicted for each in (self.originals.seen(), self.seen_again(True).seen))
        return Predictions(before.astype(numbers), after.astype(numbers), judge.taught)

    def asked_judge(self) -> Judge:
        """The judge, to judge this model's pictures. Raises `ArgumentError` where it cannot."""
        judge = self.judge()
        if self.refusal:
            raise ArgumentError(self.refusal)
        return judge

    # What comes out of the decoder, against real images.

    @measured_once
    def halves(self) -> tuple[Rows, Rows]:
        """Two random halves of the evaluation images, without those that the judge was taught: the known ones, to whose
        codes samplers are fitted, and those held out to measure against."""
        rows = self.judge().judged(len(self.space.z))
        known, held_out = halves(len(rows), self.seed)
        return rows[known], rows[held_out]

    @measured_once
    def reference(self) -> Reference:
        """Half of the evaluation images; samplers are fitted to the codes of the other half."""
        known, held_out = self.halves()
        return Reference.of(self.originals.seen().select(held_out), self.space.z[known], self.space.z[held_out])

    @measured_once
    def fitted_sampler(self, name: str) -> Sampler:
        """A sampler fitted to the codes of the half that the reference is not of."""
        known, _ = self.halves()
        return sampling.fit(name, self.space.z[known], labels=self.space.labels[known])

    def fidelities(self) -> dict[str, Fidelity]:
        """The fidelity of each of ``rows``, the references first."""
        return {name: self.sampler(name, self.seed).fidelity for name in self.rows}

    @measured_once
    def sampler(self, name: str, seed: int) -> Sampled:
        """One of ``rows``: as many pictures as the reference has, measured against it; no reference needs the seed."""
        self.asked_judge()
        space, reference = self.space, self.reference()
        known, held_out = self.halves()
        if name == REAL:
            seen, z = self.originals.seen().select(known), space.z[known]
            pictures: NDArray[Any] = space.images[known[:N_SHOWN]]
        elif name == RECONSTRUCTIONS:
            seen, z = self.seen_again(True).seen.select(known), space.z[known]
            pictures = space.decode(z[:N_SHOWN], space.labels[known[:N_SHOWN]])
            self.forget_pictures()
        else:
            z = sampling.sample(self.fitted_sampler(name), len(held_out), seed=seed)
            labels = space.labels[known] if space.signature.conditional else None  # classes as often as they are
            seen = Seen.together([self.originals.see(each) for _, each in self.decoded(z, labels)])
            pictures = space.decode(z[:N_SHOWN], None if labels is None else labels[:N_SHOWN])
        drawn = name not in REFERENCES and space.signature.has_encoder
        return Sampled(reference.measure(seen, z if drawn else None), z[:N_SHOWN], to_uint8(pictures))

    def forget_pictures(self) -> None:
        """Let go of what is seen of the reconstructions, 5 MB of 10,000 images: what rests on it is measured first."""
        self.reconstruction()
        if self.names_classes:
            self.predictions()
        self.found.pop(("seen_again", True), None)

    # What the codes hold.

    @measured_once
    def effects(self) -> NDArray[np.float64]:
        """The effect of every dimension on the image (latent_dim,), a root mean square per pixel.

        Of more than `MOST_MEASURED` dimensions there are too many to try: there, 1 for each that varies at all.
        """
        space = self.space
        if space.latent_dim > MOST_MEASURED:
            return (space.statistics.std > 0).astype(np.float64)
        bases = dimensions.base_codes(space.z[self.one_class()], space.latent_dim, self.seed)
        return traversal.effects(space.decode, bases, space.statistics.std).astype(np.float64)

    @measured_once
    def active(self) -> NDArray[np.bool_]:
        """Which dimensions are active, (latent_dim,): the one rule, `dimensions.active`."""
        variance = np.square(self.space.statistics.std) if self.space.signature.kind == "vae" else None
        return dimensions.active(self.effects(), variance)

    @measured_once
    def picture_units(self) -> NDArray[np.float32]:
        """What codes are multiplied by, (latent_dim,), so that a dimension counts by what it does to the image.

        One standard deviation of a dimension becomes as long as its effect, whatever the unit it was trained in, and
        one without effect vanishes. Neighbours, clusters and similarities of codes are found in these units.
        """
        std = self.space.statistics.std.astype(np.float64)
        units = np.divide(self.effects(), std, out=np.zeros_like(std), where=std > 0)
        scaled = units / max(float(np.sqrt(np.square(self.effects()).mean())), np.finfo(np.float32).tiny)
        return scaled.astype(np.float32)

    @property
    def scaled_codes(self) -> NDArray[np.float32]:
        """The codes of the evaluation images in `picture_units`, (n, latent_dim)."""
        return self.space.z * self.picture_units()

    def one_class(self) -> Rows:
        """The images from whose codes dimensions are tried: of a conditional model those of the class in use."""
        space = self.space
        if not space.signature.conditional or not (space.labels == space.asked).any():
            return np.arange(len(space.labels))
        return np.flatnonzero(space.labels == space.asked)

    @measured_once
    def diagnosed_dimensions(self) -> NDArray[np.intp]:
        """The dimensions that are diagnosed: all, or of very many those with the largest effect on the image.

        Where there are too many to measure that (`effects`), those with the largest standard deviation.
        """
        if self.space.latent_dim <= MOST_DIMENSIONS or self.space.latent_dim > MOST_MEASURED:
            return self.space.statistics.most_spread(MOST_DIMENSIONS)
        return np.sort(np.argsort(-self.effects(), kind="stable")[:MOST_DIMENSIONS])

    @measured_once
    def dimensions(self) -> Dimensions:
        """What each of the diagnosed dimensions carries."""
        space = self.space
        logvar = inference.log_variances(space.model, space.images, space.labels)
        return Dimensions.of(
            space.z, space.labels, space.decode, logvar, self.diagnosed_dimensions(), effect=self.effects(),
            variational=space.signature.kind == "vae",
        )  # fmt: skip

    @measured_once
    def property_correlations(self) -> PropertyCorrelations:
        """How each of the diagnosed dimensions is related to measured properties of pictures."""
        space, chosen = self.space, self.diagnosed_dimensions()
        return PropertyCorrelations.of(
            space.z,
            self.originals.properties(),
            space.decode,
            self.originals.measure_properties,
            chosen,
            self.seed,
            self.one_class(),
        )

    @measured_once
    def disentanglement(self) -> Disentanglement:
        """How far each measured property has a dimension of its own."""
        chosen = self.diagnosed_dimensions()
        return Disentanglement.of(self.space.z[:, chosen], self.originals.properties())

    @measured_once
    def neighbours(self) -> NDArray[np.float64]:
        """The classes of the nearest neighbours of each class, shares (n_classes, n_classes)."""
        return dimensions.neighbour_classes(components.condensed(self.scaled_codes), self.space.labels)

    @measured_once
    def nearest_images(self) -> NDArray[np.uint16]:
        """The images whose codes are nearest to that of each, (n, 10), by which codes of two models are compared."""
        return alignment.nearest_images(self.scaled_codes).astype(np.uint16)

    @measured_once
    def mixed_neighbours(self, a: int, b: int) -> tuple[Rows, Rows]:
        """Images of class ``a`` whose nearest neighbour is of class ``b``, and these neighbours, (n,) each."""
        space = self.space
        rows = np.flatnonzero(space.labels == a)
        scaled = self.scaled_codes
        neighbours = nearest(scaled[rows], scaled, 2)[1][:, 1]
        is_b = space.labels[neighbours] == b
        return rows[is_b], neighbours[is_b]

    @measured_once
    def knowledge(self, features: str) -> Knowledge:
        """How well classes can be told from one of `FEATURES`, kept on disk across restarts.

        "PCA" are principal components of the pixels, as many as the code has dimensions.
        """
        space = self.space
        if features != CODES:
            return self.originals.knowledge(space.latent_dim if features == PCA else None, self.seed)

        def measure() -> Knowledge:
            return Knowledge.of(self.scaled_codes, space.labels, self.seed)

        if not space.checkpoint.sha256:  # of no file: there is nothing to know it by
            return measure()
        return Knowledge.stored(measure, CODES, *space.identity.of_codes, self.seed)

    @measured_once
    def clusters(self, method: str, n: int, seed: int) -> Clusters:
        """``n`` clusters of the codes by one of `clustering.METHODS`."""
        return clustering.fit(method, self.space.z, n, seed, units=self.picture_units())

    def tsne(self, progress: projection.Progress = lambda share, places: None) -> NDArray[np.float32]:
        """Places (n, 2) of all codes by t-SNE, kept on disk across restarts; ``progress`` as in `projection.tsne`."""
        key: Part = ("tsne",)
        if key in self.kept:
            return self.kept[key]
        return store.stored(lambda: projection.tsne(self.space.z, progress), "t-SNE", *self.space.identity.of_codes)

    @property
    def has_tsne(self) -> bool:
        """Whether t-SNE, which takes a minute, was measured already."""
        return ("tsne",) in self.kept or store.has("t-SNE", *self.space.identity.of_codes)

    # What encoding and decoding loses, and what lies between codes.

    @measured_once
    def reconstruction(self) -> Reconstruction:
        """The error of every evaluation image; their pictures are judged meanwhile where that will be asked for."""
        self.health()  # by which the gates are known
        judges = not self.refusal and (self.is_open("reconstruction") or self.is_open("samplers"))
        return Reconstruction(self.seen_again(judges).errors, self.space.labels)

    @measured_once
    def pca_errors(self) -> NDArray[np.float64]:
        """The error of principal components as codes, from none (the mean picture) to as many as dimensions."""
        return self.originals.pca_errors(self.space.latent_dim, self.seed)

    @measured_once
    def pca_curve(self, most: int) -> NDArray[np.float64]:
        """The error of 0 to ``most`` principal components, (most + 1,), kept on disk across restarts."""
        return self.originals.pca_curve(most)

    @measured_once
    def likelihood_bounds(self) -> LikelihoodBounds | None:
        """Bounds of a VAE's log-likelihood on images spread evenly over all; None where it is not known which loss it
        was trained with, or how far its posteriors spread."""
        space, likelihood = self.space, self.space.checkpoint.likelihood
        rows = np.unique(np.linspace(0, len(space.images) - 1, bounds.N_IMAGES).astype(np.intp))
        images, labels = space.images[rows], space.labels[rows]
        logvar = inference.log_variances(space.model, images, labels)
        if logvar is None or likelihood is None:
            return None
        decode = lambda z, of: space.decode(z, labels[of])  # noqa: E731
        return LikelihoodBounds.of(
            (images / 255).astype(np.float32), space.z[rows], logvar, decode, likelihood, seed=self.seed
        )

    @measured_once
    def smoothness(self, kind: str) -> Smoothness:
        """What happens on paths of one of `KINDS` between random pairs of real images."""
        self.asked_judge()
        return self.paths().along(kind)

    @measured_once
    def paths(self) -> Paths:
        """The pairs of real images between which smoothness is measured, and how."""
        space = self.space
        of_class = space.labels if space.signature.conditional else None
        seen = lambda pictures: self.judge()(pictures).features  # noqa: E731
        return Paths.of(space.z, space.decode, seen, units=self.picture_units(), labels=of_class, seed=self.seed)

    def parts(self) -> list[Part]:
        """All that there is to measure of this space, in a good order: the names and arguments of its measures.

        Nothing that stands behind a closed gate, once that is known; and where the judge is still to be trained, that
        in place of all that asks it.
        """
        if self.size_refusal:
            return []
        encodes, judges = self.space.signature.has_encoder, not self.refusal
        parts: list[Part] = [("health",)]
        if encodes:
            parts += [("reconstruction",), ("pca_errors",), ("dimensions",), ("property_correlations",)]
            parts += [("disentanglement",)]
            is_vae = self.space.signature.kind == "vae"
            parts += [("likelihood_bounds",)] if is_vae and self.space.checkpoint.likelihood else []
            parts += [("neighbours",), ("knowledge", CODES), ("knowledge", PCA)] if not self.class_refusal else []
        parts += [] if self.has_judge else [JUDGE]
        if judges:
            parts += [("sampler", name, self.seed) for name in self.rows]
        if judges and encodes:
            parts += [("predictions",)] if self.names_classes else []
            parts += [("smoothness", kind) for kind in KINDS]
        return [part for part in parts if part[0] not in SUBJECTS or self.is_open(SUBJECTS[part[0]])]

    def measure(self, part: str, *arguments: Hashable) -> Any:
        """One of the parts, by its name."""
        return getattr(self, part)(*arguments)

    def missing(self) -> list[Part]:
        """Of all that there is to measure, what was not measured yet."""
        return [part for part in self.parts() if not self.has(*part)]

    def complete(self, part: str) -> bool:
        """Whether all that there is of a part was measured already; false where there is nothing of it."""
        wanted = [each for each in self.parts() if each[0] == part]
        return bool(wanted) and all(self.has(*each) for each in wanted)


def subject_of(space: LatentSpace) -> dict[str, Any]:
    """What the results of a space are of; see `subject`."""
    return subject(space.identity, space.images, space.labels)


def subject(identity: Identity, images: NDArray[np.uint8], labels: Labels) -> dict[str, Any]:
    """What results are of, as plain values, one of which is another wherever the results may be: the model file, how it
    is read and the class it is asked for (`LatentSpace.identity`), the images, the judge, the version of the measures.
    """
    of_images = hashlib.sha256(repr((images.shape, str(images.dtype))).encode())
    of_images.update(np.ascontiguousarray(images).data)
    of_images.update(np.ascontiguousarray(labels).data)
    return {
        "model": identity.sha256, "reading": identity.reading, "class": identity.asked,
        "images": of_images.hexdigest(),
        "judge": fingerprint_of_judge(), "measures": [VERSION, *MEASURES],
    }  # fmt: skip


def fingerprint_of_judge() -> str:
    """SHA-256 of the judge that ships, empty where its file cannot be read: what asks it then says so."""
    try:
        return hashlib.sha256(read(JUDGE_FILE)).hexdigest()
    except CheckpointError:
        return ""
