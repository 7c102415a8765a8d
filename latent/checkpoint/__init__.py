"""One file holds a trained autoencoder: configuration, weights, training history and scores.

The file is a plain dictionary of plain values and tensors, so that ``torch.load(path, weights_only=True)``
reads it anywhere, without this package.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent import files
from latent.errors import CheckpointError
from latent.files import label
from latent.foreign import container, formats, search
from latent.foreign.certainty import Certainty
from latent.foreign.network import Network
from latent.foreign.reading import Reading
from latent.foreign.search import Scored
from latent.model import Autoencoder, AutoencoderConfig
from latent.snapshots import Snapshots

NO_MODELS = (".results", ".npy", ".jsonl", ".done", ".tmp", ".lock")  # our own files, and those being written
FORMAT = "latent-space-explorer/1"
SUFFIX = ".pt"
PARTS = ("state", "history", "scores", "recipe", "progress")


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

    ``config`` of our own network, or None where ``scored`` says how somebody else's is read: the readings that were
    tried, best first. ``state`` the weights by name; ``history`` a row an epoch (epoch, train_loss, test_loss,
    test_mse, seconds); ``scores`` of the finished model (test_mse: mean squared error per pixel, pixels in [0, 1]);
    ``recipe`` the options it was trained with; ``progress`` what `latent.train` needs to go on, empty once training
    is finished; ``snapshots`` the film of the training run, where one was kept; ``sha256`` of the file, empty before
    it is saved; ``container`` the kind of file, for people; ``path`` where it is, if it came from a file;
    ``left_aside`` the parts of the file that hold tensors and are not the model.
    """

    config: AutoencoderConfig | None
    state: dict[str, Tensor]
    history: list[dict[str, float]] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    snapshots: Snapshots | None = field(default=None, repr=False)
    sha256: str = ""
    scored: list[Scored] = field(default_factory=list, repr=False)
    container: str = "latent checkpoint"
    path: Path | None = None
    left_aside: tuple[str, ...] = ()

    @property
    def certainty(self) -> Certainty | None:
        """How sure the reading is; None for our own networks, and where a person has chosen another reading."""
        return self.scored[0].certainty if self.scored else None

    def overruled(self, reading: Reading) -> Checkpoint:
        """The same file, read another way; its error is not known yet (NaN)."""
        return replace(self, scored=[Scored(reading, float("nan")), *self.scored])

    def model(self) -> Autoencoder | Network:
        """The network with these weights, in evaluation mode, on the CPU.

        Raises `CheckpointError` where the weights do not fit the configuration.
        """
        if self.config is None:
            return Network(self.scored).eval()
        with torch.device("meta"):  # costs no memory whatever the configuration says; the weights are put in whole
            model = Autoencoder(self.config)
        expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in self.state.items()}
        for name in expected.keys() | found.keys():
            if expected.get(name) != found.get(name):
                raise CheckpointError(
                    f"The weights do not fit the configuration: {name} is {found.get(name, 'absent')}, expected "
                    f"{expected.get(name, 'absent')}."
                )
        state = {name: t.float() if t.is_floating_point() else t for name, t in self.state.items()}
        model.load_state_dict(state, assign=True)
        return model.requires_grad_(False).eval()


def find(folder: str | Path) -> list[Path]:
    """The model files of a folder and of the folders in it, those of the folder itself first; numbers in names in
    counting order (ae-2 before ae-16).

    A file is one by the end of its name, in any case of letters, or by its first bytes. Raises `CheckpointError` where
    the folder cannot be read; a folder in it that cannot be read is passed over.
    """
    folder = Path(folder)
    try:
        found, folders = look_through(folder)
    except OSError as error:
        raise CheckpointError(f"The model folder {folder} cannot be read: {error.strerror}.") from error
    for each in folders:
        with suppress(OSError):
            found += look_through(each)[0]
    return sorted(found, key=lambda path: (len(path.parts), counting_order(str(path.with_suffix("")))))


def look_through(folder: Path) -> tuple[list[Path], list[Path]]:
    """The model files of a folder, and the folders in it; hidden ones are neither. Raises `OSError`."""
    found, folders = [], []
    with os.scandir(folder) as entries:  # which tells files from folders without asking for each
        for entry in entries:
            with suppress(OSError):  # one that is gone, or a link that leads in a circle
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                elif entry.is_file() and is_model_file(entry):
                    found.append(folder / entry.name)
    return found, folders


def is_model_file(entry: os.DirEntry[str]) -> bool:
    """Whether a file of a folder is offered: by its name, or else by how it begins."""
    name = entry.name.lower()
    if name.endswith(formats.suffixes()):
        return True
    if name.endswith(NO_MODELS):
        return False
    status = entry.stat()
    return begins_as_model(entry.path, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=4096)
