"""Folders that pythae has written: ``model.pt`` with the configuration of its model beside it.

The networks that pythae pickles into the folder (``encoder.pkl``, ``decoder.pkl``) hold weights that ``model.pt`` has
as well.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from latent.errors import CheckpointError
from latent.files import label
from latent.likelihood import Bernoulli, Likelihood

MODEL, CONFIG = "model.pt", "model_config.json"
# What lies between encoder and decoder, or in them, and no weights tell.
MORE_THAN_WEIGHTS = {
    "SVAE": "puts its codes onto a sphere", "PoincareVAE": "puts its codes into a hyperbolic space",
    "VAE_LinNF": "sends its codes through a flow", "VAE_IAF": "sends its codes through a flow",
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """What a configuration says: the ``name`` of the model, ``input_dim`` of its images (channels, height, width), and
    how many numbers a code has. ``loss`` is that of the reconstruction, empty where it does not say."""

    name: str
    input_dim: tuple[int, ...]
    latent_dim: int
    loss: str = ""

    @classmethod
    def parse(cls, content: bytes, name: str) -> Config:
        """The configuration in the bytes of a file. Raises `CheckpointError` where it is damaged."""
        try:
            values = json.loads(content.decode("utf-8"))
            sizes = tuple(int(size) for size in values["input_dim"] or ())
            loss = str(values.get("reconstruction_loss", ""))
            return cls(str(values["name"]).removesuffix("Config"), sizes, int(values["latent_dim"]), loss)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise CheckpointError(
                f"{label(name)}, which lies beside the model, is not a configuration of pythae: expected name, "
                "input_dim and latent_dim."
            ) from error

    @property
    def likelihood(self) -> Likelihood | None:
        """What the loss implies of the pixels, where that is certain: the squared error has another weight in every
        version of pythae, and other models than the plain VAE weight the KL divergence."""
        return Bernoulli() if self.name == "VAE" and self.loss == "bce" else None

    def describe(self) -> str:
        sizes = " × ".join(map(str, self.input_dim))
        images = f"images of {label(sizes)}, " if sizes else ""
        return f"{label(self.name)}, {images}{self.latent_dim} latent dimensions"

    def doubt(self, image_shape: tuple[int, int, int], latent_dim: int) -> str:
        """Why a network that was inferred is not the configuration's, as a sentence; empty where it may be."""
        if self.name in MORE_THAN_WEIGHTS:
            return f"The configuration beside the file says {self.name}, which {MORE_THAN_WEIGHTS[self.name]}."
        same = not self.input_dim or math.prod(self.input_dim) == math.prod(image_shape)
        # a map of vectors from a codebook has as many numbers at each place
        if same and (
            self.latent_dim == latent_dim or (self.name.startswith("VQ") and not latent_dim % self.latent_dim)
        ):
            return ""
        found = f"images of {' × '.join(map(str, image_shape))}, {latent_dim} latent dimensions"
        return f"The configuration beside the file says {self.describe()}, while its weights seem to be of {found}."


def config_beside(path: str | Path) -> Path | None:
    """The configuration beside a file that pythae has written, None where there is none."""
    path = Path(path)
    config = path.with_name(CONFIG)
    return config if path.name == MODEL and config.is_file() else None


def is_part_of_another(path: Path) -> bool:
    """Whether a file lies in a folder of pythae without being its model: pickled halves, an optimizer, a scheduler."""
    return path.name != MODEL and path.with_name(CONFIG).is_file() and path.with_name(MODEL).is_file()
