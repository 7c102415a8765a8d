"""``python -m tests.fuzz [--minutes 2] [--seed 0] [--only NAME]``: damaged and forged input at every door.

Good files, texts and links are changed at random and given to what reads them. Each must be taken, or refused by a
`LatentError`, within 20 seconds and 1 GB. A failure is printed with the number that makes it again (``--seed``).
"""

from __future__ import annotations

import argparse
import gzip
import io
import logging
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from latent import checkpoint, codes, dataset, shelf
from latent.errors import LatentError
from latent.foreign import container
from latent.selection import Selection, numbers_in
from tests.support.bars import bars
from tests.support.models import ROOT, tiny

SHARED = ROOT.parent / "shared" / "cases"
LONGEST, BUSY = 20, 6  # seconds that one input may take, and times as many on a busy machine
LARGEST = 1024**3  # bytes of memory, beyond what the process had before
LARGEST_SEED = 300_000  # bytes of a shared file that is changed: larger ones take long, and show no more
NUMBERS = ("nan", "-1", "1e308", "inf", "0x10", "999999999999999999999", "½", "", "-0", "1,5", "None", "[]", "\x00")
SPECIAL = (b"\x00" * 8, b"\xff" * 8, b"PK\x03\x04", b"\x80\x02.", struct.pack("<q", -1), struct.pack("<q", 2**40))


class Slow(Exception):
    """An input took longer than `LONGEST`."""


@dataclass(frozen=True)
class Door:
    """What takes input: its ``name``, good inputs to change, and the function that takes a changed one."""

    name: str
    seeds: Callable[[], list[bytes]]
    take: Callable[[bytes], object]
    weight: int = 1


def changed(content: bytes, seeds: list[bytes], chance: random.Random) -> bytes:
    """The content after one to four changes; an archive, mostly, in what its entries hold."""
    if content[:2] == b"PK" and chance.random() < 0.7:
        with suppress(zipfile.BadZipFile, RuntimeError, OSError, EOFError):
            return changed_inside(content, chance)
    for _ in range(chance.randint(1, 4)):
        content = chance.choice(CHANGES)(content, chance)
    if chance.random() < 0.1:
        other = chance.choice(seeds)
        content = content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other) + 1) :]
    return content


def changed_inside(content: bytes, chance: random.Random) -> bytes:
    """The archive with one of its entries changed, left out, doubled or renamed, sound in itself."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    place = chance.randrange(len(entries))
    name, inside = entries[place]
    match chance.randrange(6):
        case 0:
            del entries[place]
        case 1:
            entries.append((name, inside))
        case 2:
            entries[place] = (chance.choice(("../" + name, "/" + name, name + "/x", "x" * 300, name.upper())), inside)
        case _:
            entries[place] = (name, changed(inside, [inside], chance))
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # of doubled names
        for name, inside in entries:
            archive.writestr(name, inside)
    return buffer.getvalue()


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 4, 32)) if content else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def drop(content: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(content) + 1)
    return content[:begin] + content[begin + chance.choice((1, 8, 100, 10_000)) :]


def insert(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    added = chance.choice((*SPECIAL, chance.choice(NUMBERS).encode(), content[place : place + 500] * 3))
    return content[:place] + added + content[place:]


def overwrite(content: bytes, chance: random.Random) -> bytes:
    place, value = chance.randrange(len(content) + 1), chance.choice(SPECIAL)
    return content[:place] + value + content[place + len(value) :]


def renumber(content: bytes, chance: random.Random) -> bytes:
    """Another number in the place of one that is written in digits."""
    found = list(re.finditer(rb"\d+", content[:100_000]))
    if not found:
        return insert(content, chance)
    digits = chance.choice(found)
    return content[: digits.start()] + chance.choice(NUMBERS).encode() + content[digits.end() :]


CHANGES = (flip, flip, cut, drop, insert, overwrite, renumber)


# The doors.


@cache
def model_files() -> list[bytes]:
    """Files of weights: our own, of tensors by name, and those of the shared cases that are small."""
    layers = {"enc.weight": torch.randn(2, 784), "enc.bias": torch.randn(2), "dec.weight": torch.randn(784, 2)}
    buffer, old = io.BytesIO(), io.BytesIO()
    torch.save(layers, buffer)
    torch.save(layers, old, _use_new_zipfile_serialization=False)
    numbers = io.BytesIO()
    np.savez(numbers, **{name: t.numpy() for name, t in layers.items()})
    shared = [path for path in sorted(SHARED.glob("*/*")) if path.suffix in (".pt", ".keras", ".h5", ".ckpt")]
    small = [path.read_bytes() for path in shared if path.stat().st_size <= LARGEST_SEED]
    return [checkpoint.to_bytes(tiny()), buffer.getvalue(), old.getvalue(), numbers.getvalue(), *small]


def own_files() -> list[bytes]:
    """Files that are opened to the end: with few weights, so that a search is short."""
    return model_files()[:4]


@cache
def image_sets() -> list[bytes]:
    """Data sets in every format that is one file."""
    made = bars(12, 20, 24)
    arrays, one, pictures = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez_compressed(arrays, images=made.images, labels=made.labels, classes=np.array(made.classes))
    np.save(one, made.images)
    with zipfile.ZipFile(pictures, "w") as archive:
        from PIL import Image

        for place, image in enumerate(made.images):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG" if place % 2 else "TIFF")
            archive.writestr(f"set/kind {place % 3}/{place}.{'png' if place % 2 else 'tif'}", buffer.getvalue())
    idx = struct.pack(">IIII", 2051, *made.images.shape[:3]) + made.images[..., 0].tobytes()
    return [arrays.getvalue(), one.getvalue(), pictures.getvalue(), idx, gzip.compress(idx)]


def take_set(content: bytes) -> object:
    """Read a data set from a file whose name says what it was before it was changed."""
    ends = {b"PK": ".npz", b"\x93N": ".npy", b"\x1f\x8b": "-idx3-ubyte.gz", b"\x00\x00": "-idx3-ubyte"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"set{ends.get(content[:2], '.npy')}"
        if path.suffix == ".npz" and b"IHDR" in content:
            path = path.with_suffix(".zip")
        path.write_bytes(content)
        return dataset.read(path)


@cache
def shelf_files() -> list[bytes]:
    picture = np.zeros((28, 28), np.uint8)
    kept = shelf.Shelf("0" * 64)
    for name, kind in (("one", "code"), ("two", "direction")):
        kept = kept.keep(shelf.Kept(name, "a test", np.ones(4, np.float32), picture, kind))  # type: ignore[arg-type]
    return [kept.to_bytes()]


def shelf_links() -> list[bytes]:
    kept = shelf.Kept("one", "a test", np.ones(4, np.float32), np.zeros((28, 28), np.uint8), "code")
    return [shelf.to_link(kept).encode()]


def selection_links() -> list[bytes]:
    rows = ([3, 5, 8, 900], np.arange(0, 10_000, 7), [])
    return [Selection.of("some", "typed numbers", "0" * 64, each).to_link().encode() for each in rows]


VECTORS = [b"[0.5, -1.25, 3e-2, 0]", b"array([ 0.1,  2. , -3. ,  4. ], dtype=float32)", b"0: 1.5\n1: 2\n2: -1\n3: 0"]


@cache
def page_controls() -> list[str]:
    """The keys of all controls, which are those that a link may set."""
    sources = [ROOT / "streamlit_app.py", *(ROOT / "latent" / "page").rglob("*.py")]
    found = {key for path in sources for key in re.findall(r'\bkey="(\w+)"', path.read_text(encoding="utf-8"))}
    return sorted(found | {"section", "checkpoint", "images", "shelf"})


def links() -> list[bytes]:
    """The keys and values of a link, one a line."""
    from tests.support.page import SECTIONS

    controls = "\n".join(f"{key}=3" for key in page_controls())
    return [f"section={section}\n{controls}".encode() for section in SECTIONS]


def take_link(content: bytes) -> object:
    """Open the page by a link; it shows no traceback."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    lines = [line.partition("=") for line in content.decode("utf-8", "replace").splitlines()]
    app.query_params.update({key: value for key, _, value in lines if key})
    app.run()
    assert not app.exception, app.exception[0].message
    return app


