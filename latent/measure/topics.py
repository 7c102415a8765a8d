"""Topics: what a diagnosis of a model is about, and what is shown of each, for the page and the report alike.

To add one, write the function that yields its exhibits and its record in `TOPICS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latent import charts
from latent.arrays import Codes, Labels, Pictures, Rows
from latent.clustering import N_SEEDS
from latent.images import to_uint8
from latent.measure import findings
from latent.measure.disentanglement import SCORES as DISENTANGLEMENT
from latent.measure.evidence import CODES, FEATURES, PCA, PIXELS, REAL, SEED, Evidence
from latent.measure.exhibits import Column, Exhibit, Facts, Figure, Heading, PictureSheet, SideBySide, Table
from latent.measure.fidelity import MEASURES, Fidelity
from latent.measure.gates import Subject
from latent.measure.intervals import Interval, mean_interval
from latent.measure.kept import Part
from latent.measure.knowledge import Knowledge, compared_shape
from latent.measure.smoothness import KINDS
from latent.space import LatentSpace

N_SAMPLES_SHOWN = 20  # pictures of each sampler
N_PAIRS_SHOWN = 24
N_STRONGEST = 12  # dimensions whose traversals are shown
N_STEPS = 11  # of a traversal
OF_CLASSES = {"neighbours", "knowledge"}  # parts that need the classes of the images
OF_PREDICTED_CLASSES = ("entropy", "confidence")  # measures of samplers, where the judge names classes
OF_CLASSES_AND_COPIES = (*OF_PREDICTED_CLASSES, "duplicates", "near_copies", "novelty")
IN_A_ROW = 20  # pictures, at most


class DecodeIn(Protocol):
    """Decodes codes of a space; `LatentSpace.decode` does, and so does a cache of what it decoded."""

    def __call__(self, space: LatentSpace, z: Codes, labels: Labels | None = None, /) -> Pictures: ...


@dataclass(frozen=True)
class View:
    """What exhibits are of: the evidence, and for some topics one of its samplers; ``decode`` makes the pictures."""

    evidence: Evidence
    sampler: str
    decode: DecodeIn = LatentSpace.decode

    @property
    def space(self) -> LatentSpace:
        return self.evidence.space


@dataclass(frozen=True)
class Files:
    """The numbers of a topic to take away: ``arrays``, the ``python`` that gives them from an ``evidence``, a table.

    ``table`` has equally long columns by their names.
    """

    arrays: Mapping[str, Any]
    python: str
    table: Mapping[str, Any]


def parts_of_needs(topic: Topic, view: View) -> list[Part]:
    """All that there is of the parts that a topic needs."""
    return [part for part in view.evidence.parts() if part[0] in topic.needs]


@dataclass(frozen=True)
class Topic:
    """What a diagnosis can be about: its ``name``, the ``title`` of it in a report, what it ``needs`` measured.

    ``subject`` is what it says something of: where a gate has closed that, the gate's sentence is all that is shown,
    but for one that is shown ``always``, below it.
    ``section`` of the page shows it; ``takes_sampler`` where it is about one sampler. ``show`` and ``take_away`` are
    its exhibits and files, ``measures`` the parts of the evidence that it will ask for, in their order; ``appendix``
    what a report shows besides.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    show: Callable[[View], Iterator[Exhibit]]
    take_away: Callable[[View], Files]
    section: str = "Diagnose"
    takes_sampler: bool = False
    subject: Subject | None = None
    always: bool = False
    measures: Callable[[Topic, View], list[Part]] = parts_of_needs
    appendix: Callable[[View], Iterator[Exhibit]] = field(default=lambda view: iter(()))

    def exhibits(
        self, evidence: Evidence, *, sampler: str = "", decode: DecodeIn = LatentSpace.decode
    ) -> Iterator[Exhibit]:
        """What is shown of this topic, in order; what it rests on is measured where it is not yet.

        ``sampler``, one of `Evidence.samplers`, is by default the usual one. Raises `ArgumentError` where the judge is
        needed and cannot be asked.
        """
        closed = [Exhibit(title=gate.text) for gate in evidence.closing(self.subject)]
        if closed and not self.always:
            return iter(closed)
        return chain(closed, self.show(View(evidence, sampler or findings.usual_sampler(evidence), decode)))

    def parts(self, evidence: Evidence, *, sampler: str = "") -> list[Part]:
        """The parts of the evidence that the exhibits ask for: measured one by one, they show progress."""
        if self.subject is not None and not evidence.is_open(self.subject) and not self.always:
            return [("health",)]
        return [("health",), *self.measures(self, View(evidence, sampler or findings.usual_sampler(evidence)))]

    def besides(self, evidence: Evidence) -> Iterator[Exhibit]:
        """What a report shows of this topic besides, for which the page has another section."""
        return self.appendix(View(evidence, findings.usual_sampler(evidence)))

    def files(self, evidence: Evidence, *, sampler: str = "") -> Files:
        """The numbers behind the exhibits, to take away; behind a closed gate, what closed it."""
        closed = evidence.closing(self.subject)
        if closed and not self.always:
            table = {"gate": [gate.name for gate in closed], "text": [gate.text for gate in closed]}
            return Files({"gain": np.array(evidence.health().gain)}, "gain = evidence.health().gain", table)
        return self.take_away(View(evidence, sampler or findings.usual_sampler(evidence)))

    def refusal(self, evidence: Evidence) -> str:
        """Why what it needs cannot be measured of this space, as a sentence; empty where it can."""
        if {part[0] for part in evidence.parts()}.issuperset(self.needs):
            return ""
        return evidence.refusal if self.asks_judge else evidence.class_refusal

    @property
    def asks_judge(self) -> bool:
        """Whether what it needs is measured by the judge, and not by the classes of the images alone."""
        return not OF_CLASSES.issuperset(self.needs)

    def is_complete(self, evidence: Evidence) -> bool:
        """Whether all that there is of what it needs was measured already, and there is anything of it."""
        parts = [part for part in evidence.parts() if part[0] in self.needs]
        return bool(parts) and all(evidence.has(*part) for part in parts)


