"""The shelf: vectors a person keeps, each with its picture, its name and where it came from."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Rows
from latent.errors import ArgumentError
from latent.selection import Selection

Kind = Literal["code", "direction", "selection"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST_NAME = 40  # characters
MOST_KEPT = 1000
LARGEST_PICTURE = 512 * 512 * 3
SELECTED = ("selected", "selected_counts", "selected_of")  # arrays of a shelf file with the images of selections


@dataclass(frozen=True)
class Kept:
    """One vector on the shelf.

    ``vector`` (latent_dim,) float32 is a code or, where ``kind`` says so, a direction (a difference of codes) or the
    mean code of a ``selection``; ``picture`` (height, width[, 3]) uint8 what it looked like when it was kept;
    ``origin`` where it came from.
    """

    name: str
    origin: str
    vector: NDArray[np.float32]
    picture: NDArray[np.uint8]
    kind: Kind = "code"
    selection: Selection | None = None


@dataclass(frozen=True)
class Shelf:
    """Vectors kept from the checkpoint of this SHA-256, newest last, no two of one name.

    >>> shelf = Shelf("0123").keep(Kept("seven", "Map", np.zeros(2, np.float32), np.zeros((28, 28), np.uint8)))
    >>> shelf.rename("seven", "my seven").names()
    ['my seven']
    """

    checkpoint: str
    items: tuple[Kept, ...] = ()

    def __iter__(self) -> Iterator[Kept]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> Kept:
        """The vector of that name. Raises `ArgumentError` where there is none."""
        for kept in self.items:
            if kept.name == name:
                return kept
        raise ArgumentError(f"No item {name!r} on the shelf; it holds {', '.join(self.names()) or 'nothing'}.")

    def names(self, *kinds: Kind) -> list[str]:
        """The names, of some kinds where they are given."""
        return [kept.name for kept in self.items if kept.kind in (kinds or KINDS)]

    def keep(self, kept: Kept) -> Self:
        """With one more; a name that is taken gets a number. Raises `ArgumentError` where the shelf is full."""
        if len(self) >= MOST_KEPT:
            raise ArgumentError(f"The shelf holds at most {MOST_KEPT} items: remove some first.")
        name = kept.name.strip()[:LONGEST_NAME] or "unnamed"
        taken, free, number = self.names(), name, 2
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        return replace(self, items=(*self.items, replace(kept, name=free)))

    def rename(self, name: str, new: str) -> Self:
        """With another name for one. Raises `ArgumentError` for a new name that is empty, too long or taken."""
        new = new.strip()
        if not 0 < len(new) <= LONGEST_NAME:
            raise ArgumentError(f"A name must have 1–{LONGEST_NAME} characters.")
        if new != name and new in self:
            raise ArgumentError(f"An item {new!r} is already on the shelf.")
        chosen = self[name]
        return replace(self, items=tuple(replace(kept, name=new) if kept is chosen else kept for kept in self.items))

    def remove(self, name: str) -> Self:
        """Without the one of that name."""
        return replace(self, items=tuple(kept for kept in self.items if kept.name != name))

    def to_bytes(self) -> bytes:
        """An NPZ file: vectors (n, latent_dim), pictures (n, height, width[, 3]), names, origins, kinds, checkpoint.

        Of selections also the images: their numbers one after the other, how many there are of each item (n,), and of
        which data set they are (n,).
        """
        if not self.items:
            raise ArgumentError("The shelf is empty: nothing to download.")
        buffer = io.BytesIO()
        selections = [kept.selection for kept in self.items]
        np.savez_compressed(
            buffer,
            vectors=np.stack([kept.vector for kept in self.items]),
            pictures=np.stack([rgb(kept.picture) for kept in self.items]),
            names=np.array([kept.name for kept in self.items]),
            origins=np.array([kept.origin for kept in self.items]),
            kinds=np.array([kept.kind for kept in self.items]),
            checkpoint=np.array(self.checkpoint),
            selected=np.concatenate([np.zeros(0, np.intp) if each is None else each.rows for each in selections]),
            selected_counts=np.array([0 if each is None else len(each) for each in selections]),
            selected_of=np.array(["" if each is None else each.dataset for each in selections]),
        )
        return buffer.getvalue()

    def add_file(self, content: bytes, latent_dim: int) -> Self:
        """With all that an NPZ file of `to_bytes` holds.

        Raises `ArgumentError` for a file that is no shelf, is damaged, or was kept from another checkpoint.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                parts = [file[name] for name in ("checkpoint", "vectors", "pictures", "names", "origins", "kinds")]
                selected = [file[name] for name in SELECTED if name in file]
        except Exception as error:  # a damaged archive fails in many ways: OSError, BadZipFile, zlib.error, KeyError
            raise ArgumentError("The file is not a shelf file, or damaged.") from error
        if not all(isinstance(part, np.ndarray) for part in (*parts, *selected)):  # what is no array comes as its bytes
            raise ArgumentError("The file is not a shelf file, or damaged.")
        checkpoint, vectors, pictures, names, origins, kinds = parts
        if str(checkpoint) != self.checkpoint:
            raise ArgumentError(
                f"The shelf file belongs to another model (SHA-256 {str(checkpoint)[:8]!r}, expected "
                f"{self.checkpoint[:8]!r}), so its codes have no meaning here."
            )
        n = len(names) if names.ndim == 1 else -1
        sound = (
            vectors.shape == (n, latent_dim) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
            and pictures.ndim == 4 and pictures.dtype == np.uint8 and pictures.shape[0] == n and pictures.shape[3] == 3
            and pictures[:1].size <= LARGEST_PICTURE
            and all(texts.shape == (n,) and texts.dtype.kind == "U" for texts in (names, origins, kinds))
            and set(kinds.tolist()) <= set(KINDS)
        )  # fmt: skip
        if not sound:
            raise ArgumentError("The shelf file is damaged: its codes, images and names do not match.")
        shelf = self
        parts = [names, origins, vectors, pictures, kinds.tolist(), images_of(kinds, selected)]
        for name, origin, vector, picture, kind, (dataset, rows) in zip(*parts, strict=True):
            selection = Selection.of(str(name), str(origin)[:200], dataset, rows) if kind == "selection" else None
            shelf = shelf.keep(Kept(str(name), str(origin)[:200], vector, picture, kind, selection))
        return shelf


