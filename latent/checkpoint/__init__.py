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
from latent.checkpoint.pythae import Config, config_beside, is_part_of_another
from latent.dataset import Dataset
from latent.errors import CheckpointError, DataError, NoReadingError
from latent.files import label
from latent.foreign import container, formats, keras_graph, search
from latent.foreign.certainty import Certainty
from latent.foreign.container import Container
from latent.foreign.described import Described, Description
from latent.foreign.halves import Halves, halves_of, joined
from latent.foreign.network import Network
from latent.foreign.reading import Reading
from latent.foreign.search import Examples, Scored
from latent.likelihood import Likelihood, of_weighted_error
from latent.model import Autoencoder, AutoencoderConfig
from latent.snapshots import Snapshots

NO_MODELS = (".results", ".npy", ".jsonl", ".done", ".tmp", ".lock")  # our own files, and those being written
DEEPEST, MOST_FOLDERS = 4, 200  # folders within the model folder
FORMAT = "latent-space-explorer/1"
SUFFIX = ".pt"
File = tuple[str, bytes]  # a file's name and its content
PARTS = ("state", "history", "scores", "recipe", "progress")


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

    ``config`` of our own network; or None where ``described`` is what the file says of itself, or where ``scored``
    says how somebody else's weights are read: the readings that were tried, best first. ``state`` the weights by
    name; ``history`` a row an epoch (epoch, train_loss, test_loss, test_mse, seconds); ``scores`` of the finished
    model (test_mse: mean squared error per pixel, pixels in [0, 1]); ``recipe`` the options it was trained with;
    ``progress`` what `latent.train` needs to go on, empty once training is finished; ``snapshots`` the film of the
    training run, where one was kept; ``sha256`` of the file, empty before it is saved; ``container`` the kind of
    file, for people; ``path`` where it is, if it came from a file;
    ``left_aside`` the parts of the file that hold tensors and are not the model; ``images`` those to judge the model
    by, where the file has them; ``said_likelihood`` what a configuration beside the file says of its loss.
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
    described: Description | None = field(default=None, repr=False)
    container: str = "latent checkpoint"
    path: Path | None = None
    left_aside: tuple[str, ...] = ()
    images: Dataset | None = field(default=None, repr=False)
    said_likelihood: Likelihood | None = None

    @property
    def certainty(self) -> Certainty | None:
        """How sure the reading is; None for our own networks, and where a person has chosen another reading."""
        return self.scored[0].certainty if self.scored else None

    @property
    def likelihood(self) -> Likelihood | None:
        """What a VAE's loss implies of the pixels, where the file or a configuration beside it says the loss."""
        if self.config is not None and self.config.kind == "vae":
            return of_weighted_error(self.recipe.get("beta"))
        return self.said_likelihood

    def overruled(self, reading: Reading) -> Checkpoint:
        """The same file, read another way; its error is not known yet (NaN)."""
        return replace(self, scored=[Scored(reading, float("nan")), *self.scored])

    def model(self) -> Autoencoder | Network | Described:
        """The network with these weights, in evaluation mode, on the CPU.

        Raises `CheckpointError` where the weights do not fit the configuration.
        """
        if self.described is not None:
            return Described(self.described).eval()
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

    A file is one by the end of its name, in any case of letters, or by its first bytes; of an encoder and a decoder
    that lie side by side the decoder stands for both. Folders are gone through `DEEPEST` levels deep, as the runs of
    Lightning lie, and `MOST_FOLDERS` at most. Raises `CheckpointError` where the folder cannot be read; a folder in it
    that cannot be read is passed over.
    """
    folder = Path(folder)
    try:
        found, folders = look_through(folder)
    except OSError as error:
        raise CheckpointError(f"The model folder {folder} cannot be read: {error.strerror}.") from error
    n_folders = 0
    for _ in range(DEEPEST):
        inner: list[Path] = []
        for each in folders[: MOST_FOLDERS - n_folders]:
            n_folders += 1
            with suppress(OSError):
                files_in, folders_in = look_through(each)
                found += files_in
                inner += folders_in
        folders = inner
    offered = set(found)
    found = [path for path in found if not (is_encoder(path) and other_half(path) in offered)]
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
    return [path for path in found if not is_part_of_another(path)], folders


def is_model_file(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a file is offered: by its name, or else by how it begins."""
    name = entry.name.lower()
    if name.endswith(formats.suffixes()):
        return True
    if name.endswith(NO_MODELS):
        return False
    status = entry.stat()
    return begins_as_model(os.fspath(entry), (status.st_ino, status.st_size, status.st_mtime_ns))


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


