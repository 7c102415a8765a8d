"""``python -m tests.support.killed [--moments 50]``: commands that are killed at random moments, and run again.

Each must find what was finished before, go on to what a run that nobody disturbed writes, and leave nothing else in
its folder. A moment is one of the command's writes, or a share of the time that it takes. What is not as it should be
is printed.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from latent import checkpoint, data, encode, files, handout, report, results, store, train
from latent.errors import LatentError
from tests.support.faults import writes
from tests.support.models import tiny

EPOCHS = 2
OLD = "<!doctype html>" + "an older page" * 1000


@dataclass(frozen=True)
class Command:
    """A command: its ``name``, how it is run in a folder the first time and ``again``, what is in ``inputs`` before and
    in ``outputs`` after it, and what must be so at any moment between."""

    name: str
    run: Callable[[Path], int]
    again: Callable[[Path], int]
    inputs: Callable[[Path], object]
    outputs: tuple[str, ...]
    between: Callable[[Path], bool]


def train_in(folder: Path, *more: str) -> int:
    return train.main(
        ["--data", str(folder / "images.npy"), "--out", str(folder / "a.pt"), "--device=cpu", "--latent-dim=2",
         f"--epochs={EPOCHS}", "--batch-size=64", "--width=4", "--hidden=8", *more]
    )  # fmt: skip


def resume_in(folder: Path) -> int:
    return train_in(folder, *["--resume"] * (folder / "a.pt").exists())


def some_images(folder: Path) -> None:
    np.save(folder / "images.npy", data.evaluation_digits()[0][:100])


def a_model(folder: Path) -> None:
    checkpoint.save(folder / "model.pt", tiny())


def loads(path: Path) -> bool:
    """Whether a model file, where there is one, opens."""
    if not path.exists():
        return True
    try:
        return len(checkpoint.load(path).history) <= EPOCHS
    except LatentError:
        return False


def encode_in(folder: Path) -> int:
    encode.CHUNK = 64  # of the images, so that there are several
    return encode.main([str(folder / "model.pt"), "--data", str(folder / "images.npy"), "--out", str(folder / "c.npy")])


def model_and_images(folder: Path) -> None:
    some_images(folder)
    a_model(folder)


def page_by(main: Callable[[list[str]], int]) -> Callable[[Path], int]:
    """A command that writes a page: what it measures and the page's text are made in a moment."""

    def run(folder: Path) -> int:
        report.measured = lambda *given: store.stored(lambda: np.zeros(1000), "measured")
        report.page = handout.page = lambda *given: "<!doctype html>" + "a page" * 50_000
        return main([str(folder / "model.pt"), "--out", str(folder / "p.html")])

    return run


def model_and_page(folder: Path) -> None:
    a_model(folder)
    (folder / "p.html").write_text(OLD)


def is_whole_page(folder: Path) -> bool:
    return len((folder / "p.html").read_text()) in (len(OLD), len("<!doctype html>") + 6 * 50_000)


def results_in(folder: Path) -> int:
    """Of the measurements, one that is made in a moment."""
    results.measure = lambda evidence, progress: {("health",): np.arange(1000)}
    return results.main([str(folder / "model.pt")])


COMMANDS = (
    Command("train", train_in, resume_in, some_images, ("a.pt",), lambda folder: loads(folder / "a.pt")),
    Command(
        "encode", encode_in, encode_in, model_and_images, ("c.npy", "c.json", "c.files.jsonl"), lambda folder: True
    ),
    Command("report", page_by(report.main), page_by(report.main), model_and_page, ("p.html",), is_whole_page),
    Command("handout", page_by(handout.main), page_by(handout.main), model_and_page, ("p.html",), is_whole_page),
    Command("results", results_in, results_in, a_model, ("model.results",), lambda folder: True),
)


def in_child(run: Callable[[], int], seconds: float = 0.0) -> int:
    """Run in a process of its own, which is killed after some seconds; its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            status = run()
        finally:
            os._exit(status)
    if seconds:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # one that has ended is still there, since nobody has waited for it
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(folder: Path) -> dict[str, str]:
    """What is in the files of a folder, by name: the weights and scores of a model, of others the bytes."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".pt":
            saved = checkpoint.load(path)
            rows = [{name: row[name] for name in row if name != "seconds"} for row in saved.history]
            weights = [tensor.numpy().tobytes() for tensor in saved.state.values()]
            told = repr((rows, saved.scores)).encode()
        elif path.suffix == ".results":  # an archive, which has the time in it
            with np.load(path) as archive:
                told, weights = b"", [archive[name].tobytes() for name in sorted(archive.files)]
        else:
            told, weights = path.read_bytes(), []
        found[path.name] = hashlib.sha256(told + b"".join(weights)).hexdigest()
    return found


@contextmanager
def folder_for(command: Command, place: Path) -> Iterator[Path]:
    """A folder, always the same, with the inputs of a command."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    command.inputs(place)
    yield place


def undisturbed(command: Command, place: Path) -> tuple[int, float, dict[str, str]]:
    """How many writes a run has, how long it takes, and what is in its folder then."""
    with folder_for(command, place) as folder:
        told, tell = os.pipe()

        def run() -> int:
            with writes(place) as counted:
                status = command.run(folder)
            os.write(tell, str(counted.n).encode())
            return status

        start = time.monotonic()
        status = in_child(run)
        assert status == 0, f"{command.name} ended with {status}"
        return int(os.read(told, 20)), time.monotonic() - start, content(folder)


def killed_at(command: Command, place: Path, at: int, seconds: float, whole: dict[str, str]) -> str:
    """Kill a run at a write, or after some seconds, and run it again; what is wrong then, empty for nothing."""
    with folder_for(command, place) as folder:

        def run() -> int:
            with writes(place, at, "kill"):
                return command.run(folder)

        in_child(run, seconds)
        left = sorted(path.name for path in folder.iterdir())
        if not command.between(folder):
            return f"it left something that is not whole: {left}"
        files.LONGEST_WRITE = 0.0  # as if it were a while ago
        status = in_child(lambda: command.again(folder))
        if status:
            return f"run again over {left}, it ended with {status}"
        now = content(folder)
        if now != whole:
            return f"run again over {left}, it made {sorted(now)}: " + ", ".join(
                f"{name} differs" for name in whole if now.get(name) != whole[name]
            )
    return ""


def run(moments: int, seed: int = 0) -> list[str]:
    """Kill every command at so many moments; what went wrong."""
    torch.set_num_threads(1)
    wrong = []
    with tempfile.TemporaryDirectory() as parent:
        os.environ["LATENT_CACHE"] = str(Path(parent) / "cache")
        for command in COMMANDS:
            place = Path(parent) / "run"
            n, seconds, whole = undisturbed(command, place)
            chance = random.Random(f"{seed} {command.name}")
            for moment in range(moments):
                at = chance.randint(1, n) if moment % 2 == 0 else 0
                after = 0.0 if at else chance.uniform(0.01, seconds)
                if said := killed_at(command, place, at, after, whole):
                    when = f"write {at} of {n}" if at else f"{after:.3f} s"
                    wrong.append(f"{command.name}, killed at {when}: {said}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.support.killed", description=__doc__)
    parser.add_argument("--moments", type=int, default=50, help="at which each command is killed (default 50)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    wrong = run(options.moments, options.seed)
    print(*wrong, f"{options.moments * len(COMMANDS)} kills, {len(wrong)} failures", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
