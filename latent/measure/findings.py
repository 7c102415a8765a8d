"""Findings: plain sentences about a model, each made from a number that was measured.

What stands in the way of all others comes first (`gates`), and nothing is said of a subject that is closed. Two things
are ranked only where their intervals part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent.measure.dimensions import ACTIVE_VARIANCE, LEAST_CORRELATION
from latent.measure.evidence import CODES, PCA, REAL, RECONSTRUCTIONS, REFERENCES, Evidence
from latent.measure.fidelity import Fidelity
from latent.measure.gates import Subject, better_than_mean_image
from latent.measure.health import N_IMAGES
from latent.measure.intervals import Interval, apart, mean_interval, share_interval
from latent.measure.smoothness import THROUGH_CODES
from latent.sampling import SAMPLERS

COPIES = 0.75  # novelty below which a sampler repeats the codes it was fitted to rather than drawing new ones
CORRELATED = 0.6  # from this correlation two dimensions are partly redundant
RARE = 0.1  # of the share of a class among real images: a class that samples show less often is nearly missing
MOST_NAMED = 6  # of many dimensions
LEAST_DIFFERENCE = 0.1  # of perceptual path lengths, relative to the smaller: less is not worth a finding
FOREMOST = ("reconstruction", "samplers", "overlap")  # the topics that say how good a model is, the first first

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
    """What makes findings of evidence, the ``subject`` they are about, and the parts of the evidence it ``needs``."""

    needs: tuple[str, ...]
    findings: Callable[[Evidence], Iterator[Finding]]
    subject: Subject


def rule(subject: Subject, *needs: str) -> Callable[[Callable[[Evidence], Iterator[Finding]]], Rule]:
    """Makes a function of this file one of `RULES`, which speak in the order in which they stand here."""
    return lambda findings: Rule(needs, findings, subject)


def findings(evidence: Evidence) -> list[Finding]:
    """What can be said of a space from what is measured of it already; nothing is measured for it.

    The closed gates first; nothing at all before it is known whether they are.
    """
    if not evidence.has("health"):
        return []
    complete = {part[0] for part in evidence.parts() if evidence.complete(part[0])}
    said = [Finding(gate.text, gate.value, gate.topic, defect=gate.name != "conditional") for gate in evidence.gates]
    for rule in RULES:
        if complete.issuperset(rule.needs) and evidence.is_open(rule.subject):
            said += rule.findings(evidence)
    return said


def foremost(found: Sequence[Finding], n: int = 3) -> list[Finding]:
    """The ``n`` findings to be told first: what is wrong, then how good the model is, one finding for each topic, in
    the order of `FOREMOST`, then the rest."""

    def rank(finding: Finding) -> tuple[bool, int]:
        opens = next(each for each in found if each.topic == finding.topic) is finding
        place = FOREMOST.index(finding.topic) if opens and finding.topic in FOREMOST else len(FOREMOST)
        return not finding.defect, place

    return sorted(found, key=rank)[:n]


@rule("reconstruction", "health")
def first_look(evidence: Evidence) -> Iterator[Finding]:
    """What is known before all images are reconstructed."""
    health = evidence.health()
    if evidence.complete("pca_errors") or not better_than_mean_image(health):  # and a decoder alone has no error
        return
    n = min(N_IMAGES, len(evidence.space.images))
    low, high = (each / health.mean_image_mse for each in health.gain)
    yield Finding(
        f"On {n:,} images the test MSE is {health.mse:.4f}, {low:.0%} to {high:.0%} (95% interval) below that of the "
        "mean image.", low, "reconstruction",
    )  # fmt: skip


@rule("reconstruction", "reconstruction", "pca_errors")
def error_against_pca(evidence: Evidence) -> Iterator[Finding]:
    errors, baseline = evidence.reconstruction(), evidence.pca_errors()
    mse, pca = errors.mse, float(baseline[-1])
    n = len(baseline) - 1
    low, high = mean_interval(errors.errors)
    worse = bool(low > pca)
    yield Finding(
        f"Codes explain {1 - mse / baseline[0]:.0%} of the pixel variance: test MSE {mse:.4f}, against {pca:.4f} "
        f"for PCA with {n} component{'s' * (n > 1)}{', which is better' * worse}"
        f"{', no difference found' * bool(low <= pca <= high)}.",
        pca / mse, "reconstruction", defect=worse,
    )  # fmt: skip


@rule("reconstruction", "reconstruction", "predictions")
def worst_reconstructed_class(evidence: Evidence) -> Iterator[Finding]:
    found, names = evidence.reconstruction(), evidence.space.classes
    errors, intervals = found.by_class, found.intervals
    order = [int(each) for each in np.argsort(errors) if np.isfinite(errors[each])]
    changed = evidence.predictions().changed
    text = f"Reconstruction changes the predicted class of {changed:.1%} of images."
    if len(order) > 1:
        best, worst = (
            [each for each in order if not apart(intervals[each], intervals[end])] for end in (order[0], order[-1])
        )
        if not set(best) & set(worst):
            high, low = classes(worst, errors, names), classes(best, errors, names)
            text = f"MSE is highest for {high}, lowest for {low}. {text}"
    yield Finding(text, changed, "reconstruction")


@rule("reconstruction", "likelihood_bounds")
def log_likelihood(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.likelihood_bounds()
    if found is None:
        return
    bound = float(found.importance_weighted.mean())
    cost = f", so the encoder's posterior costs at least {found.gap[0]:.1f} nats" * (found.gap[0] > 0)
    yield Finding(
        f"The log-likelihood is at least {bound:.1f} nats per image{nats(mean_interval(found.importance_weighted))}, "
        f"against {found.mean_image.mean():.1f} for the mean image: importance-weighted bound of {found.n_samples} "
        f"samples, {found.likelihood}, as in training. The ELBO is {found.elbo.mean():.1f}{cost}.",
        bound, "reconstruction",
    )  # fmt: skip


def nats(interval: Interval) -> str:
    """An interval of nats in brackets.

    >>> nats((-2.61, 3.0))
    ' (-2.6 to 3.0)'
    """
    return f" ({interval[0]:.1f} to {interval[1]:.1f})"


def classes(chosen: Sequence[int], values: NDArray[np.float64], names: Sequence[str]) -> str:
    """Classes with their mean squared errors, as a sentence names them."""
    words = [f"{names[each]} ({values[each]:.4f})" for each in sorted(chosen)]
    return f"class{'es' * (len(words) > 1)} {enumeration(words)}"


@rule("activity", "dimensions")
def inactive_dimensions(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.dimensions()
    inactive, n = found.inactive, len(found.dimensions)
    if inactive:
        collapsed = found.variational and bool((found.variance[~found.active] <= ACTIVE_VARIANCE).all())
        one = len(inactive) == 1
        why = (
            f"collapsed to the prior: {'its' if one else 'their'} posterior mean does not vary with the image"
            if collapsed
            else f"{'has' if one else 'have'} no visible effect (below 1% of the average)"
        )
        which = f"Dimension{'s' * (not one)} {named(inactive)} {why}."
        yield Finding(
            f"{n - len(inactive)} of {n} dimensions {'is' if n - len(inactive) == 1 else 'are'} active. {which}",
            len(inactive), "dimensions", inactive[0], defect=True,
        )  # fmt: skip
    elif n > 1:
        shares = found.effect / found.effect.mean()
        text = (
            f"All {n} dimensions affect the image, with {shares.min():.0%} to {shares.max():.0%} of the average effect."
        )
        yield Finding(text, float(shares.min()), "dimensions")


@rule("properties", "dimensions")
def correlated_dimensions(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.dimensions()
    both = np.outer(found.active, found.active)  # what an inactive one correlates with is noise
    strength = np.abs(np.tril(found.correlation, -1)) * both
    if strength.max() >= CORRELATED:
        row, column = (int(place) for place in np.unravel_index(strength.argmax(), strength.shape))
        r, a, b = float(found.correlation[row, column]), int(found.dimensions[column]), int(found.dimensions[row])
        yield Finding(f"Dimensions {a} and {b} are correlated (r = {r:.2f}), so partly redundant.", r, "dimensions", b)


@rule("properties", "property_correlations")
def represented_properties(evidence: Evidence) -> Iterator[Finding]:
    related = evidence.property_correlations()
    for each in related.represented()[:1]:
        follow = "" if np.isnan(each.follow) else f": {each.follow:.0%} of single images follow"
        yield Finding(
            f"Dimension {each.dimension} correlates with {each.name} (r = {each.correlation:.2f}); its traversal "
            f"confirms it{follow}.",
            each.correlation, "dimensions", each.dimension,
        )  # fmt: skip
    if not related.represented():
        row, column = np.unravel_index(np.abs(related.correlation).argmax(), related.correlation.shape)
        r, dimension = float(related.correlation[row, column]), int(related.dimensions[row])
        but = " but its traversal does not confirm it" if abs(r) >= LEAST_CORRELATION else ""
        yield Finding(
            f"No dimension represents {enumeration(related.names, 'or')}; closest: dimension {dimension} with "
            f"{related.names[column]} (r = {r:.2f}){',' * bool(but)}{but}.",
            r, "dimensions", dimension,
        )  # fmt: skip


@rule("properties", "disentanglement")
def disentangled_properties(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.disentanglement()
    if len(found.information) < 2:
        return
    words = [
        f"{name} {value:.3f} ({found.intervals[key][0]:.3f}–{found.intervals[key][1]:.3f})"
        for name, key, value in (("MIG", "mig", found.mig), ("SAP", "sap", found.sap))
    ]
    yield Finding(
        f"Disentanglement of {enumeration(found.names)}: {', '.join(words)}, DCI {found.disentanglement:.2f}; 1 where "
        "each has a dimension of its own.",
        found.mig, "dimensions",
    )  # fmt: skip


@rule("samplers", "sampler")
def sampler_to_use(evidence: Evidence) -> Iterator[Finding]:
    fidelities = evidence.fidelities()
    found = advice(fidelities, has_prior=evidence.space.signature.kind == "vae")
    for name in evidence.samplers:
        each = fidelities[name]
        if copies(each, fidelities[REAL]):  # why it is not the one to use, however near it comes
            share = "" if np.isnan(each.near_copies) else f"{each.near_copies:.0%} near-copies, "
            unseen = "" if np.isnan(each.near_copies) else f"{fidelities[REAL].near_copies:.0%} and "
            found = replace(
                found,
                text=f"{found.text} Not compared: {noun(name)} ({each.frechet:.2f}), which repeat the codes they were "
                f"fitted to ({share}novelty {each.novelty:.2f}; unseen images: {unseen}1).",
            )
    yield found


def advice(fidelities: Mapping[str, Fidelity], *, has_prior: bool = False) -> Finding:
    """Which of the samplers to use, beside the usual choice, real images and reconstructions.

    The usual choice is the learned sampler, or N(0, 1) of a model that ``has_prior``. Samplers whose intervals of 95%
    overlap with that of the best are not told apart; nor is one worth looking for where reconstructions are no nearer.
    """
    best = recommended(fidelities)
    frechet = {name: each.frechet for name, each in fidelities.items()}
    usual, other = ("normal", "learned") if has_prior else ("learned", "normal")
    against = other if best == usual else usual
    written = f"{frechet[best]:.2f}{interval_of(fidelities[best])}"
    references = f"real images: {frechet[REAL]:.2f}"
    if RECONSTRUCTIONS in frechet:
        references += f", reconstructions: {frechet[RECONSTRUCTIONS]:.2f}"
    if against not in frechet:
        return Finding(
            f"Samples from {noun(best)}: Fréchet distance {written} ({references}).", frechet[best], "samplers"
        )
    ratio = frechet[against] / max(frechet[best], np.finfo(float).tiny)
    alike = [name for name in not_told_apart(fidelities) if name != best]
    if against in alike:
        text = (
            f"No sampler is found better than {noun(against)}: Fréchet distance {frechet[against]:.2f}"
            f"{interval_of(fidelities[against])} ({references})."
        )
    elif alike:
        text = (
            f"Best samplers, no difference found: {enumeration([noun(name) for name in (best, *alike)])}, Fréchet "
            f"distances {enumeration([f'{frechet[name]:.2f}' for name in (best, *alike)])}, against "
            f"{frechet[against]:.2f} for {noun(against)} ({references})."
        )
    else:
        text = (
            f"Best sampler: {noun(best)}, Fréchet distance {written}, against {frechet[against]:.2f} for "
            f"{noun(against)} ({references})."
        )
    if at_the_floor(fidelities):
        text += " Reconstructions are not found nearer to real images, so the decoder is the limit."
    return Finding(text, ratio, "samplers")


def interval_of(fidelity: Fidelity) -> str:
    """The interval of a Fréchet distance in brackets, where it has one."""
    low, high = fidelity.interval("frechet")
    return "" if low == high or not np.isfinite(high) else f" ({low:.2f}–{high:.2f})"


def recommended(fidelities: Mapping[str, Fidelity]) -> str:
    """The sampler to use: the least Fréchet distance of those that do not repeat the codes they were fitted to."""
    samplers = {name: each for name, each in fidelities.items() if name not in REFERENCES}
    new = [name for name, each in samplers.items() if not copies(each, fidelities.get(REAL))]
    return min(new or samplers, key=lambda name: samplers[name].frechet)


def copies(sampler: Fidelity, real: Fidelity | None) -> bool:
    """Whether a sampler repeats the codes it was fitted to: more near-copies than among unseen images, beyond the
    intervals, or a novelty below `COPIES`. What is not known, NaN, counts for nothing."""
    if sampler.novelty < COPIES:
        return True
    return real is not None and sampler.interval("near_copies")[0] > real.interval("near_copies")[1]


def not_told_apart(fidelities: Mapping[str, Fidelity]) -> list[str]:
    """The samplers that draw new codes and whose Fréchet distances are not told from that of the recommended one."""
    best = recommended(fidelities)
    own = fidelities[best].interval("frechet")
    return [
        name
        for name, each in fidelities.items()
        if name not in REFERENCES
        and (name == best or not (copies(each, fidelities.get(REAL)) or apart(own, each.interval("frechet"))))
    ]


def at_the_floor(fidelities: Mapping[str, Fidelity]) -> bool:
    """Whether samples of the recommended sampler are as near to real images as reconstructions are."""
    if RECONSTRUCTIONS not in fidelities:
        return False
    best, floor = fidelities[recommended(fidelities)], fidelities[RECONSTRUCTIONS]
    return best.frechet <= floor.frechet or not apart(best.interval("frechet"), floor.interval("frechet"))


@rule("coverage", "sampler")
def missing_classes(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.names_classes:
        return
    fidelities = evidence.fidelities()
    name = usual_sampler(evidence)
    drawn, real, names = fidelities[name], fidelities[REAL], evidence.space.classes
    n = max(int(drawn.class_counts.sum()), 1)
    of_real = real.class_counts / max(int(real.class_counts.sum()), 1)
    seen = np.flatnonzero(of_real)
    relative = {int(each): float(drawn.class_counts[each] / n / of_real[each]) for each in seen}
    intervals = {
        each: tuple(end / of_real[each] for end in share_interval(drawn.class_counts[each] / n, n)) for each in relative
    }
    if rare := [each for each in relative if intervals[each][1] < RARE]:
        said = f"rarely show class{'es' * (len(rare) > 1)} {enumeration([names[each] for each in rare])}"
    else:
        rarest = min(relative, key=relative.__getitem__)
        low, high = intervals[rarest]
        share = f"{relative[rarest]:.0%} ({low:.0%} to {high:.0%})"
        is_told = all(apart(intervals[rarest], interval) for each, interval in intervals.items() if each != rarest)
        shown = f"every class; the rarest{f', {names[rarest]},' if is_told else ''}"
        said = f"show {shown if relative[rarest] else f'class {names[rarest]}'} at {share} of its real frequency"
    bits = f"{drawn.entropy:.2f} bits (real: {real.entropy:.2f})"
    yield Finding(f"Samples from {noun(name)} {said}. Entropy {bits}.", drawn.entropy, "collapse", defect=bool(rare))


def usual_sampler(evidence: Evidence) -> str:
    """What most people would draw from: the prior of a VAE, and the learned distribution of what has none."""
    return "normal" if evidence.space.signature.kind == "vae" or "learned" not in evidence.samplers else "learned"


@rule("overlap", "neighbours")
def overlapping_classes(evidence: Evidence) -> Iterator[Finding]:
    shares, counts = np.nan_to_num(evidence.neighbours()), np.bincount(evidence.space.labels)
    np.fill_diagonal(shares, 0)
    order = [divmod(int(place), len(shares)) for place in np.argsort(-shares, axis=None, kind="stable")]
    # The neighbours of an image are no independent witnesses: each image counts once.
    intervals = [share_interval(shares[a, b], max(int(counts[a]), 1)) for a, b in order]
    others = sum(not apart(each, intervals[0]) for each in intervals[1:])
    (a, b), classes = order[0], evidence.space.classes
    unlike = f"; no difference found from {others} other pair{'s' * (others > 1)} of classes" if others else ""
    yield Finding(
        f"Least separated: {shares[a, b]:.1%} of the neighbours of class {classes[a]} are class {classes[b]}{unlike}.",
        float(shares[a, b]), "overlap",
    )  # fmt: skip


@rule("classes", "knowledge")
def class_signal(evidence: Evidence) -> Iterator[Finding]:
    codes, pca = evidence.knowledge(CODES), evidence.knowledge(PCA)
    if evidence.space.signature.conditional:
        chance = float(np.bincount(evidence.space.labels).max() / len(evidence.space.labels))
        text = (
            f"On the codes, a linear probe reaches {codes.probe:.1%}; codes that hold nothing of the class, which is "
            f"given beside them, would reach {chance:.1%}."
        )
    else:
        text = (
            f"On the codes, a linear probe reaches {codes.probe:.1%}{percent(codes.probe_interval)}, 5-NN "
            f"{codes.neighbours:.1%}{percent(codes.neighbours_interval)}; on equal-size PCA, {pca.probe:.1%} and "
            f"{pca.neighbours:.1%}."
        )
    yield Finding(text, codes.probe, "overlap")


def percent(interval: Interval) -> str:
    """An interval of a share in brackets; nothing where there is none.

    >>> percent((0.931, 0.942)), percent((0.0, 1.0))
    (' (93.1–94.2)', '')
    """
    low, high = interval
    return "" if high - low >= 0.5 else f" ({low * 100:.1f}–{high * 100:.1f})"


@rule("paths", "smoothness")
def smoothest_paths(evidence: Evidence) -> Iterator[Finding]:
    linear, through = evidence.smoothness("linear"), evidence.smoothness(THROUGH_CODES)
    length = {"linear": float(linear.path_length.mean()), THROUGH_CODES: float(through.path_length.mean())}
    low, high = mean_interval(through.path_length - linear.path_length)
    best, other = ("linear", THROUGH_CODES) if low > 0 else (THROUGH_CODES, "linear")
    relevant = LEAST_DIFFERENCE * length[best]
    if low <= relevant and high >= -relevant:
        text = (
            f"Linear paths and paths through real codes: no difference of {LEAST_DIFFERENCE:.0%} or more found in "
            f"perceptual path length ({length['linear']:.0f} and {length[THROUGH_CODES]:.0f})"
        )
    else:
        text = (
            f"Images change more smoothly on {PATHS[best]}: perceptual path length {length[best]:.0f}, against "
            f"{length[other]:.0f} on {PATHS[other]}"
        )
    of_linear = (
        f"On linear paths, {linear.off_data.mean():.0%} of the points are out of distribution, and the largest step is "
        f"{1 / max(linear.evenness.mean(), 1e-9):.1f} times the mean one"
    )
    within = " within a class" if evidence.space.signature.conditional else ""
    yield Finding(
        f"{text}{within}. {of_linear} (steps of 1/{linear.smoothest.shape[0] - 1}).", length[best], "smoothness"
    )


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
