"""Open a trained autoencoder and explore its latent space.

The road through the package, one room a noun::

    checkpoint -> model -> space -> sampling, traversal, interpolation, statistics -> images, charts
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """`export`, which is loaded when it is asked for: most that is here needs no network."""
    if name == "export":
        from latent.exporting import export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