# Dimensions: what each carries, and what it represents.


def show_dimensions(view: View) -> Iterator[Exhibit]:
    evidence, latent_dim = view.evidence, view.space.latent_dim
    carried = evidence.dimensions()
    rows = list(dimension_rows(evidence))
    values = {
        "Active dimensions": f"{int(carried.active.sum())} of {len(rows)}",
        "Effective rank": f"{carried.effective_rank:.1f}",
    }
    if carried.kl is not None:
        values["Total KL divergence"] = f"{carried.kl.sum():.1f} nats"
    means = {
        "Active dimensions": ACTIVE_RULES[view.space.signature.kind],
        "Effective rank": "Effective number of directions the codes vary in, each dimension as long as its effect "
        "(Roy & Vetterli 2007).",
    }
    yield Facts(values=values, means=means)
    if len(rows) < latent_dim:
        yield Exhibit(caption=f"The {len(rows)} of {latent_dim} dimensions with the largest effect.")
    yield Heading(title="Per-dimension metrics")
    yield Table(
        columns=dimension_columns(rows, carried.kl is not None),
        rows=rows,
        alt="Metrics of each dimension",
        caption="Effect: RMS difference per pixel between one standard deviation below and above, over 64 test images"
        f"{of_the_class_in_use(view.space)}. Class information: mutual information with the label, in bits.",
    )
    if view.evidence.is_open("properties"):
        correlated = [row for row in rows if row["stands_for"]]
        if correlated:
            yield Heading(title="Correlated properties")
            yield Table(
                columns=CORRELATED_COLUMNS,
                rows=correlated,
                alt="Dimensions that follow a property",
                caption="Where both agree: the test images (r of 0.5 or more) and the traversal. Images that follow: "
                "share of single images whose property changes along it as on average; 50% by chance.",
            )
        yield from properties_of_dimensions(view)


def of_the_class_in_use(space: LatentSpace) -> str:
    """Of which class the images are from whose codes dimensions are tried; nothing where they are of all."""
    return f" of class {space.asked}" if space.signature.conditional else ""


def properties_of_dimensions(view: View) -> Iterator[Exhibit]:
    """How dimensions are related to measured properties, and to each other."""
    evidence = view.evidence
    carried, related = evidence.dimensions(), evidence.property_correlations()
    names = [str(dimension) for dimension in carried.dimensions]
    among_real = Figure(
        title="Correlation with properties",
        rest=", over the test images",
        chart=charts.matrix_chart,
        given=(related.correlation, names, related.names, ("dimension", "property", "correlation")),
        alt="Correlation of each dimension with each property",
    )
    in_traversal = Figure(
        title="Effect on properties",
        rest=" (SD per SD): change of a property along a traversal",
        chart=charts.matrix_chart,
        given=(np.clip(related.slope, -1, 1), names, related.names, ("dimension", "property", "slope")),
        alt="Effect of each dimension on each property",
    )
    yield SideBySide(exhibits=(among_real, in_traversal))
    yield Figure(
        title="Correlation between dimensions",
        rest=", over the test images",
        chart=charts.matrix_chart,
        given=(carried.correlation, names, names, ("dimension", "other dimension", "correlation")),
        alt="Correlation between dimensions",
    )
    yield Heading(title="Disentanglement")
    yield Table(
        columns=DISENTANGLEMENT_COLUMNS,
        rows=disentanglement_rows(evidence),
        alt="Disentanglement scores with their intervals",
        caption=f"Of {findings.enumeration(evidence.disentanglement().names)}: 1 where each has a dimension of its "
        "own. Intervals of 95% over test images. No score depends on the units of dimensions. "
        + " ".join(f"{name}: {meaning}." for name, meaning in DISENTANGLEMENT_MEANS.values()),
    )


