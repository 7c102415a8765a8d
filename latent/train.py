"""Train an autoencoder: ``python -m latent.train --kind ae --latent-dim 16``, or ``--data FOLDER`` for own images.

Every random number of an epoch follows from the seed and the epoch, so a run that was stopped goes on
(``--resume``) to the same weights as one that was not. The same program runs on several processes:
``torchrun --nproc-per-node 2 -m latent.train …``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from latent import checkpoint, data, dataset, files, inference
from latent.augment import deform
from latent.checkpoint import Checkpoint
from latent.commands import STOPPED, command
from latent.dataset import Dataset
from latent.errors import TrainingError
from latent.files import label
from latent.inference import as_channels_first, device_that_works, leave_gpus_alone, to_unit_range
from latent.model import Autoencoder, AutoencoderConfig, Kind
from latent.snapshots import Snapshots

Precision = Literal["float32", "bfloat16"]
PLAIN_SHARE = 0.2  # of the epochs, the last ones, see the images undeformed
EVALUATION_BATCH = 500
LARGEST_SEED = 2**63 - 1
BYTES_A_WEIGHT = 12  # in the file of an unfinished run: float32, and as much twice for the optimiser


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, given the machine. Raises `TrainingError` for a bad value.

    ``dataset`` is the name of the images; ``dataset_sha256`` and ``held_out_sha256`` identify (`Dataset.sha256`) all of
    them and those that were held out, on which the model is scored. They are empty where images came without a set.
    """

    kind: Kind = "ae"
    latent_dim: int = 16
    beta: float = 1.0
    epochs: int = 20
    batch_size: int = 256
    lr: float = 3e-3
    seed: int = 0
    dataset: str = "MNIST"
    dataset_sha256: str = ""
    held_out_sha256: str = ""
    width: int = 32
    hidden: int = 256
    augment: float = 0.5
    precision: Precision = "float32"
    half: bool = False
    snapshots: bool = False

    def __post_init__(self) -> None:
        checks = {
            "epochs must be at least 1": self.epochs >= 1,
            "batch-size must be at least 2": self.batch_size >= 2,
            "lr must be above 0 and finite": 0 < self.lr < float("inf"),
            "beta must be at least 0 and finite": 0 <= self.beta < float("inf"),
            "augment must be at least 0 and finite": 0 <= self.augment < float("inf"),
            f"seed must be from 0 to {LARGEST_SEED}": 0 <= self.seed <= LARGEST_SEED,
            f"precision must be one of {', '.join(get_args(Precision))}": self.precision in get_args(Precision),
        }
        for sentence, holds in checks.items():
            if not holds:
                name = sentence.split()[0].replace("-", "_")
                raise TrainingError(f"{sentence}, got {getattr(self, name)!r}.")


