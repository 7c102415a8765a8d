"""The guide's functions, by the guide's own names: ``from latent.notebook import *``.

They return their arrays and, inside Jupyter, show pictures and charts as well; in plain Python they run silently.
"""

from __future__ import annotations

import html
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import altair as alt
import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent import charts, checkpoint, codes, handout, interpolation, sampling, traversal
from latent import images as sheets
from latent.arrays import Codes, Pictures
from latent.dataset import Dataset
from latent.files import PROJECT
from latent.inference import as_codes
from latent.measure.evidence import Evidence
from latent.space import LatentSpace
from latent.statistics import LatentStatistics

__all__ = [
    "analyze_statistics",
    "compare_real_and_generated",
    "decode_custom_vector",
    "explore",
    "explore_dimension",
    "generate_and_visualize_random",
    "interpolate",
    "latent_arithmetic_demo",
    "latent_dim",
    "open_checkpoint",
    "show_explorer",
]

DEFAULT_CHECKPOINT = PROJECT / "checkpoints" / "ae-16.pt"


@dataclass
class Opened:
    """The ``space`` in use, if any: the guide's functions take none as an argument."""

    space: LatentSpace | None = None


@lru_cache(maxsize=1)
def opened() -> Opened:
    """What this process has open."""
    return Opened()


def open_checkpoint(path: str | Path | None = None, images: Dataset | str | Path | None = None) -> LatentSpace:
    """Open a model file (by default the shipped 16-dimensional one) for all the functions here, and return its space.

    ``images`` are the data set to judge it by, or the file or folder of one; the MNIST test digits by default. Shows
    originals over their reconstructions; of a decoder alone, decoded draws from N(0, 1). Raises `CheckpointError` for a
    file that cannot be read.
    """
    return shown(LatentSpace.open(DEFAULT_CHECKPOINT if path is None else path, images))


def explore(
    encode: Callable[..., Any],
    decode: Callable[..., Any],
    images: Dataset | str | Path | ArrayLike,
    labels: ArrayLike | None = None,
    classes: Sequence[str] = (),
    *,
    pixels: tuple[float, float] = (0, 1),
    shape: Sequence[int] | None = None,
    condition: Literal["index", "one-hot"] | None = None,
) -> LatentSpace:
    """Open a network of PyTorch that is in memory, for all the functions here, and return its space; no file is
    written.

    The arguments are those of `latent.export`, and what it checks is checked. Raises `ExportError`.
    """
    from latent import exporting  # where used: tracing needs much of torch that nothing else here does

    judged = exporting.as_dataset(images, labels, classes, "images of the network")
    saved = checkpoint.identified(exporting.exported(encode, decode, judged, pixels, shape, condition))
    return shown(LatentSpace.of("network", saved, judged))


def shown(space: LatentSpace) -> LatentSpace:
    """The space, which is now the one in use, with its first images below the cell."""
    opened().space = space
    history, scores = space.checkpoint.history, space.checkpoint.scores
    if in_jupyter():
        print(f"{space.name}: {space.latent_dim} latent dimensions, {len(history)} epochs, scores {scores}")
    if space.signature.has_encoder:
        show(sheets.rows_sheet([space.images[:12], space.reconstruct(space.images[:12])], zoom=2))
    else:
        show(sheets.sheet(space.decode(space.z[:12]), 12, zoom=2))
    if history:
        show(charts.history_chart(history))
    return space


def analyze_statistics(n_images: int = 1000) -> dict[str, NDArray[np.float32]]:
    """Mean, std, min and max of every dimension, (latent_dim,) each, over the first ``n_images`` images.

    Raises `ArgumentError` for a decoder alone, as every function here does that needs codes of images.
    """
    space = current_space()
    space.check_encodes("analyze_statistics")
    z = space.z[:n_images]
    statistics = LatentStatistics.of(z)
    active = Evidence.of(space).active()
    for chart in (charts.values_chart(z), charts.histograms_chart(z, active), charts.box_chart(statistics, active)):
        show(chart)
    return {name: getattr(statistics, name) for name in ("mean", "std", "min", "max")}


