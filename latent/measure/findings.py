"""Findings: plain sentences about a checkpoint, each made from a number that was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from latent.measure.evidence import CODES, PCA, REAL, REFERENCES, Evidence
from latent.measure.fidelity import Fidelity
from latent.measure.smoothness import KINDS, THROUGH_CODES
from latent.sampling import SAMPLERS

COPIES = 0.75  # novelty below which a sampler repeats the codes it was fitted to rather than drawing new ones
CORRELATED = 0.6  # from this correlation two dimensions are partly redundant
RARE = 0.3  # of the share of a class among real images: less among samples is a gap
MOST_NAMED = 6  # of many dimensions
FOREMOST = ("reconstruction", "samplers", "digits")  # the topics that say how good a model is, the first first

PATHS = {"linear": "linear paths", "spherical": "spherical paths", THROUGH_CODES: "paths through real codes"}


@dataclass(frozen=True)
class Finding:
    """One sentence, the number it rests on, and what shows it: one of `topics.TOPICS`, or one ``dimension``.

    ``defect`` where it says that something is wrong, which one should know first.
    """

    text: str
    value: float
    topic: str
    dimension: int | None = None
    defect: bool = False


class Rule(NamedTuple):
    """What makes findings of evidence, and the parts of the evidence that it ``needs``."""

    needs: tuple[str, ...]
    findings: Callable[[Evidence], Iterator[Finding]]


def rule(*needs: str) -> Callable[[Callable[[Evidence], Iterator[Finding]]], Rule]:
    """Makes a function of this file one of `RULES`, which speak in the order in which they stand here."""
    return lambda findings: Rule(needs, findings)


def findings(evidence: Evidence) -> list[Finding]:
    """What can be said of a space from what is measured of it already; nothing is measured for it."""
    complete = {part[0] for part in evidence.parts() if evidence.complete(part[0])}
    return [found for rule in RULES if complete.issuperset(rule.needs) for found in rule.findings(evidence)]


def foremost(found: Sequence[Finding], n: int = 3) -> list[Finding]:
    """The ``n`` findings to be told first: what is wrong, then how good the model is, one finding for each topic, in
    the order of `FOREMOST`, then the rest."""

    def rank(finding: Finding) -> tuple[bool, int]:
        opens = next(each for each in found if each.topic == finding.topic) is finding
        place = FOREMOST.index(finding.topic) if opens and finding.topic in FOREMOST else len(FOREMOST)
        return not finding.defect, place

    return sorted(found, key=rank)[:n]


@rule("reconstruction", "pca_errors")
def error_against_pca(evidence: Evidence) -> Iterator[Finding]:
    mse, errors = evidence.reconstruction().mse, evidence.pca_errors()
    yield Finding(
        f"Codes explain {1 - mse / errors[0]:.0%} of the pixel variance: test MSE {mse:.4f}, against {errors[-1]:.4f} "
        f"for PCA with {len(errors) - 1} component{'s' * (len(errors) > 2)}.",
        float(errors[-1] / mse), "reconstruction",
    )  # fmt: skip


@rule("reconstruction", "predictions")
def worst_reconstructed_class(evidence: Evidence) -> Iterator[Finding]:
    errors = evidence.reconstruction().by_digit
    worst, best = int(np.nanargmax(errors)), int(np.nanargmin(errors))
    changed, classes = evidence.predictions().changed, evidence.space.classes
    yield Finding(
        f"MSE is highest for class {classes[worst]} ({errors[worst]:.4f}), lowest for class {classes[best]} "
        f"({errors[best]:.4f}). "
        f"Reconstruction changes the predicted class of {changed:.1%} of images.",
        changed, "reconstruction",
    )  # fmt: skip


@rule("dimensions")
def inactive_dimensions(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.dimensions()
    inactive, mean = found.inactive, float(found.effect.mean())
    if inactive:
        have = "Dimension {} has" if len(inactive) == 1 else "Dimensions {} have"
        text = f"{have.format(named(inactive))} no visible effect (below 1% of the average)."
        yield Finding(text, len(inactive), "dimensions", inactive[0], defect=True)
    elif len(found.dimensions) > 1:
        row = int(found.effect.argmin())
        weakest, share = int(found.dimensions[row]), float(found.effect[row] / mean)
        text = f"All dimensions affect the image; the weakest, {weakest}, has {share:.0%} of the average effect."
        yield Finding(text, share, "dimensions", weakest)


@rule("dimensions")
def correlated_dimensions(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.dimensions()
    strength = np.abs(np.tril(found.correlation, -1))
    if strength.max() >= CORRELATED:
        row, column = (int(place) for place in np.unravel_index(strength.argmax(), strength.shape))
        r, a, b = float(found.correlation[row, column]), int(found.dimensions[column]), int(found.dimensions[row])
        yield Finding(f"Dimensions {a} and {b} are correlated (r = {r:.2f}), so partly redundant.", r, "dimensions", b)


@rule("property_correlations")
def represented_properties(evidence: Evidence) -> Iterator[Finding]:
    related = evidence.property_correlations()
    for each in related.represented()[:1]:
        yield Finding(
            f"Dimension {each.dimension} correlates with {each.name} (r = {each.correlation:.2f}); its traversal "
            "confirms it.",
            each.correlation, "dimensions", each.dimension,
        )  # fmt: skip
    if not related.represented():
        row, column = np.unravel_index(np.abs(related.correlation).argmax(), related.correlation.shape)
        r, dimension = float(related.correlation[row, column]), int(related.dimensions[row])
        yield Finding(
            f"No dimension represents {enumeration(related.names, 'or')}; closest: dimension {dimension} with "
            f"{related.names[column]} (r = {r:.2f}).",
            r, "dimensions", dimension,
        )  # fmt: skip


@rule("sampler")
def sampler_to_use(evidence: Evidence) -> Iterator[Finding]:
    fidelities = evidence.fidelities()
    best, found = fidelities[recommended(fidelities)], advice(fidelities)
    for name in evidence.samplers:
        each = fidelities[name]
        if each.novelty < COPIES and each.frechet < best.frechet:  # why it is not the one to use
            found = replace(
                found,
                text=f"{found.text} Lower still, {each.frechet:.2f}, with {noun(name)}, but these are nearly copies "
                f"(novelty {each.novelty:.2f}; unseen images: 1).",
            )
    yield found


def advice(fidelities: Mapping[str, Fidelity]) -> Finding:
    """Which of the samplers to use, beside the usual choice and real images."""
    best = recommended(fidelities)
    frechet = {name: each.frechet for name, each in fidelities.items()}
    against = "normal" if best == "learned" else "learned"
    if against not in frechet:
        of_both = f"Fréchet distance {frechet[best]:.2f} (real images: {frechet[REAL]:.2f})"
        return Finding(f"Samples from {noun(best)}: {of_both}.", frechet[best], "samplers")
    ratio = frechet[against] / max(frechet[best], np.finfo(float).tiny)
    return Finding(
        f"Best sampler: {noun(best)}, Fréchet distance {frechet[best]:.2f}, against {frechet[against]:.2f} for "
        f"{noun(against)} (real images: {frechet[REAL]:.2f}).",
        ratio, "samplers",
    )  # fmt: skip


def recommended(fidelities: Mapping[str, Fidelity]) -> str:
    """The sampler to use: the least Fréchet distance of those that do not repeat the codes they were fitted to."""
    samplers = {name: each for name, each in fidelities.items() if name not in REFERENCES}
    new = [name for name, each in samplers.items() if not each.novelty < COPIES]  # where it is NaN, nothing is known
    return min(new or samplers, key=lambda name: samplers[name].frechet)


@rule("sampler")
def missing_classes(evidence: Evidence) -> Iterator[Finding]:
    fidelities = evidence.fidelities()
    name = usual_sampler(evidence)
    drawn, real, classes = fidelities[name], fidelities[REAL], evidence.space.classes
    relative = drawn.digits / np.maximum(real.digits, 1)  # of as many pictures
    rare, rarest = np.flatnonzero(relative < RARE), int(relative.argmin())
    if len(rare):
        shown = f"rarely show class{'es' * (len(rare) > 1)} {enumeration([classes[each] for each in rare])}"
    else:
        shown = f"show every class; the rarest, {classes[rarest]}, at {relative[rarest]:.0%} of its real frequency"
    bits = f"{drawn.entropy:.2f} bits (real: {real.entropy:.2f})"
    text = f"Samples from {noun(name)} {shown}. Entropy {bits}."
    yield Finding(text, drawn.entropy, "collapse", defect=bool(len(rare)))


def usual_sampler(evidence: Evidence) -> str:
    """What most people would draw from: the prior of a VAE, and the learned distribution of what has none."""
    return "normal" if evidence.space.signature.kind == "vae" or "learned" not in evidence.samplers else "learned"


@rule("neighbours")
def overlapping_classes(evidence: Evidence) -> Iterator[Finding]:
    shares = np.nan_to_num(evidence.neighbours())
    np.fill_diagonal(shares, 0)
    a, b = (int(digit) for digit in np.unravel_index(shares.argmax(), shares.shape))
    share, classes = float(shares[a, b]), evidence.space.classes
    yield Finding(
        f"Least separated: {share:.1%} of the neighbours of class {classes[a]} are class {classes[b]}.", share, "digits"
    )


@rule("knowledge")
def class_signal(evidence: Evidence) -> Iterator[Finding]:
    codes, pca = evidence.knowledge(CODES), evidence.knowledge(PCA)
    yield Finding(
        f"On the codes, a linear probe reaches {codes.probe:.1%}, 5-NN {codes.neighbours:.1%}; on equal-size PCA, "
        f"{pca.probe:.1%} and {pca.neighbours:.1%}.",
        codes.probe, "digits",
    )  # fmt: skip


@rule("smoothness")
def surest_paths(evidence: Evidence) -> Iterator[Finding]:
    sure = {kind: float(evidence.smoothness(kind).confidence.mean()) for kind in KINDS}
    best, second = sorted(sure, key=sure.__getitem__, reverse=True)[:2]
    other = "linear" if best != "linear" else second
    yield Finding(
        f"Confidence stays highest on {PATHS[best]}: its minimum averages {sure[best]:.2f}, against {sure[other]:.2f} "
        f"on {PATHS[other]}.",
        sure[best], "smoothness",
    )  # fmt: skip


def noun(sampler: str) -> str:
    """A sampler as a sentence calls it."""
    return SAMPLERS[sampler].noun


def named(dimensions: Sequence[int]) -> str:
    """Numbers of dimensions, not too many of them.

    >>> named([3, 9]), named([1, 2, 3, 4, 5, 6, 7, 8])
    ('3 and 9', '1, 2, 3, 4, 5, 6 and 2 more')
    """
    shown = [str(dimension) for dimension in dimensions[:MOST_NAMED]]
    rest = len(dimensions) - len(shown)
    return enumeration([*shown, f"{rest} more"] if rest else shown)


def enumeration(words: Sequence[str], conjunction: str = "and") -> str:
    """Words as one would say them.

    >>> enumeration(["1"]), enumeration(["1", "4", "7"]), enumeration(["ink", "holes"], "or")
    ('1', '1, 4 and 7', 'ink or holes')
    """
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


RULES = tuple(each for each in list(globals().values()) if isinstance(each, Rule))