DISENTANGLEMENT_COLUMNS = (
    Column("score", "score", "text"),
    Column("value", "value", "bar", ".3f"),
    Column("interval", "95% interval", "text"),
)
DISENTANGLEMENT_MEANS = {
    "mig": ("MIG", "gap between the two most informative dimensions of a property (Chen et al. 2018)"),
    "sap": ("SAP", "the same gap in linearly explained variance (Kumar et al. 2018)"),
    "disentanglement": ("DCI disentanglement", "a dimension matters for one property (Eastwood & Williams 2018)"),
    "completeness": ("DCI completeness", "a property needs one dimension"),
    "informativeness": ("DCI informativeness", "variance of properties that the code predicts linearly"),
}
ACTIVE_RULES = {
    "ae": "Active: changes the image, by at least 1% of the average effect.",
    "vae": "Active: changes the image, and its posterior mean varies with it: Var(E[z|x]) > 0.01 (Burda et al. 2016).",
}


def disentanglement_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """The scores of disentanglement, a row each."""
    found = evidence.disentanglement()
    return [
        {
            "score": DISENTANGLEMENT_MEANS[key][0], "value": getattr(found, key),
            "interval": "{:.3f}–{:.3f}".format(*found.intervals[key]),
        }
        for key in DISENTANGLEMENT
    ]  # fmt: skip


def dimension_rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """What is known of each diagnosed dimension, a row each; see `report.numbers`."""
    carried = evidence.dimensions()
    is_open = evidence.is_open("properties")
    represented = {each.dimension: each for each in evidence.property_correlations().represented()} if is_open else {}
    for place, dimension in enumerate(carried.dimensions.tolist()):
        represents = represented.get(dimension)
        yield {
            "dimension": dimension,
            "variance": carried.variance[place],
            "effect": carried.effect[place],
            "class_information": carried.class_information[place],
            "kl": None if carried.kl is None else carried.kl[place],
            "active": bool(carried.active[place]),
            "stands_for": represents and represents.name,
            "correlation": represents and represents.correlation,
            "follow": represents and represents.follow,
        }


def dimension_columns(rows: Sequence[Mapping[str, Any]], has_kl: bool) -> list[Column]:
    """The columns of the table of dimensions; only a variational model has a KL divergence."""

    def bar(key: str, title: str) -> Column:
        return Column(key, title, "bar", ".3f", most=max(max(float(row[key]) for row in rows), 1e-12))

    return [
        Column("dimension", "dimension"),
        Column(
            "variance",
            "variance",
            "number",
            ".3f",
            "Variance of the codes of the test images, in squared latent units.",
        ),
        bar("effect", "effect"),
        bar("class_information", "class information"),
        *([Column("kl", "KL (nats)", "number", ".2f")] if has_kl else []),
        Column("active", "active"),
    ]


CORRELATED_COLUMNS = (
    Column("dimension", "dimension"),
    Column("stands_for", "property", "text"),
    Column("correlation", "r", "number", ".2f", "Correlation over the test images."),
    Column("follow", "images that follow", "number", ".0%"),
)


def strongest_dimensions(view: View) -> Iterator[Exhibit]:
    """Traversals of the dimensions that change the picture most."""
    space, carried = view.space, view.evidence.dimensions()
    order = carried.dimensions[np.argsort(-carried.effect, kind="stable")[:N_STRONGEST]]
    low, high = space.statistics.quantile(0.01), space.statistics.quantile(0.99)
    codes = np.tile(space.statistics.mean, (len(order), N_STEPS, 1))
    for row, dimension in enumerate(order):
        codes[row, :, dimension] = np.linspace(low[dimension], high[dimension], N_STEPS)
    text = (
        "Traversals of the dimensions with the largest effect, from the 1st to the 99th percentile; other "
        "dimensions as in the mean code."
    )
    z = codes.reshape(-1, space.latent_dim)
    yield PictureSheet(
        key="diagnose_strongest", pictures=to_uint8(view.decode(space, z)), columns=N_STEPS,
        row_names=[str(dimension) for dimension in order], z=z, names=[f"dim {d}" for d in np.repeat(order, N_STEPS)],
        alt=text, caption=text,
    )  # fmt: skip


def files_of_dimensions(view: View) -> Files:
    carried = view.evidence.dimensions()
    rows = list(dimension_rows(view.evidence))
    table = {key: [row[key] for row in rows] for key in rows[0]}
    table["stands_for"] = [name or "" for name in table["stands_for"]]
    for key in ("correlation", "follow"):
        table[key] = [np.nan if r is None else r for r in table[key]]
    arrays = {
        "effect": carried.effect, "class_information": carried.class_information, "correlation": carried.correlation
    }  # fmt: skip
    python = (
        "carried = evidence.dimensions()\n"
        "effect, class_information = carried.effect, carried.class_information\n"
        "correlation = carried.correlation"
    )
    if view.evidence.is_open("properties"):
        related = view.evidence.property_correlations()
        arrays |= {"property_correlation": related.correlation, "slope": related.slope}
        python += (
            "\nrelated = evidence.property_correlations()\n"
            "property_correlation, slope = related.correlation, related.slope"
        )
    return Files(arrays, python, table)


