"""``python -m latent [MODEL] [--images IMAGES]``: open the page on a model, from anywhere."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from latent.commands import command
from latent.errors import ArgumentError
from latent.files import PROJECT, real

LARGEST_PORT = 65_535
SCRIPT = PROJECT / "streamlit_app.py"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("python -m latent", description="Open the Latent Space Explorer in a browser.")
    p.add_argument("model", nargs="?", type=Path, help="a model file, or a folder of them (default: the shipped ones)")
    p.add_argument("--images", type=Path, help="the images to evaluate it on: a file or a folder (default: MNIST)")
    p.add_argument("--port", type=int, help="of the server (default 8501)")
    p.add_argument("--headless", action="store_true", help="open no browser")
    return p


def server_command(port: int | None, headless: bool) -> list[str]:
    """The command that serves the page."""
    options = [f"--server.port={port}"] * (port is not None) + ["--server.headless=true"] * headless
    return [sys.executable, "-m", "streamlit", "run", str(SCRIPT), *options]


def environment(model: Path | None, images: Path | None) -> dict[str, str]:
    """The environment in which the page opens on this model and these images.

    Raises `ArgumentError` for a path that does not exist, and for a file that is no model.
    """
    found = dict(os.environ)
    # The package is found also where it is not installed and the command runs in another folder.
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), found.get("PYTHONPATH")]))
    for path, name in ((model, "LATENT_CHECKPOINTS"), (images, "LATENT_DATASET")):
        if path is not None:
            if not os.path.exists(path):
                raise ArgumentError(f"{path} does not exist.")
            found[name] = str(real(path))
    if model is not None and os.path.isfile(model):
        check_model_file(model)
    return found


def check_model_file(path: Path) -> None:
    """Raise `ArgumentError` for a file that is no model, by its name and its first bytes."""
    from latent import checkpoint  # where used: with it comes PyTorch, which help and mistakes do without
    from latent.foreign import formats

    if not checkpoint.is_model_file(path):
        raise ArgumentError(f"{path} is not a model file: it is none of {formats.names('or')}.")


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line until the server stops; its exit status."""
    given = parser().parse_args(arguments)
    if given.port is not None and not 0 <= given.port <= LARGEST_PORT:
        raise ArgumentError(f"--port must be from 0 to {LARGEST_PORT}, got {given.port}.")
    ready = environment(given.model, given.images)
    server = subprocess.Popen(server_command(given.port, given.headless), env=ready)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # else the server would outlive the command
    while True:
        with suppress(KeyboardInterrupt):  # goes to the server, too, which ends with it
            return server.wait()


if __name__ == "__main__":
    sys.exit(main())