@dataclass(frozen=True)
class Worker:
    """One process among those that train together; alone unless started by ``torchrun``."""

    rank: int = 0
    world_size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the one process that evaluates, prints and writes."""
        return self.rank == 0


def train(
    recipe: Recipe,
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    out: Path,
    *,
    device: torch.device,
    labels: NDArray[np.uint8] | None = None,
    started: Checkpoint | None = None,
    worker: Worker = Worker(),
    show: Callable[[str], None] = print,
) -> Checkpoint:
    """Train by ``recipe`` on the first of ``images`` (training, test), each (n, height, width[, channels]) uint8.

    ``out`` holds a file that loads from the first moment on, and after every epoch the newest one;
    ``started`` is such a file's content, to go on from; ``labels`` (test,) of the test images are kept with the
    snapshots, if there are any, and are 0 where they are not given. Returns the finished checkpoint. Raises
    `CheckpointError` where ``out`` cannot be written, `TrainingError` where the loss is no longer finite,
    `ArgumentError` where codes or pictures are too large for snapshots.
    """
    config = (started and started.config) or configure(recipe, images[0])
    train_x, test_x = (as_channels_first(part, config.image_shape).to(device) for part in images)
    model = initial_model(config, recipe.seed)
    if started:
        model.load_state_dict(started.state)
    model.to(device).to(memory_format=torch.channels_last)  # two thirds of the time of an epoch, on a processor
    steps_an_epoch = max(1, len(train_x) // recipe.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    if device.type == "cpu":
        leave_gpus_alone(optimizer)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=recipe.epochs * steps_an_epoch + 1, pct_start=0.15
    )
    if started and started.progress:
        optimizer.load_state_dict(started.progress["optimizer"])
        scheduler.load_state_dict(started.progress["scheduler"])
    network: nn.Module = nn.parallel.DistributedDataParallel(model) if worker.world_size > 1 else model
    objective = Objective(recipe.kind, recipe.beta)
    history = list(started.history) if started else []

    film = started.snapshots if started else None
    if recipe.snapshots and worker.writes and not started:
        known = np.zeros(len(images[1]), np.uint8) if labels is None else labels
        film = filmed(Snapshots.plan(known, config.latent_dim, images[1].shape[1:]), 0, model, images[1])

    def current() -> Checkpoint:
        progress = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
        state = {name: part.contiguous() for name, part in model.state_dict().items()}
        return Checkpoint(config, state, list(history), recipe=asdict(recipe), progress=progress, snapshots=film)

    if worker.writes and not started:
        checkpoint.save(out, current())

    with progress_bar(recipe.epochs * steps_an_epoch, len(history) * steps_an_epoch, worker, show) as (advance, say):
        for epoch in range(len(history), recipe.epochs):
            start = time.perf_counter()
            model.train()
            generator = epoch_generator(recipe.seed, epoch, worker)
            deforming = recipe.augment > 0 and epoch < recipe.epochs * (1 - PLAIN_SHARE)
            total = torch.zeros((), device=device)
            for step, batch in enumerate(epoch_batches(len(train_x), recipe, epoch, worker)):
                x = to_unit_range(train_x[batch.to(device)])
                if deforming:
                    x = deform(x, recipe.augment, generator)
                noise = None
                if recipe.kind == "vae":
                    noise = torch.randn(len(x), recipe.latent_dim, generator=generator).to(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                    x_hat, mu, logvar = network(x, noise)
                loss = objective(x, x_hat.float(), mu.float(), None if logvar is None else logvar.float())
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                scheduler.step()
                total += loss.detach()
                advance(epoch, step, total)
            train_loss = mean_over_workers(total / steps_an_epoch, worker)
            if not np.isfinite(train_loss):
                raise TrainingError(
                    f"The loss of epoch {epoch + 1} is not finite: try a smaller --lr than {recipe.lr:g}, or less of "
                    f"--beta and --augment. {out} holds the epochs before it."
                )
            if worker.writes:
                scores = evaluate(model, test_x, objective)
                seconds = time.perf_counter() - start
                history.append({"epoch": epoch + 1, "train_loss": train_loss, **scores, "seconds": round(seconds, 2)})
                if film is not None:
                    film = filmed(film, epoch + 1, model, images[1])
                checkpoint.save(out, current())
                say(epoch_line(history[-1], recipe.epochs))
            if worker.world_size > 1:
                dist.barrier()

    if recipe.half:
        model.half().float()  # rounded before it is scored: the scores are those of the file
        if film is not None and worker.writes:
            film = filmed(film, recipe.epochs, model, images[1])
    last = history[-1] if history and not recipe.half else evaluate(model, test_x, objective)
    finished = replace(current(), scores={"test_mse": last["test_mse"]}, progress={})
    if recipe.half:
        finished = replace(
            finished, state={k: t.half() if t.is_floating_point() else t for k, t in finished.state.items()}
        )
    return checkpoint.save(out, finished) if worker.writes else finished


def epoch_line(row: dict[str, float], epochs: int) -> str:
    """One line for a row of the history."""
    return (
        f"epoch {row['epoch']}/{epochs}  train loss {row['train_loss']:.5f}  "
        f"test loss {row['test_loss']:.5f}  test MSE {row['test_mse']:.5f}  {row['seconds']:.1f} s"
    )


@dataclass(frozen=True)
class Objective:
    """The loss: mean squared error a pixel; for a VAE plus ``beta`` times the KL divergence in nats, over the pixels.

    A beta-VAE (Higgins et al. 2017); what its loss implies of the pixels is `likelihood.of_weighted_error`.
    """

    kind: Kind
    beta: float

    def __call__(self, x: Tensor, x_hat: Tensor, mu: Tensor, logvar: Tensor | None) -> Tensor:
        error = F.mse_loss(x_hat, x)
        return error if logvar is None else error + self.beta * kl(mu, logvar).mean() / x[0].numel()


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence in nats of N(mu, exp(logvar)) from N(0, 1), (n,). Kingma & Welling 2014, appendix B."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(dim=1)


@torch.no_grad()
def evaluate(model: Autoencoder, x: Tensor, objective: Objective) -> dict[str, float]:
    """``test_loss`` and ``test_mse`` of uint8 images ``x``, a VAE decoding its mean code."""
    model.eval()
    sums = {"test_loss": 0.0, "test_mse": 0.0}
    for start in range(0, len(x), EVALUATION_BATCH):
        batch = to_unit_range(x[start : start + EVALUATION_BATCH])
        x_hat, mu, logvar = model(batch)
        sums["test_loss"] += objective(batch, x_hat, mu, logvar).item() * len(batch)
        sums["test_mse"] += F.mse_loss(x_hat, batch).item() * len(batch)
    return {name: value / len(x) for name, value in sums.items()}


def filmed(film: Snapshots, epoch: int, model: Autoencoder, test_images: NDArray[np.uint8]) -> Snapshots:
    """The film with what the model makes of the first test images now."""
    model.eval()
    z = inference.encode(model, test_images[: film.n_images])
    return film.after(epoch, z, inference.decode(model, z[: film.n_pictures]))


def configure(recipe: Recipe, images: NDArray[np.uint8]) -> AutoencoderConfig:
    """The network for these images. Raises `TrainingError` where its file would be too large to be opened."""
    channels = images.shape[3] if images.ndim == 4 else 1
    config = AutoencoderConfig(
        recipe.kind, recipe.latent_dim, (channels, images.shape[1], images.shape[2]), recipe.width, recipe.hidden
    )
    with torch.device("meta"):  # which counts weights without any memory for them
        n = sum(weights.numel() for weights in Autoencoder(config).parameters())
    if n * BYTES_A_WEIGHT > files.LARGEST_FILE:
        raise TrainingError(
            f"A network of {n:,} weights is too large, the most is {files.LARGEST_FILE // BYTES_A_WEIGHT:,}: choose a "
            "smaller --latent-dim, --width or --hidden."
        )
    return config


def initial_model(config: AutoencoderConfig, seed: int) -> Autoencoder:
    """A network whose first weights follow from the seed; the global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Autoencoder(config)