# Reconstruction: how large errors are, of which classes, and the worst and the best.


def show_reconstruction(view: View) -> Iterator[Exhibit]:
    evidence = view.evidence
    errors = evidence.reconstruction()
    histogram = Figure(
        title="MSE per image",
        chart=charts.errors_chart,
        given=(errors.errors, error_lines(evidence)),
        alt="Histogram of the MSE of all test images",
    )
    by_class = Figure(
        title="MSE by class",
        chart=charts.classes_chart,
        given=(errors.by_class, view.space.classes, "MSE per pixel"),
        choices={"height": 260},
        alt="MSE of each class",
    )
    yield SideBySide(exhibits=(histogram, by_class), widths=(3, 2)) if view.space.has_classes else histogram
    for name, extreme, rows in (("worst", "highest", errors.worst()), ("best", "lowest", errors.best())):
        yield Exhibit(title=f"{len(rows)} {extreme} MSE", rest=" (top: originals, bottom: reconstructions)")
        for place, part in enumerate(np.array_split(rows, 2)):
            text = f"{len(part)} originals of the {extreme} MSE over their reconstructions"
            yield originals_and_reconstructions(view, part, f"diagnose_{name}_{place}", text)
    if evidence.complete("likelihood_bounds"):
        yield from log_likelihood(evidence)
    if predicts(evidence):
        a, b = (view.space.classes[place % len(view.space.classes)] for place in (4, 9))
        text = f"“{a} > {b}”: the predicted class changes from {a} to {b}."
        if len(evidence.predictions().taught):
            text += " Images that the classifier was trained on have no predicted class here."
        yield Exhibit(caption=text)


def log_likelihood(evidence: Evidence) -> Iterator[Exhibit]:
    """The bounds of a VAE's log-likelihood, where they are known."""
    found = evidence.likelihood_bounds()
    if found is None:
        return
    rows = {
        f"importance-weighted, {found.n_samples} samples": found.importance_weighted,
        "ELBO": found.elbo,
        "ELBO of always decoding the mean image": found.mean_image,
    }
    yield Heading(title="Log-likelihood")
    yield Table(
        columns=LIKELIHOOD_COLUMNS,
        rows=[
            {"bound": name, "nats": values.mean(), "interval": "{:.1f} to {:.1f}".format(*mean_interval(values))}
            for name, values in rows.items()
        ],
        alt="Lower bounds of the log-likelihood with their intervals",
        caption=f"Of {len(found.elbo):,} images, with {found.likelihood}, as in training. The "
        "difference of the first two is at most what the Gaussian posterior costs (Burda et al. 2016).",
    )


LIKELIHOOD_COLUMNS = (
    Column("bound", "lower bound", "text"),
    Column("nats", "nats per image", "number", ".1f"),
    Column("interval", "95% interval", "text"),
)


def parts_of_reconstruction(topic: Topic, view: View) -> list[Part]:
    """The errors, and the bounds of the log-likelihood where there are any."""
    return [part for part in view.evidence.parts() if part[0] in (*topic.needs, "likelihood_bounds")]


def predicts(evidence: Evidence) -> bool:
    """Whether the predicted classes of reconstructions say something."""
    return evidence.names_classes and evidence.is_open("reconstruction")


def error_lines(evidence: Evidence) -> dict[str, float]:
    """The test error, and what it is to be compared with."""
    pca, own = evidence.pca_errors(), evidence.space.test_error
    return {"this model": own, f"PCA, {evidence.space.latent_dim} components": pca[-1], "mean image": pca[0]}


def originals_and_reconstructions(view: View, rows: Rows, key: str, text: str) -> PictureSheet:
    """Originals over their reconstructions, and below each pair the classes that the judge reads, where they differ."""
    space, evidence = view.space, view.evidence
    reconstructions = view.decode(space, space.z[rows], space.labels[rows])
    classes: list[str] = []
    if predicts(evidence):
        read, names = evidence.predictions(), space.classes
        taught = np.isin(rows, read.taught)
        classes = [
            "" if known else names[a] if a == b else f"{names[a]} > {names[b]}"
            for a, b, known in zip(read.originals[rows], read.reconstructions[rows], taught)
        ]
    return PictureSheet(
        key=key, pictures=np.concatenate([space.images[rows], to_uint8(reconstructions)]), columns=len(rows), zoom=3,
        column_names=classes, z=space.z[np.tile(rows, 2)], names=image_names(space, rows) * 2, alt=text, stretch=True,
    )  # fmt: skip


