"""The judge: a small classifier that names digits, and whose features measure how far sets of pictures are apart.

``python -m latent.measure.judge`` trains it on the training images of a data set; no test image is ever trained on.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from latent import data
from latent.augment import deform
from latent.errors import ArgumentError, CheckpointError, LatentError, TrainingError
from latent.files import check_output, write_atomically
from latent.inference import BATCH_SIZE, N_CLASSES, as_channels_first, best_device, leave_gpus_alone, to_unit_range

JUDGE_FILE = Path(__file__).parents[1] / "assets" / "judge.pt"
FORMAT = "latent-space-explorer-judge/1"
SIDE = 28
N_FEATURES = 64
COMPETENT = 0.95  # of the real images named rightly; a judge of other images reaches far less

HELD_OUT = 5000  # training images kept aside, to choose the temperature by
DEFORMATION = 0.5  # of the full amount of `deform`
GAIN = 0.2  # standard deviation of the logarithm of the brightness
BLENDED, FADED = 0.12, 0.03  # of a batch are laid over another image, and over nothing
TEMPERATURES = np.geomspace(0.25, 4, 100)
TINY = 1e-30


@dataclass(frozen=True)
class Judgement:
    """What the judge makes of pictures: ``features`` (n, 64), and ``probabilities`` (n, 10) of the ten digits."""

    features: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)

    def select(self, rows: NDArray[np.intp]) -> Judgement:
        """The judgement of some of the pictures."""
        return Judgement(self.features[rows], self.probabilities[rows])

    @property
    def digits(self) -> NDArray[np.intp]:
        """The likeliest digit of each picture, (n,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that digit, (n,)."""
        return self.probabilities.max(axis=1)


class Classifier(nn.Module):
    """Grey pictures (n, 1, 28, 28) in [0, 1] to ``features`` (n, 64) and, by ``head``, logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *conv_block(1, 32, 5, stride=2),  # (32, 14, 14): large and early strides keep it quick
            *conv_block(32, 64, 3, stride=2),  # (64, 7, 7)
            *conv_block(64, 64, 3, stride=1),
            *conv_block(64, 64, 3, stride=2),  # (64, 4, 4)
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, N_FEATURES, bias=False),
            nn.BatchNorm1d(N_FEATURES),
            nn.SiLU(),
        )
        self.head = nn.Linear(N_FEATURES, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def conv_block(n_in: int, n_out: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(n_out), nn.SiLU()]


@dataclass(frozen=True)
class Judge:
    """A trained classifier. Its logits are divided by ``temperature``, so that of the digits it names with a
    confidence of 0.9, nine in ten are right (Guo et al. 2017, arXiv:1706.04599).

    ``scores`` of the file on the test images: accuracy, calibration_error; ``dataset`` what it was trained on.
    """

    classifier: Classifier = field(repr=False)
    temperature: float
    dataset: str
    scores: dict[str, float]

    def __call__(self, images: NDArray[Any]) -> Judgement:
        """The judgement of images (n, height, width[, channels]), uint8 or floats in [0, 1], of any size.

        Raises `ArgumentError` for another shape, dtype or range.
        """
        if images.ndim not in (3, 4):
            raise ArgumentError(
                f"Expected images (n, height, width[, channels]), got an array of shape {images.shape}."
            )
        x = as_channels_first(images, (images.shape[3] if images.ndim == 4 else 1, *images.shape[1:3]))
        device = next(self.classifier.parameters()).device
        features, logits = torch.empty(len(x), N_FEATURES), torch.empty(len(x), N_CLASSES)
        with torch.inference_mode():
            for start in range(0, len(x), BATCH_SIZE):
                part = slice(start, start + BATCH_SIZE)
                seen = self.classifier.features(as_small_grey(to_unit_range(x[part].to(device))))
                features[part], logits[part] = seen, self.classifier.head(seen)
        return Judgement(features.numpy(), (logits / self.temperature).softmax(dim=1).numpy())

    def accuracy(self, images: NDArray[Any], labels: NDArray[np.integer]) -> float:
        """The share of real images (n, height, width[, channels]) whose label (n,) it names."""
        return float(np.mean(self(images).digits == labels))

    def applies(self, images: NDArray[Any], labels: NDArray[np.integer]) -> bool:
        """Whether it can judge pictures like these real images: whether it names 95 % of them rightly."""
        return self.accuracy(images, labels) >= COMPETENT


def as_small_grey(x: Tensor) -> Tensor:
    """Pictures (n, channels, height, width) as the classifier takes them, (n, 1, 28, 28)."""
    x = x.mean(dim=1, keepdim=True)
    if x.shape[-2:] == (SIDE, SIDE):
        return x
    return F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True).clamp_(0, 1)


