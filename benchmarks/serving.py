"""A Streamlit server of its own for a measurement, on 127.0.0.1, which ends with it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = "streamlit_app.py"
BARE = "benchmarks/bare_page.py"  # one slider, one picture, nothing imported
BARE_CHART = "benchmarks/bare_chart_page.py"  # one slider, one chart, nothing imported
BARE_TORCH = "benchmarks/bare_torch_page.py"  # torch imported, one picture
NAIVE = "benchmarks/naive_page.py"  # torch imported, 64 pictures and a chart as one writes them at first
PATIENCE = 60.0  # seconds that a server has to come up


@dataclass(frozen=True)
class Server:
    """A running server on 127.0.0.1."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def megabytes(self) -> float:
        """The memory that the server's process holds at the moment."""
        import psutil

        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20


@contextmanager
def serve(script: str, *options: str, **environment: str) -> Iterator[Server]:
    """A server of the page in ``script``, from when it answers; killed where it does not end when asked to."""
    port = free_port()
    ours = ["--server.headless", "true", "--server.address", "127.0.0.1", "--server.port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, *ours, *options],
        cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | environment,
    )  # fmt: skip
    server = Server(port, process)
    try:
        wait_for(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_for(server: Server) -> None:
    """Return when the server answers. Raises `RuntimeError` where it does not within `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"The server at {server.address} did not come up.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