def epoch_generator(seed: int, epoch: int, worker: Worker) -> torch.Generator:
    """The source of an epoch's deformations and noise, another one for every process."""
    entropy = np.random.SeedSequence([seed, epoch, worker.rank]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(entropy))


def epoch_batches(n: int, recipe: Recipe, epoch: int, worker: Worker) -> Iterator[Tensor]:
    """Indices of an epoch's batches in random order; of each batch, this process's share."""
    order = torch.randperm(n, generator=epoch_generator(recipe.seed, epoch, Worker()))
    for start in range(0, max(1, n - recipe.batch_size + 1), recipe.batch_size):
        yield order[start : start + recipe.batch_size][worker.rank :: worker.world_size]


def mean_over_workers(value: Tensor, worker: Worker) -> float:
    """The mean of a number that every process has one of."""
    if worker.world_size > 1:
        dist.all_reduce(value)
        value /= worker.world_size
    return value.item()


@contextlib.contextmanager
def progress_bar(
    total: int, initial: int, worker: Worker, show: Callable[[str], None]
) -> Iterator[tuple[Callable[[int, int, Tensor], None], Callable[[str], None]]]:
    """A bar with loss and time left on a terminal; elsewhere only the line an epoch that ``say`` prints."""
    if not (worker.writes and sys.stderr.isatty()):
        yield lambda epoch, step, loss: None, show
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=initial, unit="batch", dynamic_ncols=True) as bar:

        def advance(epoch: int, step: int, loss: Tensor) -> None:
            if step % 10 == 0:  # reading the loss waits for the device
                bar.set_postfix_str(f"epoch {epoch + 1}, loss {loss.item() / (step + 1):.5f}", refresh=False)
            bar.update()

        yield advance, bar.write


