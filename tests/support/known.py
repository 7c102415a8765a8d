"""What the networks of other people gave, beside what ours gives."""

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray


def apart(found: NDArray[Any], right: NDArray[Any]) -> float:
    """Mean squared difference, as a share of the variance of what is right; infinite for another shape."""
    return float(np.square(found - right).mean() / right.var()) if found.shape == right.shape else inf


def channels_first(codes: NDArray[Any], known: Any) -> NDArray[Any]:
    """Flat codes as channels, height, width, where their author keeps them as height, width, channels.

    ``known`` are the arrays of one of the files in `functions`.
    """
    shape = tuple(known["code_shape"]) if "code_shape" in known else codes.shape[1:]
    if len(shape) == 1 or str(known["code_order"]) == "chw":
        return codes
    return codes.reshape(-1, *shape).transpose(0, 3, 1, 2).reshape(len(codes), -1)
