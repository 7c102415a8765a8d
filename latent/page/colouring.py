"""What the dots of a map are coloured by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

USUAL_CLUSTERS = 10  # where nobody chooses how many
By = Literal["class", "cluster", "MSE", "dimension", "property"]


@dataclass(frozen=True)
class Colouring:
    """By what, and of that which: the number of clusters, a dimension, or the name of a property.

    >>> [each.in_words for each in (Colouring("dimension", 3), Colouring("property", "slant"), Colouring("class"))]
    ['dimension 3', 'slant', 'class']
    """

    by: By = "class"
    shown: int | str | None = None

    @property
    def in_words(self) -> str:
        match self.by:
            case "dimension":
                return f"dimension {self.shown}"
            case "property":
                return str(self.shown)
        return self.by
