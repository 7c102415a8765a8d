"""``python -m benchmarks.encode``: `latent.encode` on more and more images, each run a process of its own.

Prints seconds by the clock, seconds of the processor (which count less of what else a machine does), images a second
of each, and the most memory that the process ever had: that is to stay the same, and seconds are to grow in
proportion. The images are the test digits, shifted and darkened at random, all different, in one ``.npy`` file that is
removed afterwards; a million of them take 0.8 GB. ``--json`` prints the same for programs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from latent import data

ROOT = Path(__file__).parents[1]
AT_ONCE = 10_000  # images


@dataclass(frozen=True)
class Row:
    """One run: images, seconds by the clock and of all processors, the largest process and the codes in MB."""

    images: int
    seconds: float
    processor_seconds: float
    peak_mb: float
    codes_mb: float

    def text(self) -> str:
        """A line of the table."""
        pace, processor_pace = self.images / self.seconds, self.images / self.processor_seconds
        return (
            f"{self.images:12,}{self.seconds:10.1f}{pace:13,.0f}{self.processor_seconds:12.1f}{processor_pace:13,.0f}"
            f"{self.peak_mb:16,.0f}{self.codes_mb:11,.1f}"
        )


HEAD = (
    f"{'images':>12}{'seconds':>10}{'a second':>13}{'processor s':>12}{'a second':>13}"
    f"{'peak memory MB':>16}{'codes MB':>11}"
)


def write_images(path: Path, n: int, seed: int = 0) -> None:
    """``n`` different pictures (n, 28, 28) uint8, made and written a part at a time."""
    random = np.random.default_rng(seed)
    digits, _ = data.evaluation_digits()
    with path.open("wb") as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": (n, *digits.shape[1:])}
        np.lib.format.write_array_header_1_0(file, head)
        for start in range(0, n, AT_ONCE):
            part = digits[random.integers(0, len(digits), min(AT_ONCE, n - start))]
            part = np.roll(part, random.integers(-3, 4, 2), axis=(1, 2))
            noise = random.integers(0, 32, part.shape, dtype=np.uint8)
            file.write((part - np.minimum(part, noise)).tobytes())


def measure(checkpoint: Path, n: int, folder: Path, processes: int) -> Row:
    """Encode ``n`` images in a process of its own, or in several."""
    images, codes = folder / "images.npy", folder / "codes.npy"
    write_images(images, n)
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launcher, "-m", "latent.encode", str(checkpoint), "--data", str(images)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # processes share the work, not threads
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(codes)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"latent.encode failed:\n{errors.decode()}")
    peak = used.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    processor_seconds = used.ru_utime + used.ru_stime
    return Row(n, seconds, processor_seconds, peak, codes.stat().st_size / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.encode", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="of each run")
    parser.add_argument("--processes", type=int, default=1, help="that share a run (default 1)")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "ae-16.pt", help="default: ae-16")
    parser.add_argument("--folder", type=Path, help="where there is room for the images (default: for temporary files)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows = []
    if not options.json:
        print(HEAD, flush=True)
    for n in options.images:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows.append(measure(options.checkpoint, n, Path(folder), options.processes))
        if not options.json:
            print(rows[-1].text(), flush=True)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
