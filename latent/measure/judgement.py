"""What the reference classifier makes of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Judgement:
    """What the judge makes of pictures: ``features`` (n, 64), and ``probabilities`` (n, n_classes) of the classes, of
    which there are none where it names none."""

    features: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)

    def select(self, rows: NDArray[np.intp]) -> Judgement:
        """The judgement of some of the pictures."""
        return Judgement(self.features[rows], self.probabilities[rows])

    @property
    def names_classes(self) -> bool:
        """Whether there are classes."""
        return self.probabilities.shape[1] > 0

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The likeliest class of each picture, (n,); (0,) where there are no classes."""
        return self.probabilities.argmax(axis=1) if self.names_classes else np.zeros(0, np.intp)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that class, (n,); (0,) where there are no classes."""
        return self.probabilities.max(axis=1) if self.names_classes else np.zeros(0, np.float32)
