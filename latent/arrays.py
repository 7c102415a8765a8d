"""The arrays that rooms hand to each other, by what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Code = NDArray[np.float32]
"""A latent code (latent_dim,), in latent units."""
Codes = NDArray[np.float32]
"""Latent codes (n, latent_dim), in latent units."""
Pictures = NDArray[np.float32]
"""Decoded images (n, height, width) or (n, height, width, channels), pixels in [0, 1]."""
Labels = NDArray[np.integer[Any]]
"""The class of every image (n,), from 0 up."""
Rows = NDArray[np.intp]
"""Indices of images (n,)."""
Decode = Callable[[Codes], Pictures]
"""What makes pictures of codes."""