HALVES = re.compile(
    r"(?<![A-Za-z])(?P<word>(?:en|de)c(?:oder)?)(?![a-z])|(?P<inner>(?<=[a-z])(?:En|De)coder)", re.IGNORECASE
)


def other_half(path: str | Path) -> Path | None:
    """The decoder that lies beside an encoder, or the encoder beside a decoder, by their names; None where none does,
    and where either is a whole model for all that it is called.

    >>> other_half("nowhere/vae_encoder.onnx") is None
    True
    """
    path = Path(path)
    with suppress(OSError, ValueError, CheckpointError):
        other = path.with_name(name_of_other_half(path.name))
        if other.is_file() and not any(is_whole_file(str(each), files.stamp(each)) for each in (path, other)):
            return other
    return None


@lru_cache(maxsize=4096)
def is_whole_file(path: str, stamp: tuple[int, ...]) -> bool:
    """`is_whole` for the file of this path; looked at again where its stamp is another. Raises `CheckpointError`."""
    return is_whole((os.path.basename(path), files.read(Path(path))))


def is_whole(file: File) -> bool:
    """Whether a file says that it holds a whole model: one of our own format, or a description that encodes and
    decodes. Weights alone say nothing of it."""
    name, content = file
    with suppress(CheckpointError):
        opened = container.parse(content, name)
        if opened.graph is not None:
            halves = halves_in(opened)
            return halves.encoder is not None and halves.decoder is not None
        return is_of_our_format(opened)
    return False


def name_of_other_half(name: str) -> str:
    """What the decoder is called that goes with an encoder's file, or the encoder with a decoder's; "" for others.

    >>> name_of_other_half("vae_encoder.onnx"), name_of_other_half("Decoder.pt"), name_of_other_half("decade.pt")
    ('vae_decoder.onnx', 'Encoder.pt', '')
    """
    swaps = {"enc": "dec", "dec": "enc", "Enc": "Dec", "Dec": "Enc", "ENC": "DEC", "DEC": "ENC"}
    found = list(HALVES.finditer(Path(name).stem))
    if len(found) != 1 or found[0][0][:3] not in swaps:
        return ""
    start = found[0].start()
    return f"{name[:start]}{swaps[name[start : start + 3]]}{name[start + 3 :]}"


def is_encoder(path: Path) -> bool:
    """Whether a file is called an encoder."""
    found = list(HALVES.finditer(path.stem))
    return len(found) == 1 and found[0][0].lower().startswith("enc")


def stamp(path: Path) -> tuple[int, ...]:
    """What is another one whenever the file, or the other half beside it, is another one. Raises `CheckpointError`."""
    others = [each for each in (other_half(path), config_beside(path)) if each]
    return sum(map(files.stamp, others), files.stamp(path))


def fingerprint(path: str | Path) -> str:
    """SHA-256 of the file, in hexadecimal; of both where encoder and decoder lie side by side.

    Raises `CheckpointError` where one cannot be read.
    """
    other = other_half(path)
    contents = [files.read(path), *([files.read(other)] if other else [])]
    return sha256_of(contents)


def sha256_of(contents: list[bytes]) -> str:
    """SHA-256 of these bytes, in whatever order."""
    digest = hashlib.sha256()
    for content in sorted(contents) if len(contents) > 1 else contents:
        digest.update(content)
    return digest.hexdigest()


def load(
    path: str | Path, within: Path | None = None, other: str | Path | None = None, images: Dataset | None = None
) -> Checkpoint:
    """The checkpoint in a file, our own or anybody's; nothing from the file is executed.

    Where an encoder and a decoder lie side by side (`other_half`), either opens both; ``other`` names the other half
    where it is called otherwise. What the file leaves open is judged by ``images``, the digits that ship by default.
    With ``within``, the files must lie in that folder, also where they are links.

    Raises `CheckpointError` for a file that is missing, damaged, or holds no autoencoder that can be worked out.
    """
    path = Path(path)
    beside = Path(other) if other is not None else other_half(path)
    content = files.read(path, within)
    if beside is None:
        return replace(told_by_config(parse(content, path.name, images), path, within), path=path)
    second = files.read(beside, within)
    try:
        return replace(parse_both((path.name, content), (beside.name, second), images), path=path)
    except CheckpointError as error:
        if other is not None:
            raise
        alone = parse(content, path.name, images)
        why = f"{alone.container}, without {label(beside.name)} beside it: {str(error).rstrip('.')}"
        return replace(alone, container=why, sha256=sha256_of([content, second]), path=path)