def judge(images: NDArray[Any]) -> Judgement:
    """The shipped judge's opinion of images; see `Judge`.

    >>> images, labels = data.evaluation_digits()
    >>> judge(images[:5]).digits.tolist() == labels[:5].tolist()
    True
    """
    return load()(images)


@lru_cache(maxsize=4)
def load(path: Path = JUDGE_FILE) -> Judge:
    """The judge in a file, by default the shipped one. Raises `CheckpointError` where it cannot be read."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if values["format"] != FORMAT:
            raise ValueError(values["format"])
        return of(values)
    except Exception as error:  # a damaged file fails in many ways: OSError, UnpicklingError, RuntimeError, KeyError
        raise CheckpointError(
            f"The reference classifier cannot be read from {path}: the file is missing, damaged or from elsewhere. "
            f"Restore it with: git checkout -- latent/assets/{JUDGE_FILE.name}"
        ) from error


def of(values: dict[str, Any]) -> Judge:
    """The judge in the values of a file, on the best device there is."""
    with torch.device("meta"):  # draws no first weights from the global random state
        classifier = Classifier()
    state = {name: t.float() if t.is_floating_point() else t for name, t in values["state"].items()}
    classifier.load_state_dict(state, assign=True)
    classifier.requires_grad_(False).eval().to(best_device())
    return Judge(classifier, values["temperature"], values["recipe"]["dataset"], values["scores"])


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, given the data and the machine. Raises `TrainingError` for a bad value."""

    dataset: str = "MNIST"
    epochs: int = 16
    batch_size: int = 128
    lr: float = 5e-3
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "epochs must be at least 1": self.epochs >= 1,
            "batch-size must be at least 2": self.batch_size >= 2,
            "lr must be above 0": self.lr > 0,
        }
        for sentence, holds in checks.items():
            if not holds:
                raise TrainingError(f"{sentence}, got {getattr(self, sentence.split()[0].replace('-', '_'))!r}.")


def train(
    recipe: Recipe,
    training: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    test: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    show: Callable[[str], None] = print,
) -> dict[str, Any]:
    """The values of a judge's file, trained by ``recipe``; ``training`` and ``test`` are images and labels.

    The weights are rounded to float16, and held-out training images choose the temperature.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    device = best_device()
    x, y = as_channels_first(training[0], (1, *training[0].shape[1:])), torch.tensor(training[1]).long()
    order = torch.randperm(len(x), generator=generator)
    n_held_out = min(HELD_OUT, len(x) // 10)
    fitting, held_out = order[n_held_out:], [part[order[:n_held_out].numpy()] for part in training]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        classifier = Classifier().to(device)
    steps = max(1, len(fitting) // recipe.batch_size)
    optimizer = torch.optim.AdamW(classifier.parameters(), recipe.lr, betas=(0.9, 0.99), weight_decay=0.02)
    if device.type == "cpu":
        leave_gpus_alone(optimizer)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=recipe.epochs * steps + 1)
    for epoch in range(recipe.epochs):
        began, total = time.perf_counter(), 0.0
        classifier.train()
        shuffled = fitting[torch.randperm(len(fitting), generator=generator)]
        for start in range(0, steps * recipe.batch_size, recipe.batch_size):
            batch = shuffled[start : start + recipe.batch_size]
            pictures, targets = varied(as_small_grey(to_unit_range(x[batch])), y[batch], generator)
            loss = F.cross_entropy(classifier(pictures.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            total += loss.item()
        accuracy = Judge(classifier.eval(), 1.0, recipe.dataset, {}).accuracy(*held_out)
        show(
            f"epoch {epoch + 1}/{recipe.epochs}  train loss {total / steps:.4f}  "
            f"held-out accuracy {accuracy:.4f}  {time.perf_counter() - began:.1f} s"
        )
    state = {name: t.half() if t.is_floating_point() else t for name, t in classifier.state_dict().items()}
    values = {"format": FORMAT, "state": state, "temperature": 1.0, "recipe": asdict(recipe), "scores": {}}
    values["temperature"] = best_temperature(of(values), *held_out)
    verdict = of(values)(test[0])
    values["scores"] = {
        "accuracy": float(np.mean(verdict.digits == test[1])),
        "calibration_error": calibration_error(verdict, test[1]),
    }
    return values


def varied(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Training images (n, 1, 28, 28), made harder, and the shares (n, 10) of the digits in each.

    All are deformed and softened, since autoencoders draw softer strokes than pens do. Some are laid over another
    image, with both labels in the same proportion (Zhang et al. 2018, arXiv:1710.09412), and some over nothing, which
    is any digit as likely as another: so a picture between digits, or of none, gets no confident name.
    """
    x, shares = softened(deform(x, DEFORMATION, generator), generator), F.one_hot(y, N_CLASSES).float()
    other = torch.randperm(len(x), generator=generator)[: round((BLENDED + FADED) * len(x))]
    under, under_shares = x[other], shares[other]
    n_faded = round(FADED * len(x))
    under[:n_faded], under_shares[:n_faded] = 0, 1 / N_CLASSES
    weight = torch.rand(len(other), 1, generator=generator)
    x[: len(other)] = torch.lerp(under, x[: len(other)], weight[:, :, None, None])
    shares[: len(other)] = torch.lerp(under_shares, shares[: len(other)], weight)
    return x, shares