def image_names(space: LatentSpace, rows: Rows) -> list[str]:
    """What to call evaluation images; a decoder-only file has random codes in their place."""
    if not space.signature.has_encoder:
        return [f"random code {row}" for row in rows]
    return [space.image_name(int(row)) for row in rows]


def files_of_reconstruction(view: View) -> Files:
    evidence, errors = view.evidence, view.evidence.reconstruction()
    of_class = {"class": view.space.labels} if view.space.has_classes else {}
    table: dict[str, Any] = {"image": np.arange(len(errors.errors)), **of_class, "mse": errors.errors}
    if predicts(evidence):
        read = evidence.predictions()
        table["predicted, original"], table["predicted, reconstruction"] = read.originals, read.reconstructions
        table["trained the classifier"] = np.isin(np.arange(len(errors.errors)), read.taught)
    arrays = {"errors": errors.errors, "by_class": errors.by_class, "worst": errors.worst(), "best": errors.best()}
    python = (
        "found = evidence.reconstruction()\nerrors, by_class = found.errors, found.by_class\n"
        "worst, best = found.worst(), found.best()"
    )
    return Files(arrays, python, table)


# Samplers: which to use.


def show_samplers(view: View) -> Iterator[Exhibit]:
    evidence = view.evidence
    fidelities = evidence.fidelities()
    yield Exhibit(title=advice(evidence, fidelities))
    yield from fidelity_exhibits(evidence, fidelities)
    yield from classes_and_copies(evidence, fidelities)
    yield Heading(title="Samples")
    for name, fidelity in fidelities.items():
        sampled = evidence.sampler(name, SEED)
        z, pictures = sampled.z[:N_SAMPLES_SHOWN], sampled.pictures[:N_SAMPLES_SHOWN]
        yield sampler_pictures(view.space, name, z, pictures, fidelity)
    yield Exhibit(caption=how_samplers_are_measured(evidence))


def advice(evidence: Evidence, fidelities: Mapping[str, Fidelity]) -> str:
    """Which sampler to use."""
    return findings.advice(fidelities, has_prior=evidence.space.signature.kind == "vae").text


def fidelity_exhibits(evidence: Evidence, fidelities: Mapping[str, Fidelity]) -> Iterator[Exhibit]:
    """What is measured of samplers so far, the least Fréchet distance first: bars of it, and a table of everything."""
    order = sorted(fidelities, key=lambda name: fidelities[name].frechet)
    if not order:
        return
    frechet = {name: fidelities[name].frechet for name in order}
    references = [name for name in order if name not in evidence.samplers]
    yield Figure(
        chart=charts.samplers_chart,
        given=(frechet, references),
        alt="Fréchet distance of each sampler, in rising order",
    )
    measures = [key for key in MEASURES if key not in OF_CLASSES_AND_COPIES]
    yield table_of_samplers(fidelities, order, measures, "Distance and overlap of each sampler")


def table_of_samplers(
    fidelities: Mapping[str, Fidelity], order: Sequence[str], measures: Sequence[str], alt: str
) -> Table:
    """Some of `MEASURES` of the samplers, in this order."""
    rows = [
        {"sampler": name, "interval": findings.interval_of(fidelities[name]).strip(" ()")}
        | {key: fidelities[name].value(key) for key in measures}
        for name in order
    ]
    return Table(columns=fidelity_columns(measures), rows=rows, alt=alt)


def fidelity_columns(measures: Sequence[str]) -> list[Column]:
    """The columns of such a table: shares of which more is better may be drawn as bars."""
    columns = [Column("sampler", "sampler")]
    for key in measures:
        measure = MEASURES[key]
        column = Column(key, measure.name, "number", measure.form, measure.means)
        columns.append(replace(column, kind="bar") if column.is_share and measure.better == "more" else column)
        if key == "frechet":
            help = "Of the Fréchet distance: by how much drawing other samples moves it (jackknife, 20 groups)."
            columns.append(Column("interval", "95% interval", "text", help=help))
    return columns


def classes_and_copies(evidence: Evidence, fidelities: Mapping[str, Fidelity]) -> Iterator[Exhibit]:
    """Which classes the judge sees among the pictures of each sampler, where it names any, and what is repeated."""
    named = evidence.names_classes
    yield Heading(title="Predicted classes and copies" if named else "Copies")
    if named:
        yield judged_classes(evidence.space, fidelities)
    measures = [key for key in OF_CLASSES_AND_COPIES if named or key not in OF_PREDICTED_CLASSES]
    yield table_of_samplers(fidelities, list(fidelities), measures, "Classes and copies of each sampler")


