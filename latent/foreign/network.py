"""A network read from somebody else's file, as a model like our own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent.foreign.described import in_parts
from latent.foreign.lowering import encoder_of, lowered
from latent.foreign.operations import VIEWS
from latent.foreign.search import Scored
from latent.model import Signature


class Network(nn.Module):
    """Runs a reading as the graphs that it is lowered to; the search runs many readings by `Reading.run` alone.

    ``scored`` are the readings that were tried, the first being the one in use. A spatial code goes in and out flat.
    Raises `CheckpointError` where the reading's layers do not fit together.
    """

    def __init__(self, scored: list[Scored]) -> None:
        super().__init__()
        self.scored = scored
        self.reading = scored[0].reading
        tensors = [
            tensor
            for layer in self.reading.layers
            for name, tensor in layer.tensors.items()
            if name != "num_batches_tracked"
        ]
        self.weights = nn.ParameterList([nn.Parameter(tensor, requires_grad=False) for tensor in tensors])
        self.lower()

    def lower(self) -> None:
        """Make graphs of the reading, and of what its encoder gives beside the code; they share its tensors."""
        beside = self.reading.beside()
        self.description = lowered(self.reading)
        self.beside = None if beside is None else encoder_of(beside)

    @property
    def signature(self) -> Signature:
        reading = self.reading
        shape = reading.code_shape
        return Signature(
            kind="vae" if reading.variational else "ae",
            latent_dim=int(torch.Size(shape).numel()),
            image_shape=(reading.channels, reading.side, reading.side),
            code_shape=shape,
            n_classes=reading.chain.n_classes,
            has_encoder=reading.chain.has_encoder,
            framed=VIEWS[reading.view].framed,
        )

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """``x`` (n, channels, side, side) in [0, 1] -> ``z`` (n, latent_dim)."""
        encoder = self.description.halves.encoder
        assert encoder is not None
        return in_parts(encoder, x, label).flatten(1)

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The mean, and what the second head puts out, both (n, latent_dim); None for a plain autoencoder."""
        beside = None if self.beside is None else in_parts(self.beside, x, label).flatten(1)
        return self.encode(x, label), beside

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """``z`` (n, latent_dim) -> ``x_hat`` (n, channels, side, side) in [0, 1]."""
        decoder = self.description.halves.decoder
        assert decoder is not None
        return in_parts(decoder, z.reshape(len(z), *self.reading.code_shape), label).clamp(0, 1)

    def _apply(self, move, recurse: bool = True):  # type: ignore[no-untyped-def]
        """Moves to another device as a module does, the reading's own tensors with it."""
        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        self.reading = self.reading.moved(move)
        self.lower()
        return self