def images_of(kinds: NDArray[np.str_], selected: Sequence[NDArray[Any]]) -> list[tuple[str, Rows]]:
    """Of which data set the images of every item of a shelf file are, and their numbers: none but for selections.

    Files that older versions wrote hold no selections. Raises `ArgumentError` where the arrays do not match.
    """
    n, nothing = len(kinds), ("", np.zeros(0, np.intp))
    if not n or (not selected and "selection" not in kinds):
        return [nothing] * n
    rows, counts, datasets = selected if len(selected) == len(SELECTED) else [np.zeros(0)] * 3
    sound = (
        all(part.ndim == 1 and part.dtype.kind in "iu" for part in (rows, counts)) and datasets.dtype.kind == "U"
        and counts.shape == datasets.shape == (n,) and (counts >= 0).all() and counts.sum() == len(rows)
        and ((counts > 0) == (kinds == "selection")).all() and (rows >= 0).all()
    )  # fmt: skip
    if not sound:
        raise ArgumentError("The shelf file is damaged: its selections do not match its items.")
    parts = np.split(rows.astype(np.intp), np.cumsum(counts)[:-1])
    return [(str(dataset), part) for dataset, part in zip(datasets, parts, strict=True)]


def rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture (height, width) as one of three equal channels; one in colour as it is."""
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


def to_link(kept: Kept) -> str:
    """A kept vector as text for an address; the numbers exact, the picture left out. Of a selection, its images.

    >>> from_link(to_link(Kept("a", "Map", np.float32([1, -2]), np.zeros((28, 28), np.uint8))), 2)
    ('a', 'Map', 'code', array([ 1., -2.], dtype=float32))
    """
    if kept.selection is not None:
        return kept.selection.called(kept.name).to_link()
    about = json.dumps([kept.name, kept.origin, kept.kind], ensure_ascii=False, separators=(",", ":")).encode()
    return f"{vector_to_text(kept.vector)}.{base64.urlsafe_b64encode(about).decode().rstrip('=')}"


def from_link(text: str, latent_dim: int) -> tuple[str, str, Kind, NDArray[np.float32]]:
    """Name, origin, kind and vector of what `to_link` wrote of a code or a direction. Raises `ArgumentError` for any
    other text."""
    numbers, _, about = text.partition(".")
    vector = vector_from_text(numbers, latent_dim)
    try:
        name, origin, kind = json.loads(decoded(about))
    except (ValueError, TypeError, RecursionError) as error:
        raise ArgumentError("The link is damaged: a shelf item in it has no name.") from error
    if not all(isinstance(part, str) for part in (name, origin)) or kind not in ("code", "direction"):
        raise ArgumentError("The link is damaged: a shelf item in it has no name.")
    return name, origin, kind, vector


def vector_to_text(vector: NDArray[np.float32]) -> str:
    """A vector as text for an address, every bit of it: little-endian float32 in base64."""
    return base64.urlsafe_b64encode(np.asarray(vector, "<f4").tobytes()).decode().rstrip("=")


def vector_from_text(text: str, latent_dim: int) -> NDArray[np.float32]:
    """The vector (latent_dim,) that `vector_to_text` wrote. Raises `ArgumentError` for any other text."""
    content = decoded(text)
    if len(content) != 4 * latent_dim:
        raise ArgumentError(
            f"The link is damaged or belongs to another model: expected a code of {latent_dim} numbers."
        )
    vector = np.frombuffer(content, "<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise ArgumentError("The link is damaged: a code in it is not finite.")
    return vector


def decoded(text: str) -> bytes:
    """The bytes of base64 without its padding."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ArgumentError("The link is damaged: a code in it cannot be read.") from error