def judged_classes(space: LatentSpace, fidelities: Mapping[str, Fidelity]) -> Figure:
    """Which classes the judge sees among the pictures of each sampler."""
    shares = np.stack([each.class_counts / max(int(each.class_counts.sum()), 1) for each in fidelities.values()])
    titles = ("sampler", "predicted class", "share")
    return Figure(
        chart=charts.shares_chart,
        given=(shares, list(fidelities), list(space.classes), titles),
        alt="Share of each predicted class among the samples of each sampler",
    )


def sampler_pictures(
    space: LatentSpace, name: str, z: Codes, pictures: NDArray[np.uint8], fidelity: Fidelity | None = None
) -> PictureSheet:
    """Pictures of the codes that a sampler drew, or of a reference; real images have codes where there is an encoder.

    Its title has the Fréchet distance where a ``fidelity`` is given.
    """
    has_codes = name != REAL or space.signature.has_encoder
    return PictureSheet(
        title=name.capitalize(), rest="" if fidelity is None else f", Fréchet distance {fidelity.frechet:.3g}",
        key=f"samplers_{name.replace(' ', '_')}", pictures=pictures, columns=min(IN_A_ROW, len(pictures)),
        z=z if has_codes else None, names=[f"{name}, {i + 1}" for i in range(len(z))],
        alt=f"{len(pictures)} images: {name}" if has_codes else f"{len(pictures)} test images",
        stretch=has_codes and len(pictures) >= 15,
    )  # fmt: skip


def how_samplers_are_measured(evidence: Evidence) -> str:
    """The protocol of the measures, for people."""
    judge, (known, held_out) = evidence.judge(), evidence.halves()
    apart = f", without the {len(judge.taught):,} that it was trained on" if len(judge.taught) else ""
    return " ".join(
        filter(
            None,
            (
                f"Fitted to the codes of {len(known):,} test images; {len(held_out):,} samples each, compared with "
                f"{len(held_out):,} other test images in the features of {judge.name}{apart}.",
                judge.refusal, "Grey: references.",
            ),
        )
    )  # fmt: skip


def files_of_samplers(view: View) -> Files:
    evidence = view.evidence
    fidelities = evidence.fidelities()
    arrays = {name: evidence.sampler(name, SEED).z for name in evidence.samplers}
    python = "\n".join(f"{name} = evidence.sampler({name!r}, {SEED}).z" for name in arrays)
    return Files(arrays, python, numbers_of_samplers(fidelities))


def numbers_of_samplers(fidelities: Mapping[str, Fidelity]) -> dict[str, list[Any]]:
    """All that is measured of samplers, by column, and the interval of the Fréchet distance."""
    low, high = zip(*(each.interval("frechet") for each in fidelities.values()))
    values = {key: [each.value(key) for each in fidelities.values()] for key in MEASURES}
    return {"sampler": list(fidelities), **values, "frechet low": list(low), "frechet high": list(high)}


# Collapse: whether all classes are drawn, and no picture twice.


def show_collapse(view: View) -> Iterator[Exhibit]:
    real = view.evidence.sampler(REAL, SEED).fidelity
    sampled = view.evidence.sampler(view.sampler, SEED)
    drawn = sampled.fidelity
    named = view.evidence.names_classes
    values = {"Coverage": f"{drawn.coverage:.0%}", "Duplicates": f"{drawn.duplicates:.1%}"}
    if named:
        values |= {"Entropy": f"{drawn.entropy:.2f} bits", "Confidence": f"{drawn.confidence:.0%}"}
    yield Facts(
        values=values,
        means={key.capitalize(): measure.means for key, measure in MEASURES.items()},
    )
    text = f"Real images: coverage {real.coverage:.0%}, duplicates {real.duplicates:.1%}."
    yield Exhibit(caption=text)
    if named:
        among_samples = Figure(
            title=f"Predicted classes of {drawn.class_counts.sum():,} samples",
            rest=f": {view.sampler}",
            chart=charts.classes_chart,
            given=(drawn.class_counts, view.space.classes),
            alt="Predicted classes of the samples",
        )
        among_real = Figure(
            title="The same number of real images",
            chart=charts.classes_chart,
            given=(real.class_counts, view.space.classes),
            alt="Predicted classes of real images",
        )
        yield SideBySide(exhibits=(among_samples, among_real))
    sheet = sampler_pictures(view.space, view.sampler, sampled.z, sampled.pictures)
    yield replace(sheet, title="Samples")


def parts_of_collapse(topic: Topic, view: View) -> list[Part]:
    return [("sampler", REAL, SEED), ("sampler", view.sampler, SEED)]


def files_of_collapse(view: View) -> Files:
    real, sampled = (view.evidence.sampler(name, SEED) for name in (REAL, view.sampler))
    drawn = sampled.fidelity.class_counts
    table: dict[str, Any] = {"class": np.arange(len(drawn)), "samples": drawn, "real": real.fidelity.class_counts}
    if not view.evidence.names_classes:
        table = {key: [getattr(each.fidelity, key) for each in (sampled, real)] for key in ("coverage", "duplicates")}
        table = {"of": [view.sampler, REAL], **table}
    python = (
        f"sampled = evidence.sampler({view.sampler!r}, {SEED})\n"
        "z, drawn = sampled.z, sampled.fidelity\nclass_counts = drawn.class_counts"
    )
    return Files({"z": sampled.z, "class_counts": drawn}, python, table)