def told_by_config(loaded: Checkpoint, path: Path, within: Path | None) -> Checkpoint:
    """A file of pythae with what the configuration beside it says: its name, and whether its sizes are those found."""
    beside = config_beside(path)
    if beside is None or not loaded.scored:
        return loaded
    config = Config.parse(files.read(beside, within), beside.name)
    signature = loaded.model().signature
    doubt = config.doubt(signature.image_shape, signature.latent_dim)
    scored = [with_doubt(loaded.scored[0], doubt), *loaded.scored[1:]] if doubt else loaded.scored
    container = f"{loaded.container} of pythae ({config.describe()})"
    return replace(loaded, scored=scored, container=container, said_likelihood=config.likelihood)


def parse_both(first: File, second: File, images: Dataset | None = None) -> Checkpoint:
    """The model of which these files are the halves, as `load` opens them."""
    (name, content), (other_name, other_content) = first, second
    halves = container.parse(content, name), container.parse(other_content, other_name)
    return replace(both(*halves, images), sha256=sha256_of([content, other_content]))


def both(first: Container, second: Container, images: Dataset | None = None) -> Checkpoint:
    """An encoder and a decoder from two files as one model; what they leave open is judged by these images.

    Raises `CheckpointError` where they are no such.
    """
    graphs = [each.graph for each in (first, second)]
    names = f"{first.format} of {label(first.name)} and {label(second.name)}"
    if graphs[0] is not None and graphs[1] is not None:
        halves = [halves_in(each) for each in (first, second)]
        halves.sort(key=lambda each: each.encoder is None)
        try:
            description = Description.of(joined(*halves), examples_of(images))
        except CheckpointError as error:
            raise CheckpointError(f"{label(first.name)} {error}.") from error
        return Checkpoint(None, description.tensors(), described=description, container=names)
    if graphs[0] is not None or graphs[1] is not None:
        raise CheckpointError(
            f"{label(first.name)} and {label(second.name)} are of two kinds, so they are no one model."
        )
    parts = {"decoder" if not is_encoder(Path(each.name)) else "encoder": each for each in (second, first)}
    if len(parts) < 2:
        parts = {"encoder": first, "decoder": second}
    ordered = [(part, parts[part]) for part in ("encoder", "decoder")]
    tensors = {f"{p}.{n}": t for p, each in ordered for n, t in keras_graph.with_names(each.tensors()).items()}
    modules = {f"{part}.{n}".rstrip("."): r for part, each in ordered for n, r in each.modules().items()}
    try:
        scored = search.read(tensors, modules, examples=examples_of(images))
    except CheckpointError as error:
        raise NoReadingError(f"{label(first.name)} cannot be explored: {error}.") from error
    return Checkpoint(None, tensors, scored=scored, container=names)


def half_in(path: Path) -> str:
    """ "encoder" or "decoder" for a file that describes such a half alone, else an empty text."""
    with suppress(CheckpointError):
        return described_half((path.name, files.read(path)))
    return ""


def described_half(file: File) -> str:
    """The same for the bytes of a file."""
    name, content = file
    with suppress(CheckpointError):
        opened = container.parse(content, name)
        if opened.graph is not None:
            halves = halves_in(opened)
            if halves.encoder is None or halves.decoder is None:
                return "encoder" if halves.decoder is None else "decoder"
    return ""


def halves_in(opened: Container) -> Halves:
    """The autoencoder, or half of one, that a file describes. Raises `CheckpointError`."""
    graph = opened.graph
    assert graph is not None
    try:
        return halves_of(graph)
    except CheckpointError as error:
        raise CheckpointError(f"{label(opened.name)} {error}.") from error


def examples_of(images: Dataset | None) -> Examples | None:
    """What files are judged by that leave something open; None for the digits that ship."""
    return None if images is None or images.ships else Examples.of(images)


def is_own(path: str | Path) -> bool:
    """Whether a file is of our own format. Raises `CheckpointError` where it cannot be read."""
    return is_of_our_format(container.open_container(Path(path)))


def is_of_our_format(opened: Container) -> bool:
    """The same for a file that is open."""
    return isinstance(opened.content, dict) and opened.content.get("format") == FORMAT


