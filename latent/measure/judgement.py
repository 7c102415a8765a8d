"""What the reference classifier makes of pictures."""

from __future__ import annotations

from collections.abc import Sequence
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

    @classmethod
    def together(cls, parts: Sequence[Judgement]) -> Judgement:
        """The judgement of several sets of pictures as one."""
        features, probabilities = [each.features for each in parts], [each.probabilities for each in parts]
        return cls(np.concatenate(features), np.concatenate(probabilities))


@dataclass(frozen=True)
class Seen:
    """What is seen of pictures: the judge's opinion, and their ``pixels`` (n, p) in principal components."""

    judgement: Judgement
    pixels: NDArray[np.float32] | None = field(default=None, repr=False)

    def select(self, rows: NDArray[np.intp]) -> Seen:
        """What is seen of some of the pictures."""
        return Seen(self.judgement.select(rows), None if self.pixels is None else self.pixels[rows])

    @classmethod
    def together(cls, parts: Sequence[Seen]) -> Seen:
        """What is seen of several sets of pictures as one."""
        pixels = [each.pixels for each in parts if each.pixels is not None]
        judgement = Judgement.together([each.judgement for each in parts])
        return cls(judgement, np.concatenate(pixels) if pixels else None)