# Smoothness: what happens between random pairs of real images.


def show_smoothness(view: View) -> Iterator[Exhibit]:
    paths = {kind: view.evidence.smoothness(kind) for kind in KINDS}
    n_paths, n_steps = len(paths["linear"].path_length), len(paths["linear"].smoothest)
    within = " of one class" if view.space.signature.conditional else ""
    yield Table(
        columns=SMOOTHNESS_COLUMNS,
        rows=smoothness_rows(view),
        alt="Smoothness of each kind of path",
        caption=f"Over {n_paths} random pairs of test images{within}, the same for all, in {n_steps - 1} steps. "
        "Spherical paths turn about the origin in the code's own units, which only a VAE's prior sets.",
    )
    yield Figure(
        title="Perceptual path length",
        rest=", over the least that joins the ends",
        chart=charts.paths_chart,
        given=({kind: each.roughness for kind, each in paths.items()}, n_steps - 1),
        alt="Cumulative share of paths by perceptual path length",
        caption=f"1: features change evenly and straight. {n_steps - 1}: all of the change is one jump. Curves further "
        "left are better.",
    )
    shown = [
        (kind, name, extreme, codes)
        for kind, each in paths.items()
        for name, extreme, codes in (("smoothest", "least", each.smoothest), ("roughest", "greatest", each.roughest))
    ]
    labels = [labels_along(view, codes) for *_, codes in shown]
    together = None if view.space.signature.conditional is False else np.concatenate(labels)
    pictures_of_all = to_uint8(view.decode(view.space, np.concatenate([z for *_, z in shown]), together))
    for (kind, name, extreme, z), pictures in zip(shown, np.split(pictures_of_all, len(shown))):
        yield PictureSheet(
            title=kind.capitalize(), rest=f": {extreme} of {n_paths} paths by relative path length",
            key=f"diagnose_{kind.replace(' ', '_')}_{name}", pictures=pictures, columns=n_steps,
            zoom=3, z=z, names=[f"{kind}, {name}, step {step + 1}" for step in range(n_steps)],
            alt=f"The {name} {kind} path", stretch=True,
        )  # fmt: skip


def labels_along(view: View, codes: Codes) -> Labels:
    """The class of the image that a path starts from, once for each of its codes (n_steps, latent_dim)."""
    space = view.space
    start = int(np.square(space.z - codes[0]).sum(axis=1).argmin())
    return np.full(len(codes), space.labels[start])


SMOOTHNESS_COLUMNS = (
    Column("way", "path", "text"),
    Column(
        "path_length", "perceptual path length", "number", ".1f",
        "Mean squared change of features per squared step; a jump makes it grow with the number of steps.",
    ),
    Column("interval", "95% interval", "text"),
    Column(
        "evenness", "evenness", "bar", ".2f",
        "Mean ÷ largest step between images: 1 where the image changes at an even rate.",
    ),
    Column(
        "off data", "share out of distribution", "bar", ".1%",
        "Points farther from real codes than all real codes are from each other.",
    ),
)  # fmt: skip


def smoothness_rows(view: View) -> list[dict[str, Any]]:
    """The means over all paths of each kind."""
    paths = {kind: view.evidence.smoothness(kind) for kind in KINDS}
    return [
        {
            "way": kind, "path_length": each.path_length.mean(),
            "interval": "{:.1f}–{:.1f}".format(*mean_interval(each.path_length)),
            "evenness": each.evenness.mean(), "off data": each.off_data.mean(),
        }
        for kind, each in paths.items()
    ]  # fmt: skip


def files_of_smoothness(view: View) -> Files:
    names = {kind: kind.replace(" ", "_") for kind in KINDS}
    arrays = {name: view.evidence.smoothness(kind).path_length for kind, name in names.items()}
    python = "\n".join(f"{name} = evidence.smoothness({kind!r}).path_length" for kind, name in names.items())
    rows = smoothness_rows(view)
    return Files(arrays, python, {key: [row[key] for row in rows] for key in rows[0]})


# Digits: which classes lie among each other, and what the codes tell of the class.