def leads() -> bool:
    """Whether this process is the first of those that ``torchrun`` started, or alone."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def process_group(device: torch.device, patience: timedelta | None = None) -> Iterator[Worker]:
    """The place among the processes that ``torchrun`` started; without it, alone.

    ``patience`` is how long one waits for the others, by default as long as PyTorch's own.
    """
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield Worker()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)
    try:
        yield Worker(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def parser() -> argparse.ArgumentParser:
    """The command line; an option not given is absent, so that ``--resume`` can tell it from one that was."""
    p = argparse.ArgumentParser(
        "python -m latent.train", description="Train an autoencoder.", argument_default=argparse.SUPPRESS
    )
    default = Recipe()

    def option(name: str, text: str, **more: Any) -> None:
        p.add_argument(f"--{name}", help=f"{text} (default {getattr(default, name.replace('-', '_'))})", **more)

    option("kind", "kind of autoencoder: plain or variational", choices=get_args(Kind))
    option("latent-dim", "latent dimensions", type=int)
    option("beta", "weight of the KL term of a VAE", type=float)
    option("epochs", "passes over the training images", type=int)
    option("batch-size", "images per step, over all processes", type=int)
    option("lr", "highest learning rate of the one-cycle schedule", type=float)
    option("seed", "random seed", type=int)
    option("dataset", "data set of torchvision", choices=data.DATASETS)
    option("width", "channels of the first convolution", type=int)
    option("hidden", "units of the dense layers", type=int)
    option("augment", "strength of the random deformations, 0 for none", type=float)
    option(
        "precision",
        "precision of the arithmetic; bfloat16 is faster on processors that have it",
        choices=get_args(Precision),
    )
    p.add_argument("--half", action="store_true", help="store the finished weights as float16, half the size")
    p.add_argument(
        "--snapshots", action="store_true",
        help="record the codes of 1,000 test images and 32 reconstructions per epoch in the file, at most 1 MB",
    )  # fmt: skip
    p.add_argument(
        "--data", type=Path,
        help="your own images: a folder of them, a zip of one, an .npz or .npy file, or MNIST's idx files; with "
        "--dataset, the folder into which that is downloaded when missing (default data)",
    )  # fmt: skip
    p.add_argument("--device", help="cuda, mps or cpu (default: the best available)")
    p.add_argument("--out", type=Path, help="the checkpoint file (default checkpoints/KIND-LATENT_DIM.pt)")
    p.add_argument(
        "--resume", action="store_true", help="resume the training run in --out from its last finished epoch"
    )
    return p


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    given = vars(parser().parse_args(arguments))
    recipe_given = {f.name: given[f.name] for f in fields(Recipe) if f.name in given}
    try:
        recipe = Recipe(**recipe_given)
        out = given.get("out", Path("checkpoints") / f"{recipe.kind}-{recipe.latent_dim}{checkpoint.SUFFIX}")
        if leads():
            files.check_output(out)
            files.check_temporary_folder()  # which PyTorch's optimisers look for
        with files.held(out) if leads() else contextlib.nullcontext():
            files.remove_unfinished(out)
            started = continued(out, recipe_given) if given.get("resume") else None
            if started:
                recipe = Recipe(**started.recipe)
                if started.scores:
                    print(f"{out}: already complete, all {recipe.epochs} epochs are done.")
                    return 0
            elif os.path.exists(out):
                raise TrainingError(f"{out} exists: add --resume to resume it, or choose another --out.")
            device = chosen_device(given.get("device"))
            with process_group(device) as worker:
                if names_torchvision(given, recipe):
                    images = Images.of_torchvision(recipe.dataset, given.get("data", Path("data")), worker)
                else:
                    images = Images.of_path(given["data"], worker)
                recipe = images.recorded(recipe, out, resumed=started is not None)
                finished = train(
                    recipe, (images.training.images, images.held_out.images), out, device=device,
                    labels=images.labels, started=started, worker=worker,
                )  # fmt: skip
                if worker.writes:
                    print(f"{out}: test MSE {finished.scores['test_mse']:.5f}, sha256 {finished.sha256}")
    except KeyboardInterrupt:
        left = f"{out} holds the last finished epoch; add --resume to resume." if os.path.exists(out) else ""
        print(f"\nStopped. {left}".rstrip(), file=sys.stderr)
        return STOPPED
    return 0


def continued(out: Path, given: dict[str, Any]) -> Checkpoint:
    """The run in ``out``. Raises `TrainingError` where it holds none, or an option asks for another one."""
    started = checkpoint.load(out) if checkpoint.is_own(out) else None
    if started is None or not started.recipe:
        raise TrainingError(f"{out} was not trained by this command, so there is nothing to resume.")
    recipe = asdict(Recipe()) | started.recipe  # files from before an option was there have its default
    for name, value in given.items():
        if recipe[name] != value:
            option = name.replace("_", "-")
            raise TrainingError(
                f"{out} was started with --{option} {recipe[name]}, not {value}: leave --{option} out to resume it, "
                "or train into another --out."
            )
    return started


@dataclass(frozen=True)
class Images:
    """The images that a network is trained on, those ``held_out`` on which it is scored, and the hash of all."""

    training: Dataset
    held_out: Dataset
    sha256: str

    @classmethod
    def of_path(cls, path: Path, worker: Worker) -> Images:
        """Of a file or folder that `dataset.read` reads; every model of the same images is scored on the same ones.

        Raises `DataError` where it holds no images, or too few.
        """
        found = dataset.read(path, training=True)
        training, held_out = found.split()
        if len(training) < 2 * worker.world_size:  # what is normalised over a batch needs two images
            raise TrainingError(f"{len(training)} training images are too few for {worker.world_size} processes.")
        if worker.writes:
            height, width = found.images.shape[1:3]
            print(
                f"{found.name}: {len(training):,} images of {width} × {height} pixels to train on, {len(held_out):,} "
                f"held out. {found.note}".rstrip()
            )
        return cls(training, held_out, found.sha256)

    @classmethod
    def of_torchvision(cls, name: str, folder: Path, worker: Worker) -> Images:
        """Of a data set of torchvision, scored on its test images; one process downloads, the others wait for it."""
        if not worker.writes:
            dist.barrier()
        training, held_out = (whole_part(name, folder, train=train) for train in (True, False))
        if worker.writes and worker.world_size > 1:
            dist.barrier()
        return cls(training, held_out, training.sha256)

    @property
    def labels(self) -> NDArray[np.uint8] | None:
        """The classes of the images held out, as the snapshots keep them; None where there are none, or above 256."""
        labels = self.held_out.labels
        return None if labels is None or len(self.held_out.classes) > 256 else labels.astype(np.uint8)

    def recorded(self, recipe: Recipe, out: Path, *, resumed: bool) -> Recipe:
        """The recipe with what identifies these images. Raises `TrainingError` where a run is resumed with others."""
        if resumed and recipe.dataset_sha256 not in ("", self.sha256):
            raise TrainingError(
                f"{out} was started with other images, of the set {label(recipe.dataset)}: resume it with the same "
                "--data, or train into another --out."
            )
        return replace(
            recipe, dataset=self.training.name, dataset_sha256=self.sha256, held_out_sha256=self.held_out.sha256
        )


def whole_part(name: str, folder: Path, *, train: bool) -> Dataset:
    """The training or test part of a data set of torchvision, all of it; MNIST's test images ship."""
    if name == dataset.shipped().name and not train:
        return dataset.shipped()
    images, labels = data.load_dataset(name, folder, train=train)
    return Dataset(name, images, labels, data.class_names(name), f"the images of {name}")


def names_torchvision(given: dict[str, Any], recipe: Recipe) -> bool:
    """Whether the command line asks for a data set of torchvision: by its name, or by a folder that holds it.

    Raises `TrainingError` where a run on other images is resumed without naming them.
    """
    if "data" not in given and recipe.dataset not in data.DATASETS:
        raise TrainingError(f"This run was trained on {label(recipe.dataset)}: name its images again, with --data.")
    return "dataset" in given or "data" not in given or os.path.isdir(given["data"] / recipe.dataset / "raw")


def chosen_device(name: str | None) -> torch.device:
    """The device asked for, or the best one that works; of several GPUs the one that is this process's."""
    if name is None:
        device, complaint = device_that_works()
        if complaint and leads():
            print(complaint, file=sys.stderr)
        return own_gpu(device)
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # of a device without memory, such as "meta", that fails
    except (RuntimeError, AssertionError) as error:  # what torch raises for a name or a device that is not there
        raise TrainingError(f"The device {name!r} cannot be used on this machine; try --device cpu.") from error
    return own_gpu(device)


def own_gpu(device: torch.device) -> torch.device:
    """Of several GPUs the one that is this process's."""
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device


if __name__ == "__main__":
    sys.exit(main())
