"""Training, beside a bare loop over the same network and beside pythae's trainer."""

import contextlib
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.comparison import Row, compare
from benchmarks.computing import in_pythae, quietly
from latent import data
from latent.train import Recipe, configure, initial_model, train

N_TRAINING, N_TEST = 4096, 512  # of the digits that come with the clone
RECIPE = Recipe(epochs=1, augment=0.0)  # the others deform nothing
PAIRS = 3


def training(checkpoint: Path) -> list[Row]:
    """One epoch of the same work on either side: train, then evaluate. ``checkpoint`` is not needed."""
    digits, _ = data.evaluation_digits()
    train_x, test_x = digits[:N_TRAINING], digits[N_TRAINING : N_TRAINING + N_TEST]
    x, x_test = (torch.from_numpy(part[:, None].copy()).float().div_(255) for part in (train_x, test_x))
    network = initial_model(configure(RECIPE, digits), 0)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "trained.pt"
            train(RECIPE, (train_x, test_x), out, device=torch.device("cpu"), show=lambda line: None)

    def bare() -> None:
        optimizer = torch.optim.AdamW(network.parameters(), RECIPE.lr, fused=True)
        network.train()
        for batch in torch.randperm(N_TRAINING).split(RECIPE.batch_size):
            loss = F.mse_loss(network(x[batch])[0], x[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for part in x_test.split(500):
                F.mse_loss(network(part)[0], part).item()

    rows = [as_images(compare("training", "bare torch loop, same network", 0.97, ours, bare, pairs=PAIRS))]
    trainers = quietly("pythae.trainers")
    pythae = lambda: in_trainer(trainers, network, x, x_test)  # noqa: E731
    return [*rows, as_images(compare("training", "pythae's trainer, same network", 1.0, ours, pythae, pairs=PAIRS))]


def in_trainer(trainers: Any, network: Any, x: torch.Tensor, x_test: torch.Tensor) -> None:
    """The same epoch by pythae's trainer."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = trainers.BaseTrainerConfig(
            output_dir=folder, num_epochs=1, learning_rate=RECIPE.lr, optimizer_cls="AdamW", no_cuda=True,
            per_device_train_batch_size=RECIPE.batch_size, per_device_eval_batch_size=500,
        )  # fmt: skip
        dataset = __import__("pythae.data.datasets", fromlist=["BaseDataset"]).BaseDataset
        trainers.BaseTrainer(
            in_pythae(network.train()), dataset(x, torch.ones(len(x))), dataset(x_test, torch.ones(len(x_test))), config
        ).train()


def as_images(row: Row) -> Row:
    """Milliseconds an epoch as images a second: more is better."""
    rate = 1000 * N_TRAINING
    return replace(
        row, unit="images/s", ours=rate / row.ours, peer=rate / row.peer, figure=1 / row.figure, at_least=True
    )