def show_overlap(view: View) -> Iterator[Exhibit]:
    space, shares = view.space, view.evidence.neighbours()
    classes = space.classes[: len(shares)]
    others = shares.copy()
    np.fill_diagonal(others, np.nan)  # mostly near 1, it would leave no shade to the others
    yield Figure(
        title="Classes among the 10 nearest neighbours",
        chart=charts.shares_chart,
        given=(others, classes, classes, ("class", "class of the neighbour", "share of neighbours")),
        alt="Share of each other class among the neighbours of each class",
    )
    a, b = (int(each) for each in np.unravel_index(np.nan_to_num(others).argmax(), shares.shape))
    of_a, of_b = (rows[:N_PAIRS_SHOWN] for rows in view.evidence.mixed_neighbours(a, b))
    if len(of_a):
        both = np.concatenate([of_a, of_b])
        yield PictureSheet(
            title=f"Class {classes[a]} (top), nearest neighbour of class {classes[b]} (bottom)", key="diagnose_pairs",
            pictures=space.images[of_a], partners=space.images[of_b], columns=12, zoom=3, z=space.z[both],
            names=image_names(space, both), stretch=len(of_a) >= 12,
            alt=f"{len(of_a)} images of class {classes[a]}, each over its nearest neighbour of class {classes[b]}",
        )  # fmt: skip
    also_pixels = view.evidence.has("knowledge", PIXELS)
    yield replace(
        class_signal(view.evidence, FEATURES if also_pixels else (CODES, PCA)),
        title="Class information in the codes",
    )


def class_signal(evidence: Evidence, features: Sequence[str] = FEATURES) -> Table:
    """How well classes can be told from the codes and from the baselines, of those that are named."""
    space = evidence.space
    seen = compared_shape(space.signature.image_shape)
    n_components = min(space.latent_dim, math.prod(seen))
    names = {CODES: f"codes of {space.name}", PCA: f"PCA, {n_components} components", PIXELS: PIXELS}
    is_reduced = seen != space.signature.image_shape
    reduced = f" Pixels and PCA are of images reduced to {seen[1]} × {seen[2]}." if is_reduced else ""
    return Table(
        columns=KNOWLEDGE_COLUMNS,
        rows=[knowledge_row(names[each], evidence.knowledge(each)) for each in features],
        alt="Class information in the codes and the baselines",
        caption="5-fold cross-validation on the images in use; intervals of 95% over images. k-means: the tightest "
        f"clusters of {N_SEEDS} seeds, and the range over seeds. Neighbours and clusters of codes are found with each "
        f"dimension as long as its effect on the image, the probe on standardised codes.{reduced}",
    )


def knowledge_row(name: str, found: Knowledge) -> dict[str, Any]:
    """A row of the table of class information."""
    return {
        "features": name, **asdict(found), "probe_interval": percents(found.probe_interval),
        "neighbours_interval": percents(found.neighbours_interval),
        "clusters_range": percents((found.clusters_low, found.clusters_high)),
    }  # fmt: skip


def percents(interval: Interval) -> str:
    """An interval of a share.

    >>> percents((0.931, 0.942))
    '93.1–94.2'
    """
    return f"{interval[0] * 100:.1f}–{interval[1] * 100:.1f}"


KNOWLEDGE_COLUMNS = (
    Column("features", "features", "text"),
    Column("probe", "linear probe", "bar", ".1%", "Logistic regression."),
    Column("probe_interval", "95%", "text"),
    Column("neighbours", "5-NN", "bar", ".1%", "5-nearest-neighbour classifier."),
    Column("neighbours_interval", "95%", "text"),
    Column("clusters", "k-means accuracy", "bar", ".1%", "One cluster per class, found without labels."),
    Column("clusters_range", "over seeds", "text"),
    Column("nmi", "k-means NMI", "bar", ".3f"),
)


def parts_of_overlap(topic: Topic, view: View) -> list[Part]:
    return [("neighbours",), *(("knowledge", each) for each in FEATURES)]


def files_of_overlap(view: View) -> Files:
    shares = view.evidence.neighbours()
    classes = view.space.classes[: len(shares)]
    table = {name: shares[:, column] for column, name in enumerate(classes)} | {"class": classes}
    return Files({"shares": shares}, "shares = evidence.neighbours()", table)


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "dimensions", "Dimensions", ("dimensions", "property_correlations", "disentanglement"), show_dimensions,
            files_of_dimensions, subject="activity", appendix=strongest_dimensions,
        ),
        Topic(
            "reconstruction", "Reconstruction", ("reconstruction", "pca_errors"), show_reconstruction,
            files_of_reconstruction, subject="reconstruction", always=True, measures=parts_of_reconstruction,
        ),
        Topic(
            "samplers", "Samplers", ("sampler",), show_samplers, files_of_samplers, "Sampler lab", subject="samplers"
        ),
        Topic(
            "collapse", "Class coverage", ("sampler",), show_collapse, files_of_collapse,
            takes_sampler=True, subject="coverage", measures=parts_of_collapse,
        ),
        Topic("smoothness", "Smoothness", ("smoothness",), show_smoothness, files_of_smoothness, subject="paths"),
        Topic(
            "overlap", "Class overlap", ("neighbours", "knowledge"), show_overlap,
            files_of_overlap, subject="overlap", measures=parts_of_overlap,
        ),
    )
}  # fmt: skip