def generate_and_visualize_random(
    n_samples: int = 16, distribution: str = "learned", scale: float = 1.0, seed: int = 0
) -> tuple[Codes, Pictures]:
    """Random codes (n_samples, latent_dim) and their decoded images (n_samples, height, width[, channels]).

    ``distribution`` is one of `sampling.SAMPLERS`; raises `ArgumentError` for another.
    """
    space = current_space()
    if distribution != "normal":
        space.check_encodes(f"the sampler {distribution!r}")
    z = sampling.sample(sampling.fit(distribution, space.z), n_samples, scale=scale, seed=seed)
    pictures = space.decode(z)
    show(sheets.sheet(pictures, columns=8 if n_samples > 8 else n_samples, zoom=2))
    return z, pictures


def decode_custom_vector(vector: ArrayLike) -> Pictures:
    """The decoded image (height, width[, channels]) of one code, shown beside its bars.

    Raises `ArgumentError` for a wrong length.
    """
    space = current_space()
    code = codes.parse(vector, space.latent_dim) if isinstance(vector, str) else one_code(vector, space)
    picture = space.decode(code)[0]
    show(charts.code_chart(charts.code_rows(code, space.statistics)))
    show(sheets.sheet(picture[None], 1, zoom=5))
    return picture


def explore_dimension(
    dim_index: int = 0,
    value_range: tuple[float, float] = (-3, 3),
    n_steps: int = 10,
    base_vector: ArrayLike | None = None,
) -> Pictures:
    """Images (n_steps, height, width[, channels]) as one dimension goes through ``value_range``, the others as in
    ``base_vector``.

    The base is zeros by default. Raises `ArgumentError` for a dimension that is not there or a base of another length.
    """
    space = current_space()
    base = np.zeros(space.latent_dim, np.float32) if base_vector is None else one_code(base_vector, space)
    values = np.linspace(*value_range, n_steps)
    pictures = space.decode(traversal.traverse(base, dim_index, values))
    show(sheets.sheet(pictures, n_steps, zoom=2, column_names=[f"{value:.1f}" for value in values]))
    return pictures


def latent_arithmetic_demo() -> dict[str, Pictures]:
    """Average, difference and sum of two images, and an analogy: each an image (height, width[, channels]).

    The two are the first images of the classes 7 and 0, and the analogy is of the means of the classes 8, 3 and 5; of
    other classes where there are fewer, and of the first images where classes are not known.
    """
    space = current_space()
    space.check_encodes("latent_arithmetic_demo")
    if space.has_classes:
        there = np.unique(space.labels)
        chosen = [int(there[index % len(there)]) for index in (8, 3, 5)]
        names, terms = [space.classes[index] for index in chosen], [space.class_mean(index) for index in chosen]
        a, b = (space.z[space.labels == there[index % len(there)]][0] for index in (7, 0))
    else:
        names, terms = [f"image {index}" for index in range(3)], [space.z[index % len(space.z)] for index in range(3)]
        a, b = terms[:2]
    results = {
        "A": a,
        "B": b,
        "average": interpolation.average(a, b),
        "difference": interpolation.difference(a, b),
        "sum": interpolation.total(a, b),
        f"{names[0]} - {names[1]} + {names[2]}": interpolation.analogy(*terms),
    }
    pictures = space.decode(np.stack(list(results.values())))
    show(sheets.sheet(pictures, len(results), zoom=4, column_names=list(results)))
    return dict(zip(results, pictures))


