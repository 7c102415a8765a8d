"""What a reading can choose from: activations, scales of the pixels, and ways to make pixels of what comes out.

Each is one record, from which all else follows: what torch runs, what the browser runs, when the search tries it, and
how a file that holds modules names it. Names are stored in files and links and stay; the order of the records is the
order in which they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

DEFAULT_SLOPE = 0.01  # of torch's LeakyReLU
USUAL_VIEW, INVERTED_VIEW, PADDED_VIEW = "as they are", "inverted", "padded"


class Round(IntEnum):
    """The rounds of the search, each over more choices and fewer readings than the one before."""

    COARSE = 1
    FULL = 2
    FINE = 3


@dataclass(frozen=True)
class Activation:
    """One function that networks apply to each number between their layers.

    ``javascript`` the source of the same function in JavaScript, which may call those of `special_functions.js`; None
    where the browser has none, whose decoders are then run by the server. ``first_tried`` the round of the search from
    which on whole networks are read with it. ``module`` the class that computes it in files that hold modules, where
    that has another name, and ``negative_slope`` what such a module has to hold, where that matters.
    """

    name: str
    torch: Callable[[Tensor], Tensor]
    javascript: str | None = None
    first_tried: Round = Round.FINE
    module: str | None = None
    negative_slope: float | None = None

    def is_module(self, class_name: str, attributes: Mapping[str, Any]) -> bool:
        """Whether a module of this class computes it; authors' own classes may have the activation's own name."""
        slope = attributes.get("negative_slope", DEFAULT_SLOPE)
        agrees = self.negative_slope is None or (isinstance(slope, float) and slope == self.negative_slope)
        return class_name in (self.module or self.name, self.name) and agrees


@dataclass(frozen=True)
class PixelScale:
    """What networks take as pixels: those in [0, 1] minus ``mean``, divided by ``std``, times ``top``."""

    name: str
    mean: float = 0.0
    std: float = 1.0
    top: float = 1.0
    first_tried: Round = Round.FINE

    def from_unit(self, x: Tensor) -> Tensor:
        """Pixels in [0, 1] in this scale."""
        if (self.mean, self.std) != (0, 1):
            x = (x - self.mean) / self.std
        return x * self.top if self.top != 1 else x

    def to_unit(self, y: Tensor) -> Tensor:
        """Pixels in this scale, in [0, 1]: times `factor` plus `offset`."""
        if self.top != 1:
            y = y / self.top
        return y * self.std + self.mean if (self.mean, self.std) != (0, 1) else y

    @property
    def ends(self) -> tuple[float, float]:
        """What black and white are in this scale."""
        return (0 - self.mean) / self.std * self.top, (1 - self.mean) / self.std * self.top

    @property
    def factor(self) -> float:
        return self.std / self.top

    @property
    def offset(self) -> float:
        return self.mean


@dataclass(frozen=True)
class Output:
    """How pixels are made of what the last layer puts out: an activation gives them in a scale.

    ``activation`` and ``pixels`` by name; ``likely_for`` the scales of the pixels that go in with which authors use it.
    """

    name: str
    activation: str
    pixels: str
    likely_for: tuple[str, ...] = ()

    def torch(self, y: Tensor) -> Tensor:
        """The pixels, most of them in [0, 1]."""
        return PIXELS[self.pixels].to_unit(ACTIVATIONS[self.activation].torch(y))


@dataclass(frozen=True)
class View:
    """How a network sees images: ``inverted``, white for black, or ``transposed``, rows for columns.

    ``framed`` says that the image stands in the middle of a larger one, instead of being resized to it.
    """

    name: str
    inverted: bool = False
    transposed: bool = False
    framed: bool = False

    def torch(self, x: Tensor) -> Tensor:
        """The network's images (n, channels, side, side) in [0, 1] of those that people see, and those of its own."""
        x = x.transpose(2, 3) if self.transposed else x
        return 1 - x if self.inverted else x


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Tried(Protocol):
    @property
    def first_tried(self) -> Round: ...


Record = TypeVar("Record", bound=Named)


def by_name(*records: Record) -> dict[str, Record]:
    return {record.name: record for record in records}


def tried_in(which: Round, records: Mapping[str, Tried]) -> tuple[str, ...]:
    """The names of the records that a round of the search tries for whole networks."""
    return tuple(name for name, record in records.items() if record.first_tried <= which)


def leaky_relu(slope: float, first_tried: Round = Round.FINE) -> Activation:
    return Activation(
        f"LeakyReLU {slope}",
        lambda x: F.leaky_relu(x, slope),
        f"(x) => (x < 0 ? {slope} * x : x)",
        first_tried,
        module="LeakyReLU",
        negative_slope=slope,
    )


ACTIVATIONS = by_name(
    Activation("none", lambda x: x, "(x) => x"),
    Activation("ReLU", F.relu, "(x) => (x > 0 ? x : 0)", Round.COARSE),
    leaky_relu(0.01, Round.FULL),
    leaky_relu(0.2, Round.FULL),
    Activation("GELU", F.gelu, "(x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2))", Round.FULL),
    Activation("SiLU", F.silu, "(x) => x * sigmoid(x)", Round.FULL),
    Activation("ELU", F.elu, "(x) => (x > 0 ? x : Math.expm1(x))", Round.FULL),
    Activation("tanh", torch.tanh, "Math.tanh", Round.COARSE, module="Tanh"),
    Activation("sigmoid", torch.sigmoid, "sigmoid", Round.FULL, module="Sigmoid"),
    leaky_relu(0.1),
    leaky_relu(0.3),
    Activation(
        "SELU", F.selu, "(x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))"
    ),
    Activation("softplus", F.softplus, "softplus", module="Softplus"),
    Activation("Mish", F.mish, "(x) => x * Math.tanh(softplus(x))"),
)  # fmt: skip

PIXELS = by_name(
    PixelScale("[0, 1]", first_tried=Round.COARSE),
    PixelScale("[-1, 1]", mean=0.5, std=0.5, first_tried=Round.COARSE),
    # by the mean and the standard deviation of MNIST's pixels, as many authors standardise
    PixelScale("standardised", mean=0.1307, std=0.3081, first_tried=Round.FULL),
    PixelScale("[-0.5, 0.5]", mean=0.5, first_tried=Round.FULL),
    PixelScale("[0, 255]", top=255),
)

VIEWS = by_name(
    View(USUAL_VIEW),
    View(INVERTED_VIEW, inverted=True),
    View(PADDED_VIEW, framed=True),
    View("transposed", transposed=True),
    View("inverted and transposed", inverted=True, transposed=True),
)

OUTPUTS = by_name(
    Output("sigmoid", "sigmoid", "[0, 1]", likely_for=("[0, 1]", "standardised")),
    Output("linear", "none", "[0, 1]", likely_for=("[0, 1]", "standardised")),
    Output("tanh for [-1, 1]", "tanh", "[-1, 1]", likely_for=("[-1, 1]",)),
    Output("tanh", "tanh", "[0, 1]"),
    Output("linear for [-1, 1]", "none", "[-1, 1]", likely_for=("[-1, 1]",)),
    Output("linear for standardised", "none", "standardised", likely_for=("standardised",)),
    Output("sigmoid for standardised", "sigmoid", "standardised"),
    Output("sigmoid for [-1, 1]", "sigmoid", "[-1, 1]"),
    Output("tanh for standardised", "tanh", "standardised"),
    Output("linear for [-0.5, 0.5]", "none", "[-0.5, 0.5]", likely_for=("[-0.5, 0.5]",)),
    Output("linear for [0, 255]", "none", "[0, 255]", likely_for=("[0, 255]",)),
)