DOORS = (
    Door("reader", model_files, lambda content: container.parse(content, "fuzz.pt"), weight=8),
    Door("model", own_files, lambda content: checkpoint.parse(content, "fuzz.pt"), weight=2),
    Door("data set", image_sets, take_set, weight=6),
    Door("shelf file", shelf_files, lambda content: shelf.Shelf("0" * 64).add_file(content, 4), weight=4),
    Door("shelf link", shelf_links, lambda content: shelf.from_link(content.decode("utf-8", "replace"), 4), weight=4),
    Door(
        "selection link",
        selection_links,
        lambda content: Selection.from_link(content.decode("utf-8", "replace")),
        weight=4,
    ),
    Door(
        "image numbers",
        lambda: [b"3, 10-12", b"0-9999"],
        lambda content: numbers_in(content.decode("utf-8", "replace"), 10_000),
    ),
    Door("vector", lambda: VECTORS, lambda content: codes.parse(content.decode("utf-8", "replace"), 4), weight=6),
    Door("link", links, take_link),
)


@contextmanager
def limited() -> Iterator[None]:
    """Raise `Slow` in what takes too long: seconds of the processor, or, where others use it too, more of the clock."""

    def stop(number: int, frame: object) -> None:
        raise Slow(f"took longer than {LONGEST} seconds")

    before = [signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    signal.alarm(BUSY * LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


def memory() -> int:
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def attempt(number: int, doors: tuple[Door, ...] = DOORS) -> tuple[Door, str]:
    """Knock at one door with what follows from the number; the door, and what went wrong, empty for nothing."""
    chance = random.Random(number)
    door = chance.choices(doors, [each.weight for each in doors])[0]
    seeds = door.seeds()
    content = changed(chance.choice(seeds), seeds, chance)
    before = memory()
    try:
        with limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            door.take(content)
    except LatentError:
        pass
    except BaseException as error:  # that is what is looked for
        if isinstance(error, KeyboardInterrupt):
            raise
        return door, f"{type(error).__name__}: {error}"
    grown = memory() - before
    return door, f"took {grown / 1024**2:,.0f} MB" if grown > LARGEST else ""


def run(seconds: float, seed: int = 0, doors: tuple[Door, ...] = DOORS) -> tuple[int, list[str]]:
    """Knock until the time is over; how often, and what went wrong, each with its number."""
    os.environ.setdefault("LATENT_CACHE", tempfile.mkdtemp())
    torch.set_num_threads(1)  # as the page does: the seconds of several would be added up
    end, number, failures = time.monotonic() + seconds, seed, []
    while time.monotonic() < end:
        door, wrong = attempt(number, doors)
        if wrong:
            failures.append(f"--seed {number} --only '{door.name}': {wrong}")
        number += 1
    return number - seed, failures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=0, help="the first number (default 0)")
    parser.add_argument("--only", choices=[door.name for door in DOORS])
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # of Streamlit, that no server runs
    doors = tuple(door for door in DOORS if options.only in (None, door.name))
    n, failures = run(60 * options.minutes, options.seed, doors)
    print(*failures, f"{n:,} inputs, {len(failures)} failures", sep="\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