def softened(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images (n, 1, height, width), each blurred, and made brighter or darker, by a random amount."""
    blur = torch.tensor([1.0, 4, 6, 4, 1])
    blurred = F.conv2d(x, torch.outer(blur, blur)[None, None] / 256, padding=2)
    amount = torch.rand(len(x), 1, 1, 1, generator=generator)
    gain = torch.exp(GAIN * torch.randn(len(x), 1, 1, 1, generator=generator))
    return (torch.lerp(x, blurred, amount) * gain).clamp_(max=1)


def best_temperature(
    judge: Callable[[NDArray[np.uint8]], Judgement], images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> float:
    """The temperature with the least cross-entropy on images that were not trained on."""
    logits = np.log(judge(images).probabilities.astype(np.float64) + TINY)  # up to a constant, which changes nothing
    tempered = logits / TEMPERATURES[:, None, None]
    normalisers = np.log(np.exp(tempered).sum(axis=2))
    losses = (normalisers - tempered[:, np.arange(len(labels)), labels]).mean(axis=1)
    return float(TEMPERATURES[losses.argmin()])


def calibration_error(judgement: Judgement, labels: NDArray[np.integer], bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, over bins of confidence.

    Naeini et al. 2015 (AAAI); the gaps weigh as many pictures as their bins hold.
    """
    gaps = judgement.confidence - (judgement.digits == labels)
    places = np.minimum((judgement.confidence * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(places, gaps, minlength=bins)).sum() / len(labels))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("python -m latent.measure.judge", description="Train the reference classifier.")
    default = Recipe()
    p.add_argument("--dataset", choices=data.DATASETS, default=default.dataset, help="data set (default %(default)s)")
    p.add_argument("--epochs", type=int, default=default.epochs, help="passes over the images (default %(default)s)")
    p.add_argument("--batch-size", type=int, default=default.batch_size, help="images per step (default %(default)s)")
    p.add_argument("--lr", type=float, default=default.lr, help="highest learning rate (default %(default)s)")
    p.add_argument("--seed", type=int, default=default.seed, help="random seed (default %(default)s)")
    p.add_argument("--data", type=Path, default=Path("data"), help="folder of the data set, downloaded when missing")
    p.add_argument("--out", type=Path, default=JUDGE_FILE, help="output file (default %(default)s)")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    given = vars(parser().parse_args(arguments))
    out, folder = given.pop("out"), given.pop("data")
    try:
        recipe = Recipe(**given)
        check_output(out, begins=b"PK")
        training, test = (data.load_dataset(recipe.dataset, folder, train=train) for train in (True, False))
        values = train(recipe, training, test)
        content = io.BytesIO()
        torch.save(values, content)
        write_atomically(out, content.getvalue())
    except LatentError as error:
        print(error, file=sys.stderr)
        return 1
    accuracy, calibration = values["scores"].values()
    print(f"{out}: test accuracy {accuracy:.4f}, calibration error {calibration:.4f}, {out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
