"""Encode any amount of images: ``python -m latent.encode MODEL --data DIR --out codes.npy``.

Images are read, encoded and written in a stream, so that memory does not grow with their number. The same command goes
on from the last finished chunk after it was stopped or killed, to the same bytes, and shares the work among processes:
``torchrun --nproc-per-node 2 -m latent.encode …``.

Beside ``codes.npy``, float32 of shape (n, latent_dim), lie ``codes.json`` (see `latent.encoded`) and
``codes.files.jsonl``, which says which image is in which row; while a run is not finished also ``codes.npy.done``,
a byte a chunk. The row of an image that cannot be read is NaN. With ``--parquet FILE`` the finished codes are also
written as a table (see `latent.parquet`), in one step at the end: after a run was stopped in it, only that starts over.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from latent import checkpoint, data, files, inference, parquet
from latent.checkpoint import Checkpoint
from latent.commands import REFUSED, STOPPED, command
from latent.encoded import SUFFIX, Encoded, sidecar
from latent.errors import CheckpointError, CodesError, DataError, LatentError
from latent.foreign.described import Described
from latent.foreign.network import Network
from latent.model import Autoencoder, LatentModel
from latent.sources import DataSet, Files, Source, list_files
from latent.streaming import Histogram, Moments
from latent.train import Worker, chosen_device, process_group

CHUNK = 40 * inference.BATCH_SIZE  # rows that are finished together; whole batches, so that every run has the same ones
PARTS = 256  # of a run, whoever works on them: moments are merged in one order however many processes there are
MOST_NAMED = 10  # unreadable images
PATIENCE = timedelta(days=7)  # for the slowest of the processes
LOOKED_AT = 200  # images, to see whether they are dark on light where the model knows light on dark
FARTHEST = 1_000_000  # the row up to which they are taken, however many there are

Found = TypeVar("Found")


@dataclass(frozen=True)
class CodeFile:
    """``codes.npy`` while it is filled: rows are written at their places, and a finished chunk is marked beside it.

    Plain reads and writes: the pages of a memory map would count as memory of the process, and grow with the file.
    """

    path: Path
    n: int
    latent_dim: int

    @property
    def marks(self) -> Path:
        return self.path.with_name(f"{self.path.name}.done")

    @property
    def n_chunks(self) -> int:
        return -(-self.n // CHUNK)

    @property
    def head(self) -> dict[str, Any]:
        return {"descr": "<f4", "fortran_order": False, "shape": (self.n, self.latent_dim)}

    def rows(self, chunk: int) -> tuple[int, int]:
        """The first row of a chunk, and the one behind its last."""
        return chunk * CHUNK, min(self.n, (chunk + 1) * CHUNK)

    def parts(self, worker: Worker) -> Iterator[range]:
        """The chunks of every part that is this process's, in order."""
        n_parts = min(PARTS, self.n_chunks)
        for part in range(worker.rank, n_parts, worker.world_size):
            yield range(part * self.n_chunks // n_parts, (part + 1) * self.n_chunks // n_parts)

    def prepare(self) -> None:
        """Make the file with all its rows still empty, unless it is there with the marks of what is finished.

        Raises `CodesError` where there is no room for it.
        """
        needed = 4 * self.n * self.latent_dim
        try:
            there = os.path.exists(self.marks) and os.path.exists(self.path)
            if there and self.marks.stat().st_size == self.n_chunks and self.path.stat().st_size > needed:
                return
            if shutil.disk_usage(self.path.parent).free < needed:
                raise CodesError(f"{self.path} needs {needed / 1e6:,.1f} MB, more than is free on its disk.")
            with self.path.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, self.head)
                file.truncate(file.tell() + needed)
            self.marks.write_bytes(bytes(self.n_chunks))
        except OSError as error:
            raise CodesError(f"{self.path} cannot be written: {error.strerror}.") from error

    def finished(self) -> NDArray[np.bool_]:
        """Which chunks are finished, (n_chunks,); none where the marks are missing."""
        return np.frombuffer(self.marks.read_bytes() if os.path.exists(self.marks) else b"", np.bool_)

    def discard(self) -> None:
        """Remove the file with all that lies beside it."""
        for path in (self.path, self.marks, listing_of(self.path), sidecar(self.path)):
            path.unlink(missing_ok=True)

    def seek(self, file: IO[bytes], chunk: int) -> None:
        """Go to the first row of a chunk."""
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        file.seek(4 * self.rows(chunk)[0] * self.latent_dim, os.SEEK_CUR)

    def read(self, chunk: int) -> NDArray[np.float32]:
        """The codes of a chunk."""
        start, stop = self.rows(chunk)
        with self.path.open("rb") as file:
            self.seek(file, chunk)
            z = np.fromfile(file, "<f4", (stop - start) * self.latent_dim)
        return z.reshape(stop - start, self.latent_dim)

    def write(self, chunk: int, z: NDArray[np.float32]) -> None:
        """Write the codes of a chunk, wait until they are on the disk, and only then mark it as finished."""
        with self.path.open("r+b") as file:
            self.seek(file, chunk)
            file.write(z.astype("<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())
        with self.marks.open("r+b") as file:
            file.seek(chunk)
            file.write(b"\1")


def encode(
    model: LatentModel, source: Source, begun: Encoded, *, worker: Worker = Worker(), say: Callable[[str], None] = print
) -> Encoded:
    """Encode what is not yet encoded of ``begun``, this process its share, and take the statistics of all.

    Returns what was begun, finished. Raises `DataError` where no image can be read, `CodesError` where the disk is
    full or fails. A run none of whose images can be read leaves no file.
    """
    file = CodeFile(begun.path, begun.n, begun.latent_dim)
    try:
        moments, unreadable = encode_share(model, source, file, worker, say)
        total = reduce(Moments.merge, moments, Moments.none(begun.latent_dim))
        if not total.count:
            first = source.name(0)
            if worker.writes:
                file.discard()
            raise DataError(f"None of the {begun.n:,} images can be read; the first is {first}.")
        counted = Histogram.over(total)
        for chunk in (chunk for part in file.parts(worker) for chunk in part):
            counted = counted.count(file.read(chunk))
        histogram = reduce(Histogram.merge, gathered(counted, worker))
    except OSError as error:
        raise CodesError(
            f"{begun.path} cannot be written: {error.strerror}. Finished codes stay; run this again to resume."
        ) from error
    named = tuple(source.name(row) for row in unreadable[:MOST_NAMED]) if worker.writes else ()
    return replace(
        begun, moments=total, histogram=histogram, unreadable=begun.n - total.count, first_unreadable=named
    )  # fmt: skip


def encode_share(
    model: LatentModel, source: Source, file: CodeFile, worker: Worker, say: Callable[[str], None]
) -> tuple[list[Moments], list[int]]:
    """Encode this process's parts; the moments of the parts of all processes, in order, and the first NaN rows."""
    from tqdm import tqdm

    finished = file.finished()
    if finished.any() and worker.writes:
        say(f"{file.path}: resuming, {finished.mean():.1%} of {file.n:,} images are already encoded.")
    mine = sum(file.rows(part[-1])[1] - file.rows(part[0])[0] for part in file.parts(worker))
    moments: list[Moments] = []
    unreadable: list[int] = []
    pause = 0.5 if sys.stderr.isatty() else 60.0  # seconds between two pictures of the bar
    with tqdm(total=mine, unit=" images", mininterval=pause, disable=not worker.writes) as bar:
        for part in file.parts(worker):
            merged = Moments.none(file.latent_dim)
            for chunk in part:
                if finished[chunk]:
                    z = file.read(chunk)
                else:
                    z = encode_rows(model, source, *file.rows(chunk))
                    file.write(chunk, z)
                merged = merged.merge(Moments.of(z))
                if len(unreadable) < MOST_NAMED:
                    unreadable += (file.rows(chunk)[0] + np.flatnonzero(~np.isfinite(z).all(axis=1))).tolist()
                bar.update(len(z))
            moments.append(merged)
    shares = gathered((moments, unreadable[:MOST_NAMED]), worker)
    n_parts = sum(len(share) for share, _ in shares)
    in_order = [shares[part % len(shares)][0][part // len(shares)] for part in range(n_parts)]
    return in_order, sorted(row for _, rows in shares for row in rows)


def encode_rows(model: LatentModel, source: Source, start: int, stop: int) -> NDArray[np.float32]:
    """Codes (stop - start, latent_dim) of the images in these rows, batch by batch; NaN for what cannot be read."""
    signature = model.signature
    z = np.empty((stop - start, signature.latent_dim), np.float32)
    for first in range(start, stop, inference.BATCH_SIZE):
        last = min(stop, first + inference.BATCH_SIZE)
        images, readable = source.read(first, last, signature.image_shape, signature.framed)
        labels = None if source.labels is None else source.labels[first:last]
        z[first - start : last - start] = inference.encode(model, images, labels)
        z[first - start : last - start][~readable] = np.nan
    return z


def look_inverted(model: LatentModel, source: Source, n: int) -> tuple[int, list[int]]:
    """How many of ``n`` images were looked at, and the rows of those that look inverted: dark on light where the model
    was trained on light on dark, or the reverse.

    Such an image is reconstructed at less than half of the error once it is inverted, and then better than by its own
    mean. At most `LOOKED_AT` images are looked at, evenly spread.
    """
    rows = np.unique(np.linspace(0, min(n, FARTHEST) - 1, min(n, LOOKED_AT)).astype(int)).tolist()
    found = []
    for row in rows:
        images, readable = source.read(row, row + 1, model.signature.image_shape, model.signature.framed)
        labels = None if source.labels is None else source.labels[[row]]
        if readable.all():
            as_it_is, inverted = (squared_error(model, each, labels) for each in (images, 255 - images))
            if inverted < min(as_it_is / 2, float((images / 255).var())):
                found.append(row)
    return len(rows), found


def squared_error(model: LatentModel, images: NDArray[np.uint8], labels: NDArray[np.uint8] | None) -> float:
    """The mean squared error per pixel of the reconstructions, pixels in [0, 1]; infinite where there are none."""
    z = inference.encode(model, images, labels)
    if not np.isfinite(z).all():
        return float("inf")
    return float(np.square(inference.decode(model, z, labels) - images.astype(np.float32) / 255).mean())


def gathered(value: Found, worker: Worker) -> list[Found]:
    """What every process found, in the order of the processes."""
    if worker.world_size == 1:
        return [value]
    found: list[Any] = [None] * worker.world_size
    dist.all_gather_object(found, value)
    return found


def told_by_first(find: Callable[[], Found], worker: Worker) -> Found:
    """What the first process finds, told to all; where it makes out a mistake, all stop at it."""
    told: list[Any] = [None, None]
    if worker.writes:
        try:
            told[0] = find()
        except LatentError as error:
            told[1] = error
    if worker.world_size > 1:
        dist.broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    return told[0]


def begin(wanted: Encoded, list_images: Callable[[], int]) -> Encoded:
    """The run into ``wanted.path``: begun anew, or the unfinished or finished one that is there, if it is the same.

    ``list_images`` makes sure that there are images, and counts them; a run that goes on has done so already. A run
    that has not finished a chunk claims nothing: another one takes its place. Raises `CodesError` where the file holds
    anything else, or cannot be made, and then leaves nothing of a run that has not finished a chunk.
    """
    out = wanted.path
    begun = None
    if os.path.exists(sidecar(out)):
        begun = Encoded.read(out)
        file = CodeFile(out, begun.n, begun.latent_dim)
        same = (begun.sha256, begun.source) == (wanted.sha256, wanted.source)
        if not same and not begun.finished and not file.finished().any():
            file.discard()
            begun = None
    elif os.path.exists(out):
        raise CodesError(f"{out} exists and was not made by this command: choose another --out.")
    files.remove_unfinished(sidecar(out))
    if begun is None:
        begun = replace(wanted, n=list_images())
        try:
            begun.save()
        except CheckpointError:
            CodeFile(out, begun.n, begun.latent_dim).discard()
            raise
    if begun.sha256 != wanted.sha256:
        raise CodesError(f"{out} holds codes of another model file, {begun.checkpoint}: choose another --out.")
    if begun.source != wanted.source:
        images = " ".join(begun.source.values())
        raise CodesError(f"{out} holds codes of other images, those of {images}: choose another --out.")
    if begun.finished:
        begun.mapped()
        return begun
    file = CodeFile(out, begun.n, begun.latent_dim)
    try:
        file.prepare()
    except CodesError:
        if not file.finished().any():
            file.discard()
        raise
    return begun


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("python -m latent.encode", description="Encode any number of images.")
    p.add_argument("checkpoint", type=Path, metavar="MODEL", help="the model file, of any format the page opens")
    p.add_argument(
        "--data", type=Path,
        help="folder of images at any depth, also of arrays of images in .npy and .npz files, or one such file; "
        "with --dataset the folder that has it (default data)",
    )  # fmt: skip
    p.add_argument("--dataset", choices=data.DATASETS, help="a data set of torchvision instead")
    p.add_argument("--part", choices=("train", "test"), default="train", help="split of the data set (default train)")
    p.add_argument("--out", type=Path, required=True, help="the file of codes, .npy")
    p.add_argument(
        "--parquet", type=Path, metavar="FILE",
        help="also write a table of the codes with places on a map and thumbnails, for Embedding Atlas and others",
    )  # fmt: skip
    p.add_argument("--device", help="cuda, mps or cpu (default: the best available)")
    return p


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = parser().parse_args(arguments)
    worker = Worker()
    try:
        with ExitStack() as stack:
            worker = stack.enter_context(process_group(torch.device("cpu"), PATIENCE))  # only plain objects are sent
            run(options, worker, stack)
    except LatentError as error:
        if worker.writes:
            print(error, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to resume.", file=sys.stderr)
        return STOPPED
    return 0


def run(options: argparse.Namespace, worker: Worker, stack: ExitStack) -> None:
    """Encode what the command line asks for; ``stack`` keeps the file to this run until the end."""
    out: Path = options.out
    saved, model = model_for(options)
    device = chosen_device(options.device)  # before anything is written, as all that can be refused
    source = {"dataset": options.dataset, "part": options.part} if options.dataset else {"data": full(options.data)}
    wanted = Encoded(out, options.checkpoint.name, saved.sha256, 0, model.signature.latent_dim, source)

    def prepare() -> Encoded:
        make_folder(out.parent)
        stack.enter_context(files.held(out))
        if options.parquet:
            make_folder(options.parquet.parent)
            stack.enter_context(files.held(options.parquet))
            parquet.check(options.parquet, wanted, [out, sidecar(out), listing_of(out), options.checkpoint])
        return begin(wanted, lambda: count_images(options))

    begun = told_by_first(prepare, worker)
    if not begun.finished:
        source_in_use = source_of(options, begun.n)
        model.to(device)
        done = encode(model, source_in_use, begun, worker=worker)
        if worker.writes:
            done.save()
            print(f"{out}: {done.n:,} codes of {done.latent_dim} numbers, statistics in {sidecar(out).name}")
            if done.unreadable:
                names = ", ".join(done.first_unreadable)
                print(f"unreadable images, whose rows are NaN: {done.unreadable:,}; the first: {names}")
            say_inverted(model, source_in_use, done.n)
    elif worker.writes:
        print(f"{out}: already complete, all {begun.n:,} images are encoded.")
    if worker.writes:
        CodeFile(out, begun.n, begun.latent_dim).marks.unlink(missing_ok=True)
    if options.parquet:
        told_by_first(lambda: write_table(options, model), worker)


def write_table(options: argparse.Namespace, model: LatentModel) -> None:
    """Write the table of the finished codes, unless it is there already."""
    done, path = Encoded.open(options.out), options.parquet
    if parquet.is_of(path, done):
        print(f"{path}: already complete.")
        return
    classes = data.class_names(options.dataset) if options.dataset else ()
    files.remove_unfinished(path)
    lost = parquet.write(path, done, source_of(options, done.n), model.signature, classes)
    print(f"{path}: {done.n:,} rows with thumbnails.")
    if lost:
        print(f"images that could be encoded and can no longer be read, so that their thumbnails are missing: {lost:,}")


def say_inverted(model: LatentModel, source: Source, n: int) -> None:
    """Print which images look inverted, if any do."""
    looked_at, rows = look_inverted(model, source, n)
    if rows:
        names = ", ".join(source.name(row) for row in rows[:MOST_NAMED])
        print(
            f"images that look inverted against those of the model, so that their codes mean little: {len(rows):,} of "
            f"{looked_at:,} looked at; the first: {names}. Invert them (255 - pixel) to encode what they show."
        )


def model_for(options: argparse.Namespace) -> tuple[Checkpoint, Autoencoder | Network | Described]:
    """The checkpoint and its model. Raises `LatentError` where the options do not fit each other or the model."""
    if options.out.suffix != SUFFIX:
        raise CodesError(f"--out names a file that ends in {SUFFIX}; got {options.out}.")
    if not options.data and not options.dataset:
        raise DataError("Choose the images to encode: --data names a folder or file, --dataset a data set.")
    saved = checkpoint.load(options.checkpoint)
    model = saved.model()
    if not model.signature.has_encoder:
        raise CodesError(f"{options.checkpoint} is a decoder-only file and cannot encode images.")
    if model.signature.conditional and not options.dataset:
        raise CodesError(f"{options.checkpoint} is conditional: needs labels, use --dataset.")
    return saved, model


def count_images(options: argparse.Namespace) -> int:
    """How many images there are; those in files are written into a listing, so that each keeps its row."""
    if options.dataset:
        return source_of(options, 0).n
    return list_files(options.data, listing_of(options.out), leave_out=options.out, say=print)


def source_of(options: argparse.Namespace, n: int) -> Source:
    """The ``n`` images that the command line asks for."""
    if options.dataset:
        return DataSet(options.dataset, options.data or Path("data"), train=options.part == "train")
    return Files(options.data if os.path.isdir(options.data) else options.data.parent, listing_of(options.out), n)


def listing_of(out: Path) -> Path:
    """The file that says which image is in which row."""
    return out.with_suffix(".files.jsonl")


def full(path: Path) -> str:
    """A path by which a folder is known wherever the command is run from."""
    return str(files.real(path))


def make_folder(folder: Path) -> None:
    """Make the folder of the output. Raises `CodesError` where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodesError(f"The folder {folder} cannot be made: {error.strerror}.") from error


if __name__ == "__main__":
    sys.exit(main())
