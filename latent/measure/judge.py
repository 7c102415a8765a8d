"""The judge: a small network that names classes, and whose features measure how far sets of pictures are apart.

One for digits ships; ``python -m latent.measure.judge`` trains it on the training images of a data set, never on a
test image. `judge_of` gives the judge of any data set: the shipped one where it knows these images, or one that is
trained on a part of them; without labels, a random network, which has features and names no classes.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from latent import data, store
from latent.arrays import Rows
from latent.augment import deform
from latent.commands import command
from latent.dataset import Dataset
from latent.errors import ArgumentError, CheckpointError, TrainingError
from latent.files import check_output, write_atomically
from latent.inference import BATCH_SIZE, as_channels_first, best_device, leave_gpus_alone, to_unit_range
from latent.labels import drawn_in_proportion
from latent.measure.judgement import Judgement

JUDGE_FILE = Path(__file__).parents[1] / "assets" / "judge.pt"
FORMAT = "latent-space-explorer-judge/1"
SIDE = 28
N_FEATURES = 64
DIGITS = tuple(map(str, range(10)))  # the classes of the shipped one
COMPETENT = 0.95  # of the real images named rightly; a judge of other images reaches far less
COMPETENT_TAUGHT = 0.7  # the same for one that is trained on a part of them

HELD_OUT = 5000  # training images kept aside, to choose the temperature by
DEFORMATION = 0.5  # of the full amount of `deform`
GAIN = 0.2  # standard deviation of the logarithm of the brightness
BLENDED, FADED = 0.12, 0.03  # of a batch are laid over another image, and over nothing
TEMPERATURES = np.geomspace(0.25, 4, 100)
TINY = 1e-30

TAUGHT = 1 / 3  # of the images of a set, on which its judge is trained; the others are judged
FEWEST = 30  # images of a set that has a judge trained for it
STEPS = 400  # of that training, in at most so many passes over the images
MOST_PASSES = 100
LOOKED_AT = 1000  # images by which a judge is chosen and asked for classes, and a random network normalised
VERSION = 1  # of that training: raise it with every change, and judges that were stored are trained anew
NOBODY: Rows = np.zeros(0, np.intp)


class Classifier(nn.Module):
    """Pictures (n, channels, 28, 28) in [0, 1] to ``features`` (n, 64) and, by ``head``, logits (n, n_classes)."""

    def __init__(self, n_classes: int = len(DIGITS), channels: int = 1) -> None:
        super().__init__()
        self.n_classes, self.channels = n_classes, channels
        self.features = nn.Sequential(
            *conv_block(channels, 32, 5, stride=2),  # (32, 14, 14): large and early strides keep it quick
            *conv_block(32, 64, 3, stride=2),  # (64, 7, 7)
            *conv_block(64, 64, 3, stride=1),
            *conv_block(64, 64, 3, stride=2),  # (64, 4, 4)
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, N_FEATURES, bias=False),
            nn.BatchNorm1d(N_FEATURES),
            nn.SiLU(),
        )
        self.head = nn.Linear(N_FEATURES, n_classes) if n_classes else None

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.features(x))

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, n_classes) of features (n, 64)."""
        return features[:, :0] if self.head is None else self.head(features)


def conv_block(n_in: int, n_out: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(n_out), nn.SiLU()]


