"""``python -m benchmarks.shipped``: the table of ``checkpoints/README.md``, from the files and MNIST's training images.

The errors are measured anew, and a file whose own claim is another is named. MNIST is downloaded, or lies in
``--data``. The baseline is PCA that is fitted to all training images and scored on the test images.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent import checkpoint, data
from latent.components import PrincipalAxes
from latent.space import LatentSpace

FOLDER = Path(__file__).parents[1] / "checkpoints"
PAGE = FOLDER / "README.md"
BEGIN, END = "<!-- written by python -m benchmarks.shipped -->\n", "<!-- until here -->\n"
COLUMNS = ("file", "kind", "latent dimensions", "test MSE", "PCA", "epochs", "minutes", "size")
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


def pca_errors(training: NDArray[np.uint8], test: NDArray[np.uint8], sizes: Iterable[int]) -> dict[int, float]:
    """The test MSE of principal components of the training images, pixels in [0, 1], by their number."""
    axes = PrincipalAxes.of(training.reshape(len(training), -1).astype(np.float32) / np.float32(255), max(sizes))
    centred = test.reshape(len(test), -1) / np.float32(255) - axes.mean
    total = np.square(centred).sum(dtype=np.float64)
    explained = np.cumsum(np.square(centred @ axes.axes.T).sum(axis=0, dtype=np.float64))
    return {size: float(total - explained[size - 1]) / centred.size for size in sizes}


def line(path: Path, pca: dict[int, float]) -> str:
    """A row of the table. Raises `ValueError` where the file claims another error than is measured."""
    space = LatentSpace.open(path)
    saved, measured = space.checkpoint, float(space.errors.mean(dtype=np.float64))
    if abs(measured - saved.scores["test_mse"]) > 1e-3 * measured:
        raise ValueError(f"{path.name} claims a test MSE of {saved.scores['test_mse']:.5f}, measured {measured:.5f}.")
    kind = "autoencoder" if space.signature.kind == "ae" else f"VAE, β = {saved.recipe['beta']:g}"
    minutes = sum(row["seconds"] for row in saved.history) / 60
    return (
        f"| `{path.name}` | {kind} | {space.latent_dim} | {measured:.5f} | {pca[space.latent_dim]:.4f} | "
        f"{len(saved.history)} | {minutes:.0f} | {path.stat().st_size / 1e6:.1f} MB |\n"
    )


def rows(data_folder: Path) -> Iterator[str]:
    """All rows of the table."""
    paths = checkpoint.find(FOLDER)
    sizes = sorted({LatentSpace.open(path).latent_dim for path in paths})
    (training, _), (test, _) = (data.load_dataset("MNIST", data_folder, train=train) for train in (True, False))
    pca = pca_errors(training, test, sizes)
    yield from (line(path, pca) for path in paths)


def renewed(text: str, lines: Iterable[str]) -> str:
    """The page with these rows as its table. Raises `ValueError` where the page has no place for it."""
    before, begins, rest = text.partition(BEGIN)
    _, ends, behind = rest.partition(END)
    if not begins or not ends:
        raise ValueError(f"The page needs a line {BEGIN.strip()!r} and a line {END.strip()!r}.")
    return f"{before}{begins}{HEAD}{''.join(lines)}{ends}{behind}"


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.shipped", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of MNIST")
    options = parser.parse_args()
    text = renewed(PAGE.read_text(encoding="utf-8"), rows(options.data))
    PAGE.write_text(text, encoding="utf-8")
    print(text.partition(BEGIN)[2].partition(END)[0], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
