"""One file holds a trained autoencoder: configuration, weights, training history and scores.

The file is a plain dictionary of plain values and tensors, so that ``torch.load(path, weights_only=True)``
reads it anywhere, without this package.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent.errors import ArgumentError, CheckpointError
from latent.model import Autoencoder, AutoencoderConfig

FORMAT = "latent-space-explorer/1"
SUFFIX = ".pt"
LARGEST_FILE = 512 * 1024**2  # bytes


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

    ``state`` the weights by name; ``history`` a row an epoch (epoch, train_loss, test_loss, test_mse, seconds);
    ``scores`` of the finished model (test_mse: mean squared error a pixel, pixels in [0, 1]); ``recipe`` the
    options it was trained with; ``progress`` what `latent.train` needs to go on, empty once training is finished;
    ``sha256`` of the file, empty before it is saved.
    """

    config: AutoencoderConfig
    state: dict[str, Tensor]
    history: list[dict[str, float]] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def model(self) -> Autoencoder:
        """The network with these weights, in evaluation mode, on the CPU.

        Raises `CheckpointError` where the weights do not fit the configuration.
        """
        with torch.device("meta"):  # costs no memory whatever the configuration says; the weights are put in whole
            model = Autoencoder(self.config)
        expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in self.state.items()}
        for name in expected.keys() | found.keys():
            if expected.get(name) != found.get(name):
                raise CheckpointError(
                    f"The weights do not fit the configuration: {name} is expected to be "
                    f"{expected.get(name, 'absent')} and is {found.get(name, 'absent')}."
                )
        state = {name: t.float() if t.is_floating_point() else t for name, t in self.state.items()}
        model.load_state_dict(state, assign=True)
        return model.requires_grad_(False).eval()


def find(folder: str | Path) -> list[Path]:
    """The checkpoint files of a folder, numbers in names in counting order (ae-2 before ae-16).

    Raises `CheckpointError` where the folder cannot be read.
    """
    folder = Path(folder)
    try:
        files = [path for path in folder.iterdir() if path.suffix == SUFFIX and path.is_file()]
    except OSError as error:
        raise CheckpointError(f"The checkpoint folder {folder} cannot be read: {error.strerror}.") from error
    return sorted(
        files, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)]
    )


def fingerprint(path: str | Path) -> str:
    """SHA-256 of the file, in hexadecimal. Raises `CheckpointError` where it cannot be read."""
    return hashlib.sha256(read(path)).hexdigest()


def load(path: str | Path) -> Checkpoint:
    """The checkpoint in a file; nothing from the file is executed.

    Raises `CheckpointError` for a file that is missing, damaged, or not of this format.
    """
    path = Path(path)
    content = read(path)
    try:
        values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's own text recommends unsafe loading, so it is not repeated
        raise CheckpointError(
            f"{path.name} cannot be read as a checkpoint: it is damaged, cut short, or not a file of tensors."
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(
            f"{path.name} holds no {FORMAT} checkpoint: train one with python -m latent.train, or open another file."
        )
    try:
        checkpoint = Checkpoint(
            config=AutoencoderConfig.from_dict(values["config"]),
            **{name: values[name] for name in ("state", "history", "scores", "recipe", "progress")},
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for name, tensor in checkpoint.state.items():
            if not torch.isfinite(tensor).all():
                raise CheckpointError(f"{path.name}: the weight {name} is not finite; the training run diverged.")
    except (KeyError, TypeError, AttributeError, ArgumentError) as error:
        raise CheckpointError(f"{path.name} is not a whole {FORMAT} checkpoint: {error}.") from error
    return checkpoint


def save(path: str | Path, checkpoint: Checkpoint) -> Checkpoint:
    """Write the file in one step (at no moment is there half a file) and return the checkpoint with its SHA-256.

    Raises `CheckpointError` where the folder cannot be written.
    """
    values = {"format": FORMAT, "config": checkpoint.config.to_dict()}
    values |= {name: getattr(checkpoint, name) for name in ("state", "history", "scores", "recipe", "progress")}
    buffer = io.BytesIO()
    torch.save(values, buffer)
    write_atomically(Path(path), buffer.getvalue())
    return replace(checkpoint, sha256=hashlib.sha256(buffer.getvalue()).hexdigest())


def read(path: str | Path) -> bytes:
    """The bytes of a file no larger than `LARGEST_FILE`. Raises `CheckpointError` where they cannot be had."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CheckpointError(f"{path.name} is larger than {LARGEST_FILE // 1024**2} MB.")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the file, flush to the disk, then rename over it: readers see the old or the new, never a part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}.") from error