def compare_real_and_generated(
    n_samples: int = 16, distribution: str = "learned", scale: float = 1.0, seed: int = 0
) -> tuple[NDArray[np.uint8], Pictures]:
    """As many images, chosen at random, as samples: (n_samples, height, width[, channels]) each, the first uint8."""
    space = current_space()
    space.check_encodes("compare_real_and_generated")
    real = space.images[np.random.default_rng(seed).choice(len(space.images), n_samples, replace=False)]
    z = sampling.sample(sampling.fit(distribution, space.z), n_samples, scale=scale, seed=seed)
    generated = space.decode(z)
    show(sheets.sheet(real, min(n_samples, 16), zoom=2))
    show(sheets.pairs_sheet(generated, space.images[space.nearest(z)[:, 0]], min(n_samples, 16), zoom=2))
    return real, generated


def interpolate(start: ArrayLike, end: ArrayLike, n_steps: int = 10, kind: str = "linear") -> Pictures:
    """Images (n_steps, height, width[, channels]) on the path from one code to another.

    ``kind`` is "linear" or "spherical".
    """
    space = current_space()
    pictures = space.decode(interpolation.path(one_code(start, space), one_code(end, space), n_steps, kind))
    show(sheets.sheet(pictures, n_steps, zoom=2))
    return pictures


def show_explorer(n_images: int = 500, height: int = 800) -> None:
    """Show the interactive page of the model (see `latent.handout`) in a frame below the cell, in Jupyter; nothing
    elsewhere: the decoder live, the map, traversals to scrub.

    ``n_images`` of the images are on the map; the frame is ``height`` pixels high. The page is kept in the notebook's
    file: some 4 MB. Of metrics it has those that were measured already.
    """
    if not in_jupyter():
        return
    from IPython.display import HTML, display

    page = handout.page(Evidence.with_kept(current_space()), n_images)
    display(HTML(framed(page, height)))  # type: ignore[no-untyped-call]


def framed(page: str, height: int) -> str:
    """A whole page as a frame within another one, which it cannot reach."""
    style = "width: 100%; border: 1px solid #8884; border-radius: 6px; background: #fff"
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts allow-downloads" title="Latent space explorer" '
        f'height="{int(height)}" style="{style}"></iframe>'
    )


def current_space() -> LatentSpace:
    """The space that was opened last; the default one where none was."""
    return opened().space or open_checkpoint()


def one_code(vector: ArrayLike, space: LatentSpace) -> NDArray[np.float32]:
    """One code (latent_dim,); raises `ArgumentError` where the length is another."""
    return as_codes(np.ravel(vector), space.latent_dim)[0]


def in_jupyter() -> bool:
    """Whether a notebook's kernel runs this."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def show(picture: sheets.Sheet | alt.Chart | alt.LayerChart) -> None:
    """Show it below the cell, in Jupyter; nothing elsewhere.

    A chart is shown as a picture where vl-convert-python is installed: it needs no network and is kept in the file.
    """
    if not in_jupyter():
        return
    from IPython.display import display

    renderer = "png" if importlib.util.find_spec("vl_convert") else "default"
    with alt.renderers.enable(renderer):
        display(picture.image if isinstance(picture, sheets.Sheet) else picture.properties(width=640))  # type: ignore[no-untyped-call]


class LatentDim:
    """The length of a code of the checkpoint in use: a whole number that follows `open_checkpoint`."""

    def __index__(self) -> int:
        return current_space().latent_dim

    __int__ = __index__

    def __repr__(self) -> str:
        return repr(int(self))

    def __hash__(self) -> int:
        return hash(int(self))


def forward_to_int(name: str) -> None:
    """Give `LatentDim` an operator of int."""

    def operate(self: LatentDim, other: object) -> Any:
        return getattr(int(self), name)(int(other) if isinstance(other, LatentDim) else other)

    setattr(LatentDim, name, operate)


for operator in (
    "add",
    "radd",
    "sub",
    "rsub",
    "mul",
    "rmul",
    "floordiv",
    "truediv",
    "mod",
    "eq",
    "lt",
    "le",
    "gt",
    "ge",
):
    forward_to_int(f"__{operator}__")

latent_dim = LatentDim()
