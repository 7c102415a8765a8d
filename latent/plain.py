"""Values as strict JSON can say them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Arrays as lists and numbers as Python's own, NaN and infinity as None.

    >>> plain({"shares": np.array([0.5, np.nan]), 3: np.bool_(True)})
    {'shares': [0.5, None], '3': True}
    """
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