@dataclass(frozen=True)
class Judge:
    """A trained classifier. Its logits are divided by ``temperature``, so that of the images it names with a
    confidence of 0.9, nine in ten are right (Guo et al. 2017, arXiv:1706.04599).

    ``scores`` on images that it was not trained on: accuracy, calibration_error; ``dataset`` what it was trained on.
    ``classes`` are those it names; where there are none it is a random network, which has features only, and
    ``refusal`` is a sentence that says why. ``taught`` are the rows of the data set that it was trained on, which it
    must not judge; ``needed`` is the share of real images that it must name rightly to be asked for classes.
    """

    classifier: Classifier = field(repr=False)
    temperature: float
    dataset: str
    scores: dict[str, float]
    classes: tuple[str, ...] = DIGITS
    taught: Rows = field(default_factory=lambda: NOBODY, repr=False)
    needed: float = COMPETENT
    refusal: str = ""

    @property
    def names_classes(self) -> bool:
        """Whether it is a classifier, and no random network."""
        return bool(self.classes)

    @property
    def name(self) -> str:
        """What it is, for people."""
        if not self.names_classes:
            return "a random convolutional network"
        return f"a reference classifier ({self.scores['accuracy']:.1%} test accuracy)"

    def judged(self, n: int) -> Rows:
        """Those of ``n`` rows of the data set that it was not taught."""
        return np.setdiff1d(np.arange(n), self.taught)

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
        features, logits = torch.empty(len(x), N_FEATURES), torch.empty(len(x), len(self.classes))
        with torch.inference_mode():
            for start in range(0, len(x), BATCH_SIZE):
                part = slice(start, start + BATCH_SIZE)
                small = as_small(to_unit_range(x[part].to(device)), self.classifier.channels)
                seen = self.classifier.features(small)
                features[part], logits[part] = seen, self.classifier.logits(seen)
        return Judgement(features.numpy(), (logits / self.temperature).softmax(dim=1).numpy())

    def accuracy(self, images: NDArray[Any], labels: NDArray[np.integer]) -> float:
        """The share of real images (n, height, width[, channels]) whose label (n,) it names."""
        return float(np.mean(self(images).predicted == labels))

    def applies(self, images: NDArray[Any], labels: NDArray[np.integer]) -> bool:
        """Whether it can name the classes of pictures like these real images: whether it names ``needed`` of them."""
        return self.names_classes and self.accuracy(images, labels) >= self.needed


def as_small(x: Tensor, channels: int = 1) -> Tensor:
    """Pictures (n, 1 to 4, height, width) as a classifier takes them, (n, channels, 28, 28), grey for one channel.

    What is transparent is black.
    """
    if x.shape[1] == 4:
        x = x[:, :3] * x[:, 3:]
    x = x.mean(dim=1, keepdim=True) if channels == 1 else x.expand(-1, channels, -1, -1)
    if x.shape[-2:] == (SIDE, SIDE):
        return x
    return F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True).clamp_(0, 1)


def judge(images: NDArray[Any]) -> Judgement:
    """The shipped judge's opinion of images; see `Judge`.

    >>> images, labels = data.evaluation_digits()
    >>> judge(images[:5]).predicted.tolist() == labels[:5].tolist()
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
    # Channels last: a tenth faster on a processor.
    classifier.requires_grad_(False).eval().to(best_device()).to(memory_format=torch.channels_last)
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
    classifier = initial(recipe.seed).to(device)

    def tell(epoch: int, loss: float, seconds: float) -> None:
        accuracy = Judge(classifier.eval(), 1.0, recipe.dataset, {}).accuracy(*held_out)
        show(
            f"epoch {epoch + 1}/{recipe.epochs}  train loss {loss:.4f}  "
            f"held-out accuracy {accuracy:.4f}  {seconds:.1f} s"
        )

    teach(classifier, recipe, x, y, fitting, generator, tell)
    state = {name: t.half() if t.is_floating_point() else t for name, t in classifier.state_dict().items()}
    values = {"format": FORMAT, "state": state, "temperature": 1.0, "recipe": asdict(recipe), "scores": {}}
    values["temperature"] = best_temperature(of(values), *held_out)
    verdict = of(values)(test[0])
    values["scores"] = {
        "accuracy": float(np.mean(verdict.predicted == test[1])),
        "calibration_error": calibration_error(verdict, test[1]),
    }
    return values


def initial(seed: int, n_classes: int = len(DIGITS), channels: int = 1) -> Classifier:
    """A classifier whose first weights follow from the seed; the global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(n_classes, channels)


