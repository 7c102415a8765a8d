"""The report of a checkpoint: ``python -m latent.report CHECKPOINT --out report.html`` or ``--json``.

One HTML file with its findings, pictures and charts in it, which opens without a network; or the numbers alone.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import charts, images
from latent.document import document, figure, paragraph, picture, section, table
from latent.errors import LatentError
from latent.files import label, write_atomically
from latent.images import Sheet
from latent.measure import findings
from latent.measure.evidence import CODES, PCA, SEED, Evidence
from latent.measure.fidelity import MEASURES, Fidelity
from latent.measure.smoothness import KINDS
from latent.plain import plain
from latent.space import LatentSpace

FOOTER = (
    "Measured by Latent Space Explorer on the 10,000 MNIST test digits. Errors are mean squared errors a pixel, pixels "
    "in [0, 1]; Fréchet distances are in the features of a small digit classifier and are not to be compared with an "
    "Inception FID."
)
NAMES = {
    "reconstruction": "the reconstruction error",
    "pca_errors": "PCA as a yardstick",
    "dimensions": "what each dimension carries",
    "property_correlations": "what each dimension stands for",
    "neighbours": "which digits lie among each other",
    "knowledge": "what can be told from the",
    "sampler": "samples:",
    "reconstructions": "what the judge makes of reconstructions",
    "smoothness": "ways between digits:",
}


def gather(evidence: Evidence) -> Iterator[tuple[float, str]]:
    """Measures all that is not measured yet; before each part, the share that is done and what comes next."""
    parts = evidence.parts()
    for place, part in enumerate(parts):
        if not evidence.has(*part):
            yield place / len(parts), " ".join([NAMES[part[0]], *(str(each) for each in part[1:2])])
            evidence.measure(*part)


def numbers(evidence: Evidence) -> dict[str, Any]:
    """All that is measured as plain values, ready for JSON; a part that cannot be measured here is None.

    ``reconstruction`` {mse, pca_mse, mean_picture_mse, by_digit}, mean squared errors a pixel, pixels in [0, 1];
    ``samplers`` name -> {frechet, precision, recall, density, coverage, digits, entropy (bits), confidence, duplicates,
    novelty}, the references among them (`fidelity.Fidelity`); ``dimensions`` a list of {dimension, variance (squared
    latent units), effect (RMS a pixel), digit_information (bits), kl (nats, or None), active, stands_for (property, or
    None), correlation}; ``effective_rank``; ``smoothness`` kind -> {evenness, confidence, off_data}, means over the
    ways; ``probe`` {codes, pca} and ``clusters`` {accuracy, nmi}, from 0 to 1; ``neighbours`` (10, 10) shares;
    ``findings`` a list of {text, value, topic, dimension}.
    """
    space, complete = evidence.space, evidence.complete
    found: dict[str, Any] = {
        "checkpoint": space.name, "sha256": space.checkpoint.sha256, "kind": space.signature.kind,
        "latent_dim": space.latent_dim,
    }  # fmt: skip
    found |= dict.fromkeys(("reconstruction", "samplers", "dimensions", "effective_rank", "smoothness"))
    found |= dict.fromkeys(("probe", "clusters", "neighbours"))
    if complete("reconstruction") and complete("pca_errors"):
        errors, pca = evidence.reconstruction(), evidence.pca_errors()
        found["reconstruction"] = {
            "mse": space.test_error, "pca_mse": pca[-1], "mean_picture_mse": pca[0], "by_digit": errors.by_digit
        }  # fmt: skip
    if complete("sampler"):
        found["samplers"] = {name: each.to_dict() for name, each in evidence.fidelities().items()}
    if complete("dimensions") and complete("property_correlations"):
        found["dimensions"] = list(dimension_rows(evidence))
        found["effective_rank"] = evidence.dimensions().effective_rank
    if complete("smoothness"):
        paths = {kind: evidence.smoothness(kind) for kind in KINDS}
        found["smoothness"] = {
            kind: {name: getattr(each, name).mean() for name in ("evenness", "confidence", "off_data")}
            for kind, each in paths.items()
        }
    if complete("knowledge"):
        codes, pca_knowledge = evidence.knowledge(CODES), evidence.knowledge(PCA)
        found["probe"] = {"codes": codes.probe, "pca": pca_knowledge.probe}
        found["clusters"] = {"accuracy": codes.clusters, "nmi": codes.nmi}
    if complete("neighbours"):
        found["neighbours"] = evidence.neighbours()
    found["findings"] = [asdict(each) for each in findings.findings(evidence)]
    plainly: dict[str, Any] = plain(found)
    return plainly


def dimension_rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """What is known of each diagnosed dimension, a row each; see `numbers`."""
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


# ---------------------------------------------------------------------------------------------------------------------
# The same as a page: a part a topic, each with what it shows.


def page(evidence: Evidence) -> str:
    """The report as one HTML file, of what is measured already (`gather`)."""
    space, complete = evidence.space, evidence.complete
    parts: list[str] = []
    for topic, (title, needed, body) in PARTS.items():
        if all(complete(part) for part in needed):
            parts.append(section(topic, title, *body(evidence)))
    found = "".join(
        f'<li>{html.escape(each.text)} <a href="#{each.topic}">show</a></li>' for each in findings.findings(evidence)
    )
    saved = space.checkpoint
    facts = [
        f"{'VAE' if space.signature.kind == 'vae' else 'autoencoder' if space.signature.has_encoder else 'decoder'}",
        f"{space.latent_dim} latent dimensions", f"{sum(p.numel() for p in space.model.parameters()):,} parameters",
        f"sha256 {saved.sha256[:16]}…",
    ]  # fmt: skip
    return document(
        f"{space.name}: latent space report",
        f"<h1>{html.escape(space.name)}</h1>",
        paragraph(", ".join(facts), "facts"),
        paragraph(evidence.refusal) if evidence.refusal else "",
        section("findings", "Findings", f"<ol>{found}</ol>"),
        *parts,
        f"<footer>{html.escape(FOOTER)}</footer>",
    )


def reconstruction_part(evidence: Evidence) -> Iterator[str]:
    errors = evidence.reconstruction()
    yield figure(
        charts.errors_chart(errors.errors, error_lines(evidence)), "How large the error of the 10,000 test digits is."
    )
    yield figure(charts.digits_chart(errors.by_digit, "mean squared error a pixel"), "The error of each digit.")
    for title, rows in (("The worst", errors.worst(16)), ("The best", errors.best(16))):
        yield picture(
            before_and_after(evidence, rows),
            f"{title} 16: above the digits, below what is left of them"
            + (", and what the judge reads before and after." if evidence.complete("reconstructions") else "."),
        )


def error_lines(evidence: Evidence) -> dict[str, float]:
    """The test error, and what it is to be compared with."""
    pca, own = evidence.pca_errors(), evidence.space.test_error
    return {"this model": own, f"PCA, {evidence.space.latent_dim} dimensions": pca[-1], "the mean picture": pca[0]}


def before_and_after(evidence: Evidence, rows: NDArray[np.intp], zoom: int = 2) -> Sheet:
    """Real digits over their reconstructions, and below what the judge reads where that changes."""
    space = evidence.space
    pictures = np.concatenate(
        [images.to_uint8(space.images[rows]), images.to_uint8(space.decode(space.z[rows], space.labels[rows]))]
    )
    names: list[str] = []
    if not evidence.refusal:
        before, after = evidence.originals().digits[rows], evidence.reconstructions().digits[rows]
        names = [f"{a}" if a == b else f"{a} > {b}" for a, b in zip(before, after)]
    return images.sheet(pictures, len(rows), zoom, column_names=names)


def dimensions_part(evidence: Evidence) -> Iterator[str]:
    space, carried, related = evidence.space, evidence.dimensions(), evidence.property_correlations()
    columns = ("dimension", "variance", "effect", "digit_information", "kl", "stands_for")
    rows = [[row[name] for name in columns] for row in dimension_rows(evidence)]
    yield table(("dimension", "variance", "effect", "digit information, bits", "KL, nats", "stands for"), rows)
    yield f"<p>Effective rank of the codes: {carried.effective_rank:.1f} of {space.latent_dim}.</p>"
    names = [str(dimension) for dimension in carried.dimensions]
    yield figure(
        charts.matrix_chart(carried.correlation, names, names, ("dimension", "with dimension", "correlation")),
        "How dimensions go together among real digits.",
    )
    for values, text in (
        (related.correlation, "How dimensions go together with measured properties of the real digits."),
        (
            np.clip(related.slope, -1, 1),
            "How far a sweep of the dimension alone moves the property.",
        ),
    ):
        yield figure(charts.matrix_chart(values, names, related.names, ("dimension", "property", "r")), text)
    order = np.argsort(-carried.effect, kind="stable")[:12]
    low, high = space.statistics.quantile(0.01), space.statistics.quantile(0.99)
    base, sweeps = space.statistics.mean, []
    for dimension in carried.dimensions[order]:
        codes = np.tile(base, (11, 1))
        codes[:, dimension] = np.linspace(low[dimension], high[dimension], 11)
        sweeps.append(codes)
    sheet = images.sheet(space.decode(np.concatenate(sweeps)), 11, 2, row_names=[names[place] for place in order])
    yield picture(sheet, "The strongest dimensions, from the 1st to the 99th percentile, from the mean of all codes.")


def samplers_part(evidence: Evidence) -> Iterator[str]:
    fidelities = evidence.fidelities()
    references = [name for name in fidelities if name not in evidence.samplers]
    frechet = {name: each.frechet for name, each in fidelities.items()}
    yield figure(charts.samplers_chart(frechet, references), "The Fréchet distance of each sampler to real digits.")
    order = sorted(fidelities, key=frechet.__getitem__)
    rows = [[name, *map(fidelities[name].value, MEASURES)] for name in order]
    yield table(("sampler", *MEASURES), rows)
    drawn = np.concatenate([evidence.sampler(name, SEED).pictures[:20] for name in fidelities])
    yield picture(images.sheet(drawn, 20, 1), f"From the top: {', '.join(fidelities)}.")


def collapse_part(evidence: Evidence) -> Iterator[str]:
    chart = charts.shares_chart(*judged_shares(evidence.fidelities()))
    yield figure(chart, "Which digits the judge sees among the pictures of each sampler.")


def judged_shares(fidelities: Mapping[str, Fidelity]) -> charts.Shares:
    """Which digits the judge sees among the pictures of each sampler."""
    shares = np.stack([each.digits / max(int(each.digits.sum()), 1) for each in fidelities.values()])
    titles = ("sampler", "digit that the judge saw", "share")
    return shares, list(fidelities), [str(digit) for digit in range(10)], titles


def smoothness_part(evidence: Evidence) -> Iterator[str]:
    paths = {kind: evidence.smoothness(kind) for kind in KINDS}
    yield table(
        ("way", "evenness of steps", "lowest confidence", "off the data"),
        [[kind, each.evenness.mean(), each.confidence.mean(), each.off_data.mean()] for kind, each in paths.items()],
    )
    chart = charts.ways_chart({kind: each.confidence for kind, each in paths.items()})
    yield figure(chart, "How sure the judge stays on the way: the farther right a line, the surer.")
    for kind, each in paths.items():
        codes = np.concatenate([each.codes[each.best], each.codes[each.worst]])
        sheet = images.sheet(evidence.space.decode(codes), len(each.codes[0]), 2)
        yield picture(sheet, f"{kind.capitalize()}: above the surest of {len(each.codes)} ways, below the least sure.")


def digits_part(evidence: Evidence) -> Iterator[str]:
    codes, pca = evidence.knowledge(CODES), evidence.knowledge(PCA)
    names = ("probe", "neighbours", "clusters", "nmi")
    yield table(
        ("features", "linear probe", "5 nearest", "k-means accuracy", "k-means NMI"),
        [["codes", *(getattr(codes, name) for name in names)], ["PCA", *(getattr(pca, name) for name in names)]],
    )
    chart = charts.shares_chart(*overlap_shares(evidence))
    yield figure(chart, "Of which other digits the ten nearest neighbours of each digit are.")


def overlap_shares(evidence: Evidence) -> charts.Shares:
    """Which other digits lie among the neighbours of each digit."""
    shares = evidence.neighbours().copy()
    np.fill_diagonal(shares, np.nan)  # mostly near 1, it would leave no shade to the others
    digits = [str(digit) for digit in range(10)]
    return shares, digits, digits, ("digit", "digit of the neighbour", "of its neighbours")


Body = Callable[[Evidence], Iterator[str]]
PARTS: dict[str, tuple[str, tuple[str, ...], Body]] = {
    "reconstruction": ("Reconstruction", ("reconstruction", "pca_errors"), reconstruction_part),
    "dimensions": ("Dimensions", ("dimensions", "property_correlations"), dimensions_part),
    "samplers": ("Samplers", ("sampler",), samplers_part),
    "collapse": ("Which digits are drawn", ("sampler",), collapse_part),
    "smoothness": ("Ways between digits", ("smoothness",), smoothness_part),
    "digits": ("What the codes know about the digits", ("neighbours", "knowledge"), digits_part),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser("python -m latent.report", description="Report what a checkpoint has learned.")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--out", type=Path, help="the HTML file to write")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args(arguments)
    if not options.out and not options.json:
        parser.error("name a file with --out, or ask for --json")
    try:
        evidence = Evidence(LatentSpace.open(options.checkpoint))
        for share, name in gather(evidence):
            print(f"{share:4.0%}  {name} …", file=sys.stderr, flush=True)
        if options.out:
            write_atomically(options.out, page(evidence).encode())
            print(f"{label(str(options.out))} is written.", file=sys.stderr)
        if options.json:
            print(json.dumps(numbers(evidence), indent=1, allow_nan=False))
    except LatentError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
