"""Topics: what a diagnosis of a model is about, and what is shown of each, for the page and the report alike.

To add one, write the function that yields its exhibits and its record in `TOPICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latent import charts
from latent.arrays import Codes, Labels, Pictures, Rows
from latent.images import to_uint8
from latent.measure import findings
from latent.measure.evidence import CODES, FEATURES, PCA, PIXELS, REAL, SEED, Evidence, Part
from latent.measure.exhibits import Column, Exhibit, Facts, Figure, Heading, PictureSheet, SideBySide, Table
from latent.measure.fidelity import MEASURES, Fidelity
from latent.measure.smoothness import KINDS
from latent.space import LatentSpace

N_SAMPLES_SHOWN = 20  # pictures of each sampler
N_PAIRS_SHOWN = 24
N_STRONGEST = 12  # dimensions whose traversals are shown
N_STEPS = 11  # of a traversal
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
    measures: Callable[[Topic, View], list[Part]] = parts_of_needs
    appendix: Callable[[View], Iterator[Exhibit]] = field(default=lambda view: iter(()))

    def exhibits(
        self, evidence: Evidence, *, sampler: str = "", decode: DecodeIn = LatentSpace.decode
    ) -> Iterator[Exhibit]:
        """What is shown of this topic, in order; what it rests on is measured where it is not yet.

        ``sampler``, one of `Evidence.samplers`, is by default the usual one. Raises `ArgumentError` where the judge is
        needed and cannot be asked.
        """
        return self.show(View(evidence, sampler or findings.usual_sampler(evidence), decode))

    def parts(self, evidence: Evidence, *, sampler: str = "") -> list[Part]:
        """The parts of the evidence that the exhibits ask for: measured one by one, they show progress."""
        return self.measures(self, View(evidence, sampler or findings.usual_sampler(evidence)))

    def besides(self, evidence: Evidence) -> Iterator[Exhibit]:
        """What a report shows of this topic besides, for which the page has another section."""
        return self.appendix(View(evidence, findings.usual_sampler(evidence)))

    def files(self, evidence: Evidence, *, sampler: str = "") -> Files:
        """The numbers behind the exhibits, to take away."""
        return self.take_away(View(evidence, sampler or findings.usual_sampler(evidence)))

    def is_complete(self, evidence: Evidence) -> bool:
        """Whether all that it needs was measured already."""
        return all(map(evidence.complete, self.needs))


# Dimensions: what each carries, and what it represents.


def show_dimensions(view: View) -> Iterator[Exhibit]:
    evidence, latent_dim = view.evidence, view.space.latent_dim
    carried, related = evidence.dimensions(), evidence.property_correlations()
    rows = list(dimension_rows(evidence))
    values = {
        "Dimensions that change the picture": f"{int(carried.active.sum())} of {len(rows)}",
        "Effective rank": f"{carried.effective_rank:.1f}",
    }
    if carried.kl is not None:
        values["KL in all"] = f"{carried.kl.sum():.1f} nats"
    means = {"Effective rank": "How many directions the codes really take (Roy & Vetterli 2007)."}
    yield Facts(values=values, means=means)
    if len(rows) < latent_dim:
        yield Exhibit(caption=f"The {len(rows)} most spread of the {latent_dim} dimensions.")
    yield Heading(title="What each carries")
    yield Table(
        columns=dimension_columns(rows, carried.kl is not None),
        rows=rows,
        alt="What each dimension carries",
        caption="Effect: RMS difference a pixel of the pictures one standard deviation up and down, from 64 real "
        "digits. Digit information: mutual information with the label, of 3.32 bits. A dimension stands for a property "
        "where both agree: the real digits (r of 0.5 or more) and the decoded pictures of a sweep.",
    )
    names = [str(dimension) for dimension in carried.dimensions]
    among_real = Figure(
        title="Among real digits",
        rest=": how dimensions go together with measured properties",
        chart=charts.matrix_chart,
        given=(related.correlation, names, related.names, ("dimension", "property", "correlation")),
        alt="Correlation of each dimension with each property",
    )
    in_traversal = Figure(
        title="In a sweep",
        rest=": standard deviations a property moves for one of the dimension",
        chart=charts.matrix_chart,
        given=(np.clip(related.slope, -1, 1), names, related.names, ("dimension", "property", "slope")),
        alt="How far each dimension alone moves each property",
    )
    yield SideBySide(exhibits=(among_real, in_traversal))
    yield Figure(
        title="How dimensions go together",
        rest=" among real digits",
        chart=charts.matrix_chart,
        given=(carried.correlation, names, names, ("dimension", "with dimension", "correlation")),
        alt="Correlation of each dimension with each",
    )


def dimension_rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """What is known of each diagnosed dimension, a row each; see `report.numbers`."""
    carried = evidence.dimensions()
    represented = {each.dimension: each for each in evidence.property_correlations().represented()}
    for place, dimension in enumerate(carried.dimensions.tolist()):
        represents = represented.get(dimension)
        yield {
            "dimension": dimension,
            "variance": carried.variance[place],
            "effect": carried.effect[place],
            "digit_information": carried.digit_information[place],
            "kl": None if carried.kl is None else carried.kl[place],
            "active": bool(carried.active[place]),
            "stands_for": represents and represents.name,
            "correlation": represents and represents.correlation,
        }


def dimension_columns(rows: Sequence[Mapping[str, Any]], has_kl: bool) -> list[Column]:
    """The columns of the table of dimensions; only a variational model has a KL divergence."""

    def bar(key: str, title: str) -> Column:
        return Column(key, title, "bar", ".3f", most=max(max(float(row[key]) for row in rows), 1e-12))

    return [
        Column("dimension", "dimension"),
        Column("variance", "variance", "number", ".3f", "Of the real codes, squared latent units."),
        bar("effect", "effect on the picture"),
        bar("digit_information", "digit information, bits"),
        *([Column("kl", "KL, nats", "number", ".2f")] if has_kl else []),
        Column("active", "active"),
        Column("stands_for", "stands for", "text"),
        Column("correlation", "r", "number", ".2f"),
    ]


def strongest_dimensions(view: View) -> Iterator[Exhibit]:
    """Traversals of the dimensions that change the picture most."""
    space, carried = view.space, view.evidence.dimensions()
    order = carried.dimensions[np.argsort(-carried.effect, kind="stable")[:N_STRONGEST]]
    low, high = space.statistics.quantile(0.01), space.statistics.quantile(0.99)
    codes = np.tile(space.statistics.mean, (len(order), N_STEPS, 1))
    for row, dimension in enumerate(order):
        codes[row, :, dimension] = np.linspace(low[dimension], high[dimension], N_STEPS)
    text = "The strongest dimensions, from the 1st to the 99th percentile, from the mean of all codes."
    z = codes.reshape(-1, space.latent_dim)
    yield PictureSheet(
        key="diagnose_strongest", pictures=to_uint8(view.decode(space, z)), columns=N_STEPS,
        row_names=[str(dimension) for dimension in order], z=z, names=[f"dim {d}" for d in np.repeat(order, N_STEPS)],
        alt=text, caption=text,
    )  # fmt: skip


def files_of_dimensions(view: View) -> Files:
    carried, related = view.evidence.dimensions(), view.evidence.property_correlations()
    rows = list(dimension_rows(view.evidence))
    table = {key: [row[key] for row in rows] for key in rows[0]}
    table["stands_for"] = [name or "" for name in table["stands_for"]]
    table["correlation"] = [np.nan if r is None else r for r in table["correlation"]]
    arrays = {
        "effect": carried.effect, "digit_information": carried.digit_information, "correlation": carried.correlation,
        "property_correlation": related.correlation, "slope": related.slope,
    }  # fmt: skip
    python = (
        "carried, related = evidence.dimensions(), evidence.property_correlations()\n"
        "effect, digit_information = carried.effect, carried.digit_information\n"
        "correlation, property_correlation, slope = carried.correlation, related.correlation, related.slope"
    )
    return Files(arrays, python, table)


# Reconstruction: how large errors are, of which classes, and the worst and the best.


def show_reconstruction(view: View) -> Iterator[Exhibit]:
    evidence = view.evidence
    errors = evidence.reconstruction()
    histogram = Figure(
        title="How large the error is",
        chart=charts.errors_chart,
        given=(errors.errors, error_lines(evidence)),
        alt="Histogram of the errors of all test digits",
    )
    by_class = Figure(
        title="Of which digits",
        chart=charts.digits_chart,
        given=(errors.by_digit, "mean squared error a pixel"),
        choices={"height": 260},
        alt="Mean error of each digit",
    )
    yield SideBySide(exhibits=(histogram, by_class), widths=(3, 2))
    for name, rows in (("worst", errors.worst()), ("best", errors.best())):
        yield Exhibit(title=f"The {len(rows)} {name}", rest=", above the digits, below what is left of them")
        for place, part in enumerate(np.array_split(rows, 2)):
            text = f"The {name} reconstructions, {len(part)} of them"
            yield originals_and_reconstructions(view, part, f"diagnose_{name}_{place}", text)
    if not evidence.refusal:
        text = "Below each pair what the judge reads: in the digit > in what is left of it, where the two differ."
        yield Exhibit(caption=text)


def error_lines(evidence: Evidence) -> dict[str, float]:
    """The test error, and what it is to be compared with."""
    pca, own = evidence.pca_errors(), evidence.space.test_error
    return {"this model": own, f"PCA, {evidence.space.latent_dim} dimensions": pca[-1], "the mean picture": pca[0]}


def originals_and_reconstructions(view: View, rows: Rows, key: str, text: str) -> PictureSheet:
    """Originals over their reconstructions, and below each pair the classes that the judge reads, where they differ."""
    space, evidence = view.space, view.evidence
    reconstructions = view.decode(space, space.z[rows], space.labels[rows])
    classes: list[str] = []
    if not evidence.refusal:
        before, after = evidence.originals().digits[rows], evidence.reconstructions().digits[rows]
        classes = [f"{a}" if a == b else f"{a} > {b}" for a, b in zip(before, after)]
    return PictureSheet(
        key=key, pictures=np.concatenate([space.images[rows], to_uint8(reconstructions)]), columns=len(rows), zoom=3,
        column_names=classes, z=space.z[np.tile(rows, 2)], names=image_names(space, rows) * 2, alt=text, stretch=True,
    )  # fmt: skip


def image_names(space: LatentSpace, rows: Rows) -> list[str]:
    """What to call evaluation images; a decoder-only file has random codes in their place."""
    if not space.signature.has_encoder:
        return [f"random code {row}" for row in rows]
    return [f"{space.labels[row]}, image {row}" for row in rows]


def files_of_reconstruction(view: View) -> Files:
    evidence, errors = view.evidence, view.evidence.reconstruction()
    table = {"image": np.arange(len(errors.errors)), "digit": view.space.labels, "error": errors.errors}
    if not evidence.refusal:
        table["judged before"] = evidence.originals().digits
        table["judged after"] = evidence.reconstructions().digits
    arrays = {"errors": errors.errors, "by_digit": errors.by_digit, "worst": errors.worst(), "best": errors.best()}
    python = (
        "found = evidence.reconstruction()\nerrors, by_digit = found.errors, found.by_digit\n"
        "worst, best = found.worst(), found.best()"
    )
    return Files(arrays, python, table)


# Samplers: which to use.


def show_samplers(view: View) -> Iterator[Exhibit]:
    evidence = view.evidence
    fidelities = evidence.fidelities()
    yield Exhibit(title=findings.advice(fidelities).text)
    yield from fidelity_exhibits(evidence, fidelities)
    yield Heading(title="Which digits the judge sees")
    yield judged_classes(fidelities)
    yield Heading(title="What each draws")
    for name, fidelity in fidelities.items():
        sampled = evidence.sampler(name, SEED)
        z, pictures = sampled.z[:N_SAMPLES_SHOWN], sampled.pictures[:N_SAMPLES_SHOWN]
        yield sampler_pictures(view.space, name, z, pictures, fidelity)
    yield Exhibit(caption=how_samplers_are_measured(evidence))


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
        alt="Fréchet distance of each sampler, the least first",
    )
    rows = [{"sampler": name} | {key: fidelities[name].value(key) for key in MEASURES} for name in order]
    yield Table(columns=fidelity_columns(), rows=rows, alt="Measures of each sampler")


def fidelity_columns() -> list[Column]:
    """The columns of the table of samplers: shares of which more is better may be drawn as bars."""
    columns = [Column("sampler", "sampler")]
    for key, measure in MEASURES.items():
        column = Column(key, measure.name, "number", measure.form, measure.means)
        columns.append(replace(column, kind="bar") if column.is_share and measure.better == "more" else column)
    return columns


def judged_classes(fidelities: Mapping[str, Fidelity]) -> Figure:
    """Which classes the judge sees among the pictures of each sampler."""
    shares = np.stack([each.digits / max(int(each.digits.sum()), 1) for each in fidelities.values()])
    titles = ("sampler", "digit that the judge saw", "share")
    return Figure(
        chart=charts.shares_chart,
        given=(shares, list(fidelities), [str(digit) for digit in range(shares.shape[1])], titles),
        alt="Share of each digit among the pictures of each sampler",
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
        alt=f"{len(pictures)} pictures: {name}" if has_codes else f"{len(pictures)} real digits",
        stretch=has_codes and len(pictures) >= 15,
    )  # fmt: skip


def how_samplers_are_measured(evidence: Evidence) -> str:
    """The protocol of the measures, for people."""
    return (
        f"Each sampler is fitted to the codes of half of the test digits and draws {len(evidence.space.z) // 2:,} "
        "pictures, measured against the other half in the features of the judge, a small classifier "
        f"({evidence.judge.scores['accuracy']:.1%} of the test digits right). The reference rows say what is possible."
    )


def files_of_samplers(view: View) -> Files:
    evidence = view.evidence
    fidelities = evidence.fidelities()
    table = {"sampler": list(fidelities)} | {key: [f.value(key) for f in fidelities.values()] for key in MEASURES}
    arrays = {name: evidence.sampler(name, SEED).z for name in evidence.samplers}
    python = "\n".join(f"{name} = evidence.sampler({name!r}, {SEED}).z" for name in arrays)
    return Files(arrays, python, table)


# Collapse: whether all classes are drawn, and no picture twice.


def show_collapse(view: View) -> Iterator[Exhibit]:
    real = view.evidence.sampler(REAL, SEED).fidelity
    sampled = view.evidence.sampler(view.sampler, SEED)
    drawn = sampled.fidelity
    yield Facts(
        values={
            "Coverage": f"{drawn.coverage:.0%}",
            "Duplicates": f"{drawn.duplicates:.1%}",
            "Entropy": f"{drawn.entropy:.2f} bits",
            "Confidence": f"{drawn.confidence:.0%}",
        },
        means={key.capitalize(): measure.means for key, measure in MEASURES.items()},
    )
    text = f"Real digits, for comparison: coverage {real.coverage:.0%}, duplicates {real.duplicates:.1%}."
    yield Exhibit(caption=text)
    among_samples = Figure(
        title=f"What the judge sees in {drawn.digits.sum():,} samples",
        rest=f": {view.sampler}",
        chart=charts.digits_chart,
        given=(drawn.digits, "pictures"),
        alt="Digits among the samples",
    )
    among_real = Figure(
        title="In as many real digits",
        chart=charts.digits_chart,
        given=(real.digits, "pictures"),
        alt="Digits among real images",
    )
    yield SideBySide(exhibits=(among_samples, among_real))
    sheet = sampler_pictures(view.space, view.sampler, sampled.z, sampled.pictures)
    yield replace(sheet, title="Some of the samples")


def parts_of_collapse(topic: Topic, view: View) -> list[Part]:
    return [("sampler", REAL, SEED), ("sampler", view.sampler, SEED)]


def files_of_collapse(view: View) -> Files:
    real, sampled = (view.evidence.sampler(name, SEED) for name in (REAL, view.sampler))
    drawn = sampled.fidelity.digits
    table = {"digit": np.arange(len(drawn)), "samples": drawn, "real": real.fidelity.digits}
    python = (
        f"sampled = evidence.sampler({view.sampler!r}, {SEED})\n"
        "z, drawn = sampled.z, sampled.fidelity\ndigits = drawn.digits"
    )
    return Files({"z": sampled.z, "digits": drawn}, python, table)


# Smoothness: what happens between random pairs of real images.


def show_smoothness(view: View) -> Iterator[Exhibit]:
    paths = {kind: view.evidence.smoothness(kind) for kind in KINDS}
    yield Table(columns=SMOOTHNESS_COLUMNS, rows=smoothness_rows(view), alt="Smoothness along each kind of way")
    n_paths, n_steps, _ = paths["linear"].codes.shape
    yield Figure(
        title="How sure the judge stays on the way",
        chart=charts.ways_chart,
        given=({kind: each.confidence for kind, each in paths.items()},),
        alt="Share of ways below each lowest confidence",
        caption=f"Over {n_paths} random pairs of real digits, {n_steps} steps each. The farther right a line, the "
        "surer the way.",
    )
    shown = [
        (kind, name, row)
        for kind, each in paths.items()
        for name, row in (("surest", each.best), ("least sure", each.worst))
    ]
    codes = [paths[kind].codes[row] for kind, _, row in shown]
    decoded = np.split(to_uint8(view.decode(view.space, np.concatenate(codes))), len(shown))
    for (kind, name, row), z, pictures in zip(shown, codes, decoded):
        confidence = paths[kind].confidence[row]
        yield PictureSheet(
            title=kind.capitalize(), rest=f": the {name} of {n_paths} ways, lowest confidence {confidence:.2f}",
            key=f"diagnose_{kind.replace(' ', '_')}_{name.replace(' ', '_')}", pictures=pictures, columns=n_steps,
            zoom=3, z=z, names=[f"{kind}, {name}, step {step + 1}" for step in range(n_steps)],
            alt=f"The {name} way: {kind}", stretch=True,
        )  # fmt: skip


SMOOTHNESS_COLUMNS = (
    Column("way", "way"),
    Column(
        "evenness", "evenness of steps", "bar", ".2f",
        "Mean step in picture space over the largest: 1 where the picture changes at an even pace.",
    ),
    Column("confidence", "lowest confidence", "bar", ".2f", "Of the judge on the way, on average."),
    Column(
        "off data", "share off the data", "bar", ".1%",
        "Points farther from the nearest real code than 99 % of real codes are from theirs.",
    ),
)  # fmt: skip


def smoothness_rows(view: View) -> list[dict[str, Any]]:
    """The means over all paths of each kind."""
    paths = {kind: view.evidence.smoothness(kind) for kind in KINDS}
    return [
        {
            "way": kind, "evenness": each.evenness.mean(), "confidence": each.confidence.mean(),
            "off data": each.off_data.mean(),
        }
        for kind, each in paths.items()
    ]  # fmt: skip


def files_of_smoothness(view: View) -> Files:
    names = {kind: kind.replace(" ", "_") for kind in KINDS}
    arrays = {name: view.evidence.smoothness(kind).confidence for kind, name in names.items()}
    python = "\n".join(f"{name} = evidence.smoothness({kind!r}).confidence" for kind, name in names.items())
    rows = smoothness_rows(view)
    return Files(arrays, python, {key: [row[key] for row in rows] for key in rows[0]})


# Digits: which classes lie among each other, and what the codes tell of the class.


def show_digits(view: View) -> Iterator[Exhibit]:
    space, shares = view.space, view.evidence.neighbours()
    classes = [str(digit) for digit in range(len(shares))]
    others = shares.copy()
    np.fill_diagonal(others, np.nan)  # mostly near 1, it would leave no shade to the others
    yield Figure(
        title="Which other digits are among the ten nearest neighbours",
        chart=charts.shares_chart,
        given=(others, classes, classes, ("digit", "digit of the neighbour", "of its neighbours")),
        alt="Share of each other digit among the neighbours of each digit",
    )
    a, b = (int(digit) for digit in np.unravel_index(np.nan_to_num(others).argmax(), shares.shape))
    of_a, of_b = (rows[:N_PAIRS_SHOWN] for rows in view.evidence.mixed_neighbours(a, b))
    if len(of_a):
        both = np.concatenate([of_a, of_b])
        yield PictureSheet(
            title=f"{a}s whose nearest neighbour is a {b}", rest=", each over that neighbour", key="diagnose_pairs",
            pictures=space.images[of_a], partners=space.images[of_b], columns=12, zoom=3, z=space.z[both],
            names=image_names(space, both), stretch=len(of_a) >= 12,
            alt=f"{len(of_a)} {a}s, each over the {b} that is its nearest neighbour",
        )  # fmt: skip
    also_pixels = view.evidence.has("knowledge", PIXELS)
    yield replace(
        class_signal(view.evidence, FEATURES if also_pixels else (CODES, PCA)),
        title="What the codes know about the digits",
    )


def class_signal(evidence: Evidence, features: Sequence[str] = FEATURES) -> Table:
    """How well classes can be told from the codes and from the baselines, of those that are named."""
    space = evidence.space
    names = {
        CODES: f"codes of {space.name}", PCA: f"PCA, {min(space.latent_dim, 784)} dimensions", PIXELS: PIXELS
    }  # fmt: skip
    return Table(
        columns=KNOWLEDGE_COLUMNS,
        rows=[{"features": names[each], **asdict(evidence.knowledge(each))} for each in features],
        alt="What features know about digits",
        caption="On the 10,000 test digits, 5-fold cross-validated: probe and vote learn from 8,000 at a time and are "
        "asked about the other 2,000. A space that knows more than PCA of the same dimension has learned something.",
    )


KNOWLEDGE_COLUMNS = (
    Column("features", "features", "text"),
    Column("probe", "linear probe", "bar", ".1%", "Logistic regression."),
    Column("neighbours", "5 nearest", "bar", ".1%", "A vote of 5 neighbours."),
    Column("clusters", "k-means accuracy", "bar", ".1%", "Ten clusters."),
    Column("nmi", "k-means NMI", "bar", ".3f"),
)


def parts_of_digits(topic: Topic, view: View) -> list[Part]:
    return [("neighbours",), *(("knowledge", each) for each in FEATURES)]


def files_of_digits(view: View) -> Files:
    shares = view.evidence.neighbours()
    classes = [str(digit) for digit in range(len(shares))]
    table = {name: shares[:, column] for column, name in enumerate(classes)} | {"digit": classes}
    return Files({"shares": shares}, "shares = evidence.neighbours()", table)


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "dimensions", "Dimensions", ("dimensions", "property_correlations"), show_dimensions, files_of_dimensions,
            appendix=strongest_dimensions,
        ),
        Topic(
            "reconstruction", "Reconstruction", ("reconstruction", "pca_errors"), show_reconstruction,
            files_of_reconstruction,
        ),
        Topic("samplers", "Samplers", ("sampler",), show_samplers, files_of_samplers, "Sampler lab"),
        Topic(
            "collapse", "Which digits are drawn", ("sampler",), show_collapse, files_of_collapse, takes_sampler=True,
            measures=parts_of_collapse,
        ),
        Topic("smoothness", "Ways between digits", ("smoothness",), show_smoothness, files_of_smoothness),
        Topic(
            "digits", "What the codes know about the digits", ("neighbours", "knowledge"), show_digits,
            files_of_digits, measures=parts_of_digits,
        ),
    )
}  # fmt: skip