def teach(
    classifier: Classifier,
    recipe: Recipe,
    x: Tensor,
    y: Tensor,
    fitting: Tensor,
    generator: torch.Generator,
    tell: Callable[[int, float, float], object],
) -> None:
    """Train a classifier on the rows ``fitting`` of images ``x`` (n, channels, height, width) and labels ``y`` (n,).

    ``tell`` hears after each pass its number, the mean loss and the seconds it took.
    """
    device, n_classes = next(classifier.parameters()).device, classifier.n_classes
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
            small = as_small(to_unit_range(x[batch]), classifier.channels)
            pictures, targets = varied(small, y[batch], generator, n_classes)
            loss = F.cross_entropy(classifier(pictures.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            total += loss.item()
        tell(epoch, total / steps, time.perf_counter() - began)
    classifier.eval()


def judge_of(dataset: Dataset, progress: Callable[[float], object] = lambda share: None, seed: int = 0) -> Judge:
    """The judge of a data set: a classifier where its classes can be told, else a `random_network`.

    The shipped one where the classes are the ten digits and it names 95 % of the first images rightly. Otherwise one is
    trained on a third of the images, and asked for classes where it names 70 % of the others rightly, and more than
    naming always the most frequent class would. It is kept on disk by the SHA-256 of the set; ``progress`` hears the
    share of the training that is done.
    """
    if dataset.labels is None:
        return random_network(dataset, "These images have no classes.", seed)
    if shipped_one_knows(dataset):
        return load()
    n_classes, n = len(np.unique(dataset.labels)), len(dataset)
    if n_classes < 2:
        return random_network(dataset, "All images are of one class.", seed)
    if n < FEWEST:
        few = f"A reference classifier needs at least {FEWEST} images with classes, and there are {n}."
        return random_network(dataset, few, seed)
    taught = drawn_in_proportion(dataset.labels, n, round(TAUGHT * n), seed)
    judged = np.setdiff1d(np.arange(n), taught)
    classifier = initial(seed, len(dataset.classes), 1 if dataset.images.ndim == 3 else 3)
    stored = store.stored(
        lambda: taught_numbers(classifier, dataset, taught, judged, progress, seed), *stored_as(dataset, seed)
    )
    temperature, accuracy, calibration = stored[:3].tolist()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(stored[3:].copy()), numbers_of(classifier))
    commonest = np.bincount(dataset.labels[judged]).max() / len(judged)
    needed = max(COMPETENT_TAUGHT, float(commonest) + 0.5 / len(judged))
    if accuracy < needed:
        reason = f"A classifier that was trained on a third of these images names {accuracy:.1%} of the others rightly"
        return random_network(dataset, f"{reason}; at least {needed:.1%} are needed.", seed)
    scores = {"accuracy": accuracy, "calibration_error": calibration}
    classifier.requires_grad_(False).eval().to(best_device())
    return Judge(classifier, temperature, dataset.name, scores, dataset.classes, taught, needed)


def stored_as(dataset: Dataset, seed: int) -> tuple[object, ...]:
    """What the numbers of the judge of a data set are stored under."""
    return "judge", VERSION, seed, dataset.sha256


def at_hand(dataset: Dataset, seed: int = 0) -> bool:
    """Whether `judge_of` is known to train nothing for this set."""
    return dataset.labels is None or shipped_one_knows(dataset) or store.has(*stored_as(dataset, seed))


def shipped_one_knows(dataset: Dataset) -> bool:
    """Whether the shipped judge names the classes of a data set."""
    if dataset.ships or dataset.labels is None or dataset.classes != DIGITS:
        return dataset.ships
    return load().applies(dataset.images[:LOOKED_AT], dataset.labels[:LOOKED_AT])


def taught_numbers(
    classifier: Classifier,
    dataset: Dataset,
    taught: Rows,
    judged: Rows,
    progress: Callable[[float], object],
    seed: int,
) -> NDArray[np.float32]:
    """Train a classifier on the rows ``taught``; its temperature, accuracy and calibration error on the rows
    ``judged``, and all its numbers. A tenth of the taught rows chooses the temperature."""
    assert dataset.labels is not None  # who asks has looked
    generator = torch.Generator().manual_seed(seed)
    own, labels = dataset.select(taught), torch.from_numpy(dataset.labels[taught].astype(np.int64))
    order = torch.randperm(len(taught), generator=generator)
    n_held_out = max(1, len(taught) // 10)
    batch_size = min(64, len(taught) - n_held_out)
    passes = min(MOST_PASSES, max(1, STEPS * batch_size // len(taught)))
    recipe = Recipe(dataset.name, epochs=passes, batch_size=batch_size, seed=seed)
    classifier.to(best_device())
    x = as_channels_first(own.images, own.image_shape)
    tell = lambda epoch, loss, seconds: progress((epoch + 1) / passes)  # noqa: E731
    teach(classifier, recipe, x, labels, order[n_held_out:], generator, tell)
    plain = Judge(classifier, 1.0, dataset.name, {}, dataset.classes)
    chosen = np.sort(taught[order[:n_held_out].numpy()])
    temperature = best_temperature(plain, dataset.images[chosen], dataset.labels[chosen])
    verdict = replace(plain, temperature=temperature)(dataset.images[judged])
    accuracy = np.mean(verdict.predicted == dataset.labels[judged])
    numbers = torch.nn.utils.parameters_to_vector(numbers_of(classifier)).detach().cpu().numpy()
    of_scores = [temperature, accuracy, calibration_error(verdict, dataset.labels[judged])]
    return np.concatenate([of_scores, numbers]).astype(np.float32)


def numbers_of(classifier: Classifier) -> list[Tensor]:
    """All that training changes of a classifier that counts when it judges, in one order."""
    buffers = [each for each in classifier.buffers() if each.is_floating_point()]  # means and variances
    return [*classifier.parameters(), *buffers]


@torch.no_grad()
def random_network(dataset: Dataset, refusal: str, seed: int = 0) -> Judge:
    """A network with random weights that the seed fixes, whose features tell pictures apart without any training.

    After Naeem et al. 2020 (arXiv:2002.09797), who found density and coverage in the features of such a network to be
    as telling as in those of a trained one for images unlike those it was trained on. Its layers are normalised by
    means and variances over images of the set, so that the features have about the same scale for dark and pale ones.
    They see blur, repetition and another range of brightness well; classes that are missing less than a classifier
    would, and noise in single pixels hardly. ``refusal`` says why no classes are named.
    """
    images = dataset.images[drawn_in_proportion(None, len(dataset), LOOKED_AT, seed)]
    network = initial(seed, 0, 1 if images.ndim == 3 else 3)
    if len(images) > 1:
        for layer in network.modules():
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                layer.momentum = None  # the statistics of this one batch
        x = as_channels_first(images, (images.shape[3] if images.ndim == 4 else 1, *images.shape[1:3]))
        network.train()(as_small(to_unit_range(x), network.channels))
    network.requires_grad_(False).eval().to(best_device())
    return Judge(network, 1.0, dataset.name, {}, (), refusal=refusal)


def varied(x: Tensor, y: Tensor, generator: torch.Generator, n_classes: int = len(DIGITS)) -> tuple[Tensor, Tensor]:
    """Training images (n, channels, 28, 28), made harder, and the shares (n, n_classes) of the classes in each.

    All are deformed and softened, since autoencoders draw softer strokes than pens do. Some are laid over another
    image, with both labels in the same proportion (Zhang et al. 2018, arXiv:1710.09412), and some over nothing, which
    is any digit as likely as another: so a picture between digits, or of none, gets no confident name.
    """
    x, shares = softened(deform(x, DEFORMATION, generator), generator), F.one_hot(y, n_classes).float()
    other = torch.randperm(len(x), generator=generator)[: round((BLENDED + FADED) * len(x))]
    under, under_shares = x[other], shares[other]
    n_faded = round(FADED * len(x))
    under[:n_faded], under_shares[:n_faded] = 0, 1 / n_classes
    weight = torch.rand(len(other), 1, generator=generator)
    x[: len(other)] = torch.lerp(under, x[: len(other)], weight[:, :, None, None])
    shares[: len(other)] = torch.lerp(under_shares, shares[: len(other)], weight)
    return x, shares


def softened(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images (n, channels, height, width), each blurred, and made brighter or darker, by a random amount."""
    blur = torch.tensor([1.0, 4, 6, 4, 1])
    kernel = torch.outer(blur, blur)[None, None].expand(x.shape[1], -1, -1, -1) / 256
    blurred = F.conv2d(x, kernel, padding=2, groups=x.shape[1])
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
    gaps = judgement.confidence - (judgement.predicted == labels)
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


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    given = vars(parser().parse_args(arguments))
    out, folder = given.pop("out"), given.pop("data")
    recipe = Recipe(**given)
    check_output(out, begins=b"PK")
    training, test = (data.load_dataset(recipe.dataset, folder, train=train) for train in (True, False))
    values = train(recipe, training, test)
    content = io.BytesIO()
    torch.save(values, content)
    write_atomically(out, content.getvalue())
    accuracy, calibration = values["scores"].values()
    print(f"{out}: test accuracy {accuracy:.4f}, calibration error {calibration:.4f}, {out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