def begins_as_model(path: str, stamp: tuple[int, ...]) -> bool:
    """Whether a file begins as a format of weights does; looked at again where its stamp is another."""
    with suppress(OSError, CheckpointError):
        return formats.begins_as_one(Path(path))
    return False


def counting_order(text: str) -> list[tuple[str, int]]:
    """What sorts texts as people do, every number in them by its value.

    >>> sorted(["ae-16", "ae-2", "ae-16²"], key=counting_order)
    ['ae-2', 'ae-16', 'ae-16²']
    """
    parts = re.split(r"(\d+)", text)  # texts and numbers take turns
    return [(text, int(number)) for text, number in zip(parts[::2], [*parts[1::2], "-1"])]


def fingerprint(path: str | Path) -> str:
    """SHA-256 of the file, in hexadecimal. Raises `CheckpointError` where it cannot be read."""
    return hashlib.sha256(files.read(path)).hexdigest()


def load(path: str | Path, within: Path | None = None) -> Checkpoint:
    """The checkpoint in a file, our own or anybody's; nothing from the file is executed.

    With ``within``, the file must lie in that folder, also where it is a link.

    Raises `CheckpointError` for a file that is missing, damaged, or holds no autoencoder that can be worked out.
    """
    path = Path(path)
    return replace(parse(files.read(path, within), path.name), path=path)


def is_own(path: str | Path) -> bool:
    """Whether a file is of our own format. Raises `CheckpointError` where it cannot be read."""
    values = container.open_container(Path(path)).content
    return isinstance(values, dict) and values.get("format") == FORMAT


def parse(content: bytes, name: str) -> Checkpoint:
    """The checkpoint in the bytes of a file, as `load` does; ``name`` is for sentences about it."""
    opened = container.parse(content, name)
    values, sha256 = opened.content, hashlib.sha256(content).hexdigest()
    if isinstance(values, dict) and values.get("format") == FORMAT:
        return own(values, name, sha256)
    tensors = opened.tensors()
    try:
        scored = search.read(tensors, opened.modules(), opened.unread())
    except CheckpointError as error:
        raise CheckpointError(f"{label(name)} cannot be explored: {error}.") from error
    aside = opened.left_aside()
    return Checkpoint(None, tensors, sha256=sha256, scored=scored, container=opened.format, left_aside=aside)


def own(values: dict[Any, Any], name: str, sha256: str) -> Checkpoint:
    """The checkpoint in the values of a file of our own format."""
    try:
        state = values["state"]
        for weight, tensor in state.items():
            if not torch.isfinite(tensor).all():
                raise CheckpointError(f"{label(name)}: the weight {weight} is not finite; the training run diverged.")
        parts = {part: values[part] for part in PARTS}
        if "reading" in values:
            reading, error = Reading.from_dict(values["reading"], state), float(values["scores"]["test_mse"])
            certainty = Certainty.from_dict(values["certainty"]) if "certainty" in values else None
            scored = [Scored(reading, error, certainty=certainty)]
            return Checkpoint(None, **parts, sha256=sha256, scored=scored)
        config = AutoencoderConfig.from_dict(values["config"])
        film = own_snapshots(values["snapshots"], config, name) if "snapshots" in values else None
        return Checkpoint(config, **parts, snapshots=film, sha256=sha256)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{label(name)} is an incomplete or damaged {FORMAT} checkpoint: {error}.") from error


def own_snapshots(tensors: dict[str, Any], config: AutoencoderConfig, name: str) -> Snapshots:
    """The film in a file of our own format."""
    try:
        film = Snapshots.from_arrays(
            {part: tensor.numpy() for part, tensor in tensors.items() if isinstance(tensor, Tensor)}
        )
        if film.levels.shape[2] != config.latent_dim:
            raise CheckpointError(
                f"its codes have {film.levels.shape[2]} numbers, those of the model {config.latent_dim}"
            )
    except CheckpointError as error:
        raise CheckpointError(f"{label(name)}: the snapshots of its training are damaged: {error}.") from error
    return film


def save(path: str | Path, checkpoint: Checkpoint) -> Checkpoint:
    """Write the file in one step (at no moment is there half a file) and return the checkpoint with its SHA-256.

    Raises `CheckpointError` where the folder cannot be written.
    """
    content = to_bytes(checkpoint)
    files.write_atomically(Path(path), content)
    return replace(checkpoint, sha256=hashlib.sha256(content).hexdigest())


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as a file of our own format."""
    values: dict[str, Any] = {"format": FORMAT} | {name: getattr(checkpoint, name) for name in PARTS}
    if checkpoint.config is None:
        values["reading"] = checkpoint.scored[0].reading.to_dict()
        if checkpoint.certainty is not None:
            values["certainty"] = checkpoint.certainty.to_dict()
    else:
        values["config"] = checkpoint.config.to_dict()
    if checkpoint.snapshots is not None:
        values["snapshots"] = {name: torch.from_numpy(a) for name, a in checkpoint.snapshots.to_arrays().items()}
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()
