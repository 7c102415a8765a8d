"""The report of a model: ``python -m latent.report MODEL --out report.html`` or ``--json``.

One HTML file with its findings, pictures and charts in it, which opens without a network; or the numbers alone.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from latent.commands import command
from latent.dataset import Dataset, add_option
from latent.document import BEGINS, cell, document, facts, figure, lead, paragraph, picture, section, table
from latent.files import check_output, label, write_atomically
from latent.foreign.certainty import Certainty
from latent.measure import findings
from latent.measure.evidence import CODES, PCA, Evidence
from latent.measure.exhibits import Exhibit, Facts, Figure, Heading, PictureSheet, SideBySide, Table
from latent.measure.kept import Part
from latent.measure.smoothness import KINDS
from latent.measure.topics import TOPICS, Topic, dimension_rows
from latent.plain import plain
from latent.space import LatentSpace

FOOTER = (
    "Measured by Latent Space Explorer on {images}. MSE is the mean squared error per pixel, pixels in [0, 1]. Fréchet "
    "distances use the features of {classifier} and are not comparable with an Inception FID."
)
NAMES = {
    "health": "whether the model works",
    "disentanglement": "disentanglement",
    "judges_real_images": "predicted classes of test images",
    "clusters": "clusters:",
    "nearest_images": "nearest neighbours",
    "pca_curve": "PCA errors up to",
    "tsne": "t-SNE",
    "reconstruction": "test MSE",
    "likelihood_bounds": "the log-likelihood",
    "pca_errors": "the PCA baseline",
    "dimensions": "metrics per dimension",
    "property_correlations": "properties per dimension",
    "neighbours": "class overlap",
    "knowledge": "class information in",
    "sampler": "samples:",
    "judge": "a reference classifier for these images",
    "predictions": "predicted classes of reconstructions",
    "smoothness": "smoothness of paths:",
}


def gather(evidence: Evidence) -> Iterator[tuple[float, str]]:
    """Measures all that is not measured yet; before each part, the share that is done and what comes next.

    What a closed gate makes pointless is left out as soon as it is known to be closed.
    """
    while missing := evidence.missing():
        yield 1 - len(missing) / len(evidence.parts()), name_of(missing[0])
        evidence.measure(*missing[0])


def measured(path: Path, images: Path | None) -> Evidence:
    """The evidence of a model file, complete: with the results beside it, and what they lack measured now, which a line
    each on standard error tells of."""
    evidence = Evidence.with_kept(LatentSpace.open(path, images))
    for share, name in gather(evidence):
        print(f"{share:4.0%}  {name} …", file=sys.stderr, flush=True)
    return evidence


def name_of(part: Part) -> str:
    """What is measured in a part, in words."""
    return " ".join([NAMES[part[0]], *(str(each) for each in part[1:2])])


def numbers(evidence: Evidence) -> dict[str, Any]:
    """All that is measured as plain values, ready for JSON; a part that cannot be measured here is None.

    ``health`` (`health.Health`) and ``gates``, the names of those that are closed; ``reconstruction`` {mse, pca_mse,
    mean_picture_mse, by_class}, mean squared errors a pixel, pixels in [0, 1]; ``likelihood`` {pixels, n_samples, elbo,
    importance_weighted, mean_image}, the last three as {mean, interval} in nats (`bounds.LikelihoodBounds`);
    ``samplers`` name -> {frechet, pixel_frechet, precision, recall, density, coverage, class_counts, entropy (bits),
    confidence, duplicates, near_copies, novelty, intervals}, the references among them (`fidelity.Fidelity`);
    ``dimensions`` a list of
    {dimension, variance (squared latent units), effect (RMS a pixel), class_information (bits), kl (nats, or None),
    active, stands_for (property, or None), correlation, follow}; ``effective_rank``; ``disentanglement``
    (`disentanglement.Disentanglement`); ``smoothness`` kind -> {path_length, evenness, off_data}, means over the paths;
    ``probe`` {codes, pca, interval} and ``clusters`` {accuracy, nmi, interval}, from 0 to 1; ``neighbours`` (n_classes,
    n_classes) shares; ``findings`` a list of {text, value, topic, dimension, defect}.
    """
    space, complete = evidence.space, evidence.complete
    found: dict[str, Any] = {
        "checkpoint": space.name, "sha256": space.checkpoint.sha256, "kind": space.signature.kind,
        "latent_dim": space.latent_dim,
    }  # fmt: skip
    if (certainty := space.checkpoint.certainty) is not None:
        found["certainty"] = {"level": certainty.level.value, "doubts": certainty.reasons()}
    found |= dict.fromkeys(("reconstruction", "samplers", "dimensions", "effective_rank", "smoothness"))
    found |= dict.fromkeys(("probe", "clusters", "neighbours", "disentanglement", "health", "likelihood"))
    found["gates"] = [gate.name for gate in evidence.gates]
    if complete("health"):
        found["health"] = asdict(evidence.health())
    if complete("disentanglement"):
        found["disentanglement"] = asdict(evidence.disentanglement())
    if complete("reconstruction") and complete("pca_errors"):
        errors, pca = evidence.reconstruction(), evidence.pca_errors()
        found["reconstruction"] = {
            "mse": space.test_error, "pca_mse": pca[-1], "mean_picture_mse": pca[0], "by_class": errors.by_class
        }  # fmt: skip
    if complete("likelihood_bounds") and (bounds := evidence.likelihood_bounds()) is not None:
        found["likelihood"] = bounds.to_dict()
    if complete("sampler"):
        found["samplers"] = {name: each.to_dict() for name, each in evidence.fidelities().items()}
    if complete("dimensions") and (complete("property_correlations") or not evidence.is_open("properties")):
        found["dimensions"] = list(dimension_rows(evidence))
        found["effective_rank"] = evidence.dimensions().effective_rank
    if complete("smoothness"):
        paths = {kind: evidence.smoothness(kind) for kind in KINDS}
        found["smoothness"] = {
            kind: {name: getattr(each, name).mean() for name in ("path_length", "evenness", "off_data")}
            for kind, each in paths.items()
        }
    if complete("knowledge"):
        codes, pca_knowledge = evidence.knowledge(CODES), evidence.knowledge(PCA)
        found["probe"] = {"codes": codes.probe, "pca": pca_knowledge.probe, "interval": list(codes.probe_interval)}
        found["clusters"] = {
            "accuracy": codes.clusters, "nmi": codes.nmi, "interval": list(codes.clusters_interval)
        }  # fmt: skip
    if complete("neighbours"):
        found["neighbours"] = evidence.neighbours()
    found["findings"] = [asdict(each) for each in findings.findings(evidence)]
    plainly: dict[str, Any] = plain(found)
    return plainly


# ---------------------------------------------------------------------------------------------------------------------
# The same as a page: a part for each topic, with all that is to be seen of it.


def page(evidence: Evidence) -> str:
    """The report as one HTML file, of what is measured already (`gather`)."""
    return document(f"{evidence.space.name}: latent space report", *heading(evidence), *body(evidence))


def heading(evidence: Evidence) -> Iterator[str]:
    """The name of the model, and what its file is."""
    space, saved = evidence.space, evidence.space.checkpoint
    about = [
        f"{'VAE' if space.signature.kind == 'vae' else 'autoencoder' if space.signature.has_encoder else 'decoder'}",
        f"{space.latent_dim} latent dimensions", f"{sum(p.numel() for p in space.model.parameters()):,} parameters",
        f"sha256 {saved.sha256[:16]}…",
    ]  # fmt: skip
    yield f"<h1>{html.escape(space.name)}</h1>"
    yield paragraph(", ".join(about), "facts")
    if saved.certainty:
        yield paragraph(how_sure(saved.certainty), "facts")


def body(evidence: Evidence) -> Iterator[str]:
    """The findings, then a part for each topic, then what it was all measured by."""
    shown = [topic for topic in TOPICS.values() if topic.is_complete(evidence)]
    names = {topic.name for topic in shown}
    found = "".join(
        f"<li>{html.escape(each.text)}"
        + (f' <a href="#{each.topic}">show</a>' if each.topic in names else "")
        + "</li>"
        for each in findings.findings(evidence)
    )
    if evidence.refusal:
        yield paragraph(evidence.refusal)
    yield section("findings", "Findings", f"<ol>{found}</ol>")
    yield from (part_of(topic, evidence) for topic in shown)
    footer = FOOTER.format(images=of_images(evidence.space.dataset), classifier=evidence.judge().name)
    yield f"<footer>{html.escape(footer)}</footer>"


def of_images(images: Dataset) -> str:
    """Which images a report is about, in words."""
    size = f"{images.image_shape[1]} × {images.image_shape[2]} pixels"
    return images.source if images.ships else f"{len(images):,} images of {size} ({images.source})"


def how_sure(certainty: Certainty) -> str:
    """How sure the inferred architecture is, what speaks against it, and what would settle it."""
    sentences = [f"Architecture inferred from the weights: {certainty.level}.", *certainty.reasons(), certainty.remedy]
    return " ".join(filter(None, sentences))


def part_of(topic: Topic, evidence: Evidence) -> str:
    """All that is to be seen of a topic."""
    besides = topic.besides(evidence) if topic.subject is None or evidence.is_open(topic.subject) else ()
    exhibits = (*topic.exhibits(evidence), *besides)
    return section(topic.name, topic.title, *(piece for each in exhibits for piece in as_html(each)))


def as_html(exhibit: Exhibit) -> Iterator[str]:
    """An exhibit as pieces of a document."""
    if isinstance(exhibit, Heading):
        yield f"<h3>{html.escape(exhibit.title)}</h3>"
    elif exhibit.title:
        yield lead(exhibit.title, exhibit.rest)
    match exhibit:
        case Figure():
            yield figure(exhibit.drawn(), exhibit.caption, exhibit.alt)
        case PictureSheet():
            yield picture(exhibit.sheet(), exhibit.caption, exhibit.alt)
        case Facts():
            yield facts(exhibit.values, exhibit.means)
        case Table():
            yield table_of(exhibit)
        case SideBySide():
            yield from (piece for each in exhibit.exhibits for piece in as_html(each))
    if exhibit.caption and not isinstance(exhibit, (Figure, PictureSheet)):
        yield paragraph(exhibit.caption, "facts")


def table_of(exhibit: Table) -> str:
    """A table, its numbers as their columns write them."""
    columns = exhibit.columns
    rows = [[cell(row[column.key], column.form) for column in columns] for row in exhibit.rows]
    return table([column.title for column in columns], rows)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(
        "python -m latent.report", description="Report the metrics and findings of a model file."
    )
    parser.add_argument("checkpoint", type=Path, metavar="MODEL")
    parser.add_argument("--out", type=Path, help="the HTML file to write")
    add_option(parser)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args(arguments)
    if not options.out and not options.json:
        parser.error("give a file with --out, or --json")
    if options.out:
        check_output(options.out, [options.checkpoint, options.images], begins=BEGINS)
    evidence = measured(options.checkpoint, options.images)
    if options.json:  # first, since of a disk that is full by now it needs nothing
        print(json.dumps(numbers(evidence), indent=1, allow_nan=False), flush=True)
    if options.out:
        write_atomically(options.out, page(evidence).encode())
        print(f"{label(str(options.out))} written.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
