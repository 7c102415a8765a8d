"""Everything that is measured of the images alone: the same for every model that is judged by them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import components, store
from latent.dataset import Dataset
from latent.measure import dimensions, judge, knowledge, properties
from latent.measure.fidelity import PixelComponents, halves
from latent.measure.judge import LOOKED_AT, Judge
from latent.measure.judgement import Seen
from latent.measure.kept import Part
from latent.measure.knowledge import Knowledge
from latent.measure.measured import Measured, measured_once
from latent.measure.properties import Property
from latent.space import LatentSpace

JUDGE: Part = ("judge",)  # among the parts while it is to be trained


@dataclass(frozen=True, eq=False)
class Originals(Measured):
    """What is measured of the ``images`` of a ``dataset``, in the size and the colours that models take.

    ``framed``: whether they were brought to that size by a margin, and not resized.
    """

    dataset: Dataset
    images: NDArray[np.uint8] = field(repr=False)
    framed: bool = False

    @classmethod
    def of(cls, space: LatentSpace) -> Originals:
        """The images that a space is judged by."""
        return cls(space.dataset, space.images, space.signature.framed)

    def shared_with(self, space: LatentSpace) -> Originals:
        """These, where a space is judged by the very same images, else its own."""
        own = Originals.of(space)
        return self if own.identity == self.identity else own

    @property
    def identity(self) -> tuple[Hashable, ...]:
        """What tells these images from all others."""
        return self.dataset.sha256, *self.images.shape[1:], self.framed

    @property
    def has_judge(self) -> bool:
        """Whether the judge of these images needs no training any more."""
        return JUDGE in self.found or self.had_judge()

    @measured_once
    def had_judge(self) -> bool:
        """Whether a judge was there, without training, when this was first asked."""
        return judge.at_hand(self.dataset)

    def judge(self, progress: Callable[[float], object] = lambda share: None) -> Judge:
        """The judge of these images (`judge.judge_of`), trained for them where there is none.

        ``progress`` hears the share of the training that is done.
        """
        with self.lock:
            found: Judge = self.found.get(JUDGE) or judge.judge_of(self.dataset, progress)
            self.found[JUDGE] = found
            return found

    @measured_once
    def are_named(self) -> bool:
        """Whether the judge names the classes of the images rightly, in this size and these colours."""
        judge, labels = self.judge(), self.dataset.labels
        rows = judge.judged(len(self.images))[:LOOKED_AT]
        return labels is not None and judge.applies(self.images[rows], labels[rows])

    def see(self, pictures: NDArray[Any]) -> Seen:
        """What is seen of pictures like these images."""
        return Seen(self.judge()(pictures), self.pixel_components()(pictures))

    @measured_once
    def seen(self) -> Seen:
        """What is seen of the images themselves."""
        return self.see(self.images)

    @measured_once
    def pixel_components(self) -> PixelComponents:
        """The principal components of half of the images, in which the pixels of samples are compared with theirs."""
        return PixelComponents.of(self.images[halves(len(self.images))[1]])

    @measured_once
    def pca_errors(self, most: int, seed: int) -> NDArray[np.float64]:
        """The error of principal components as codes, from none (the mean picture) to ``most``: (most + 1,)."""
        return dimensions.pca_errors(self.images, most, seed)

    @measured_once
    def pca_curve(self, most: int) -> NDArray[np.float64]:
        """The same by seed 0, kept on disk across restarts."""
        return store.stored(lambda: self.pca_errors(most, 0), "pca errors", most, self.identity)

    @measured_once
    def knowledge(self, n_components: int | None, seed: int) -> Knowledge:
        """How well classes can be told from the pixels, or from so many principal components of them; kept on disk
        across restarts."""

        def measure() -> Knowledge:
            rows = knowledge.pixels(self.images)
            if n_components is not None:
                rows = components.principal_components(rows, n_components)
            labels = self.dataset.labels
            assert labels is not None  # who asks has looked
            return Knowledge.of(rows, labels, seed)

        return Knowledge.stored(measure, "pixels", n_components, self.identity, seed)

    @measured_once
    def kinds_of_properties(self) -> Mapping[str, Property]:
        """The properties that apply to these images, by name."""
        return properties.of(self.images)

    @measured_once
    def property_values(self, name: str) -> NDArray[np.float32]:
        """A property of every image, (n,)."""
        return self.kinds_of_properties()[name].measure(self.images)

    def properties(self) -> dict[str, NDArray[np.float32]]:
        """All properties of the images by name, (n,) each."""
        return {name: self.property_values(name) for name in self.kinds_of_properties()}

    def measure_properties(self, pictures: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """The properties that apply to these images, of any pictures like them."""
        return properties.measure_all(pictures, self.kinds_of_properties())
