"""How sure a reading is: certain, likely, or a guess, by what the readings that draw other pictures achieve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

SURE_ADVANTAGE, LIKELY_ADVANTAGE = 1.04, 1.015  # over the best reading that draws different pictures
SURE_MARGIN = 1.0  # times its error: no reading that draws different pictures reconstructs better
SURE_ERROR, LIKELY_ERROR = 0.67, 0.85  # of the mean image's error
DIFFERENT = 0.01  # of the variance of the pictures: from this mean squared difference on, they are others


class Level(StrEnum):
    """How sure; the values are what people read."""

    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "a guess"


@dataclass(frozen=True)
class Certainty:
    """How sure a reading is, and from what.

    ``margin`` is the least error of a reading that draws different pictures, divided by that of this one; infinite
    where all that was tried draws the same. ``advantage`` is the same after each unlikely choice has raised the error
    by its price. ``relative_error`` is this reading's error divided by that of the mean image as the answer to every
    image. ``not_run`` names the layers that lie among those in use and are not run. ``decoder_alone`` where nothing
    is reconstructed, ``open_size`` where the file does not tell the size or the colours of its images from those in
    use, ``in_time`` whether all that was meant to be tried was tried, ``wide_code`` whether the code holds as many
    numbers as the image, so that networks pass images through however they are run, ``two_scales`` whether pixels go in
    on one scale and come out on another, as hardly any author has it.
    """

    margin: float
    advantage: float
    relative_error: float
    not_run: tuple[str, ...] = ()
    decoder_alone: bool = False
    open_size: bool = False
    in_time: bool = True
    doubt: str = ""
    wide_code: bool = False
    two_scales: bool = False

    @property
    def level(self) -> Level:
        proved = not (self.decoder_alone or self.wide_code or self.two_scales)
        if not proved or self.advantage < LIKELY_ADVANTAGE or self.relative_error > LIKELY_ERROR:
            return Level.GUESS
        sure = self.unrivalled and self.relative_error <= SURE_ERROR
        doubted = self.not_run or self.open_size or not self.in_time or self.doubt
        return Level.CERTAIN if sure and not doubted else Level.LIKELY

    @property
    def unrivalled(self) -> bool:
        """Whether no reading that draws different pictures comes near, in its error alone or with prices."""
        return self.advantage >= SURE_ADVANTAGE and self.margin >= SURE_MARGIN

    def reasons(self) -> list[str]:
        """What speaks against the reading, each in a sentence; empty where it is certain."""
        found = [self.doubt] if self.doubt else []
        if self.decoder_alone:
            return [
                *found,
                "The file holds no encoder, so no reconstruction shows which activations and outputs it has.",
            ]
        if self.not_run:
            found.append(f"Layers of the file are not run: {', '.join(self.not_run)}.")
        if self.relative_error > SURE_ERROR:
            found.append(
                f"Its error is {self.relative_error:.0%} of the mean image's: it may have been trained on other images."
            )
        if self.wide_code:
            found.append("Its code is no smaller than the image, so other readings may pass images through as well.")
        if self.two_scales:
            found.append("Pixels go in on one scale and come out on another, as hardly any author has it.")
        if not self.unrivalled:
            found.append(f"A reading that draws other images has {self.margin:.2f} times its error.")
        if self.open_size:
            found.append("The file does not say how large its images are, or has colours that the images in use lack.")
        if not self.in_time:
            found.append("The time for the search ran out before all readings were tried.")
        return found

    @property
    def remedy(self) -> str:
        """What would settle it; empty where it is certain."""
        if self.level == Level.CERTAIN:
            return ""
        if self.decoder_alone:
            return "A file with its encoder would settle it, or one that says what its layers do, as ONNX files do."
        return (
            "Images that it was trained on would settle it, or a file that says what its layers do: an ONNX file, a "
            "Keras file with its configuration, or a network that was saved whole."
        )

    def to_dict(self) -> dict[str, object]:
        """Plain values, from which `from_dict` makes it again."""
        return asdict(self) | {"not_run": list(self.not_run)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Certainty:
        """What `to_dict` wrote. `KeyError`, `TypeError` or `ValueError` where it is none."""
        numbers = {name: float(values[name]) for name in ("margin", "advantage", "relative_error")}
        facts = {name: bool(values[name]) for name in ("decoder_alone", "open_size", "in_time")}
        facts |= {name: bool(values.get(name, False)) for name in ("wide_code", "two_scales")}
        not_run, doubt = tuple(map(str, values["not_run"])), str(values.get("doubt", ""))
        return cls(**numbers, **facts, not_run=not_run, doubt=doubt)  # type: ignore[arg-type]