def parse(content: bytes, name: str, images: Dataset | None = None) -> Checkpoint:
    """The checkpoint in the bytes of a file, as `load` does; ``name`` is for sentences about it."""
    opened = container.parse(content, name)
    sha256 = hashlib.sha256(content).hexdigest()
    if is_of_our_format(opened):
        return own(opened.content, name, sha256)
    if opened.graph is not None:
        description = Description.of(halves_in(opened), examples_of(images))
        return Checkpoint(None, description.tensors(), sha256=sha256, described=description, container=opened.format)
    tensors, modules, unread = keras_graph.with_names(opened.tensors()), opened.modules(), opened.unread()
    aside, not_followed, format = opened.left_aside(), opened.not_followed, opened.format
    del opened  # the search takes long, and what an optimiser remembers is larger than the weights
    try:
        scored = search.read(tensors, modules, unread, examples_of(images))
    except CheckpointError as error:
        behind = f" {not_followed}" if not_followed else ""
        raise NoReadingError(f"{label(name)} cannot be explored: {error}.{behind}") from error
    if not_followed:
        scored = [with_doubt(scored[0], not_followed), *scored[1:]]
    return Checkpoint(None, tensors, sha256=sha256, scored=scored, container=format, left_aside=aside)


def with_doubt(scored: Scored, doubt: str) -> Scored:
    """A reading with a sentence that speaks against it."""
    certainty = scored.certainty and replace(scored.certainty, doubt=doubt)
    return replace(scored, certainty=certainty)


def own(values: dict[Any, Any], name: str, sha256: str) -> Checkpoint:
    """The checkpoint in the values of a file of our own format."""
    try:
        state = values["state"]
        for weight, tensor in state.items():
            if not torch.isfinite(tensor).all() and "described" not in values:
                raise CheckpointError(f"{label(name)}: the weight {weight} is not finite; the training run diverged.")
        parts = {part: values[part] for part in PARTS}
        images = own_images(values["images"]) if "images" in values else None
        if "described" in values:
            described = Description.from_dict(values["described"], state)
            return Checkpoint(None, **parts, sha256=sha256, described=described, images=images)
        if "reading" in values:
            reading, error = Reading.from_dict(values["reading"], state), float(values["scores"]["test_mse"])
            certainty = Certainty.from_dict(values["certainty"]) if "certainty" in values else None
            scored = [Scored(reading, error, certainty=certainty)]
            return Checkpoint(None, **parts, sha256=sha256, scored=scored, images=images)
        config = AutoencoderConfig.from_dict(values["config"])
        film = own_snapshots(values["snapshots"], config, name) if "snapshots" in values else None
        return Checkpoint(config, **parts, snapshots=film, sha256=sha256, images=images)
    except CheckpointError as error:
        raise CheckpointError(
            str(error) if str(error).startswith(label(name)) else f"{label(name)} {error}."
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, DataError) as error:
        raise CheckpointError(
            f"{label(name)} is an incomplete or damaged {FORMAT} checkpoint: {str(error).rstrip('.')}."
        ) from error


def own_images(values: dict[str, Any]) -> Dataset:
    """The images in a file of our own format. Raises `DataError`, `KeyError`, `TypeError` or `AttributeError`."""
    labels = None if values["labels"] is None else values["labels"].numpy()
    classes = tuple(map(str, values["classes"]))
    name, note = label(values["name"]), label(values["note"], 300)
    return Dataset(name, values["pixels"].numpy(), labels, classes, "the model file", note)


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


def identified(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the SHA-256 that its file would have, which no file need be written for."""
    return replace(checkpoint, sha256=hashlib.sha256(to_bytes(checkpoint)).hexdigest())


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as a file of our own format."""
    values: dict[str, Any] = {"format": FORMAT} | {name: getattr(checkpoint, name) for name in PARTS}
    if checkpoint.described is not None:
        values["described"] = checkpoint.described.to_dict()
    elif checkpoint.config is None:
        values["reading"] = checkpoint.scored[0].reading.to_dict()
        if checkpoint.certainty is not None:
            values["certainty"] = checkpoint.certainty.to_dict()
    else:
        values["config"] = checkpoint.config.to_dict()
    if checkpoint.snapshots is not None:
        values["snapshots"] = {name: torch.from_numpy(a) for name, a in checkpoint.snapshots.to_arrays().items()}
    if checkpoint.images is not None:
        images = checkpoint.images
        values["images"] = {
            "name": images.name, "note": images.note, "classes": list(images.classes),
            "pixels": torch.tensor(images.images),
            "labels": None if images.labels is None else torch.tensor(images.labels.astype("int64")),
        }  # fmt: skip
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()
