"""A data set of one's own: the memory that opening it takes, and the time, beside the arrays themselves."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.comparison import Row

IMAGES = (10_000, 64, 64, 3)
# The kernel keeps the most that a process held (VmHWM), and begins anew when it is told to.
OPEN = """
import json, sys, time
from pathlib import Path
from latent import data, dataset
from latent.space import LatentSpace

def megabytes(line):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) / 1024 for each in lines if each.startswith(line))

data.evaluation_digits()
Path("/proc/self/clear_refs").write_text("5")
before, start = megabytes("VmRSS"), time.perf_counter()
images = dataset.read(sys.argv[1])
seconds, read = time.perf_counter() - start, megabytes("VmHWM")
LatentSpace.open(sys.argv[2], images=images).z
print(json.dumps([seconds, read - before, megabytes("VmHWM") - before, images.images.nbytes / 2**20]))
"""
LOAD = """
import sys, time
import numpy
start = time.perf_counter()
with numpy.load(sys.argv[1]) as arrays:
    for name in arrays.files:
        arrays[name]
print(time.perf_counter() - start)
"""


def opening_images(checkpoint: Path) -> list[Row]:
    """Megabytes that 10,000 colour images add at most while they are opened and encoded, and the seconds to open."""
    from latent import checkpoint as files
    from latent.model import Autoencoder, AutoencoderConfig

    with tempfile.TemporaryDirectory() as folder:
        images, model = Path(folder) / "images.npz", Path(folder) / "model.pt"
        rng = np.random.default_rng(0)
        np.savez(images, images=rng.integers(0, 256, IMAGES, np.uint8), labels=rng.integers(0, 10, IMAGES[0]))
        config = AutoencoderConfig(latent_dim=16, image_shape=(3, 64, 64))
        files.save(model, files.Checkpoint(config, Autoencoder(config).state_dict()))
        seconds, read, encoded, size = json.loads(output(OPEN, images, model))
        loading = float(output(LOAD, images))
    name, against = "10,000 images, 64 × 64 × 3", "their own size"
    return [
        Row(f"{name}: memory to open", against, "MB", read, size, read / size, 2),
        Row(f"{name}: memory to encode", against, "MB", encoded, size, encoded / size),
        Row(f"{name}: time to open", "numpy.load", "ms", 1000 * seconds, 1000 * loading, seconds / loading),
    ]


def output(script: str, *arguments: Path) -> str:
    """What a script prints in a process of its own, whose memory nobody else has touched."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
