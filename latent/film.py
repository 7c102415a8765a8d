"""`Film`: the snapshots of a training run, ready to be played: places on one flat map, losses and pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from latent.images import sheet
from latent.projection import Plane
from latent.snapshots import Snapshots

EDGE = 0.005  # share of the codes of a frame that may lie beyond the map, at each side
ROOM = 0.04  # between the codes and the edge of the map, as a share of its side
COLUMNS = 8  # of reconstructions
MAP_SIDE = 372  # pixels of the map in a GIF
DOT = 4  # pixels
CURVE = 70  # pixels that the curve of the losses is high
MARGIN = 12
GREYS = 48  # of a GIF, beside the colours of the classes: more would not be seen, and take room


@dataclass(frozen=True, eq=False)
class Film:
    """A training run to look at, a frame an epoch that was kept.

    ``places`` (n, images, 2) float32 are shares of the map, 0 at the left and at the bottom, the same map for all
    epochs; a few codes may lie outside. ``axes`` are what its two axes are called. ``losses`` (n,) on the test images,
    NaN where none was measured.
    """

    snapshots: Snapshots
    places: NDArray[np.float32]
    axes: tuple[str, str]
    losses: NDArray[np.float64]

    @classmethod
    def of(cls, snapshots: Snapshots, history: Sequence[Mapping[str, float]]) -> Film:
        """The film of a run and its history, the rows of a checkpoint.

        Of more than two dimensions the map is the plane of the final epoch's first two principal components; of one,
        the classes lie one above the other.
        """
        codes = snapshots.codes
        plane = Plane.of(codes[-1])
        places = np.stack([plane.project(z) for z in codes])
        axes = plane.names
        if codes.shape[2] == 1:
            places[:, :, 1] = snapshots.labels + np.random.default_rng(0).uniform(-0.35, 0.35, codes.shape[1])
            axes = (axes[0], "class")
        low, high = (np.quantile(places, share, axis=1) for share in (EDGE, 1 - EDGE))
        low, high = low.min(axis=0), high.max(axis=0)
        room = ROOM * (high - low) + 1e-6
        measured = {row["epoch"]: row["test_loss"] for row in history}
        losses = np.array([measured.get(int(epoch), np.nan) for epoch in snapshots.epochs])
        shares = (places - (low - room)) / (high - low + 2 * room)
        return cls(snapshots, shares.astype(np.float32), axes, losses)

    def __len__(self) -> int:
        return len(self.snapshots)

    def caption(self, frame: int) -> str:
        """The epoch and its loss in words."""
        epoch, last, loss = self.snapshots.epochs[frame], self.snapshots.epochs[-1], self.losses[frame]
        if epoch == 0:
            return f"before training, 0 of {last} epochs"
        return f"epoch {epoch} of {last}" + ("" if np.isnan(loss) else f", test loss {loss:.4f}")

    def picture(self, frame: int, colours: Sequence[str]) -> Image.Image:
        """The map, with the dots in the ``colours`` of their classes, the reconstructions beside it, and a title."""
        zoom = max(1, MAP_SIDE // (self.snapshots.reconstructions.shape[2] * 6))
        pictures = sheet(self.snapshots.reconstructions[frame], COLUMNS, zoom).image
        title = 28
        size = (MAP_SIDE + pictures.width + 3 * MARGIN, max(MAP_SIDE, pictures.height) + title + 2 * MARGIN)
        picture = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(picture)
        draw.text((MARGIN, MARGIN), self.caption(frame), "black", ImageFont.load_default(18))
        left, top = MARGIN, MARGIN + title
        for (x, y), label in zip(self.places[frame], self.snapshots.labels):
            if 0 <= x <= 1 and 0 <= y <= 1:
                at_x, at_y = left + x * (MAP_SIDE - DOT), top + (1 - y) * (MAP_SIDE - DOT)
                draw.rectangle((at_x, at_y, at_x + DOT - 1, at_y + DOT - 1), colours[label % len(colours)])
        draw.rectangle((left, top, left + MAP_SIDE, top + MAP_SIDE), outline="silver")
        picture.paste(pictures, (left + MAP_SIDE + MARGIN, top), pictures)
        self.draw_losses(draw, (2 * MARGIN + MAP_SIDE, top + pictures.height + 2 * MARGIN, pictures.width), frame)
        return picture

    def draw_losses(self, draw: ImageDraw.ImageDraw, place: tuple[int, int, int], frame: int) -> None:
        """The curve of the losses on a logarithmic scale, and where on it the frame is; ``place`` left, top, width."""
        left, top, width = place
        known = np.flatnonzero(self.losses > 0)
        if len(known) < 2 or top + CURVE > MAP_SIDE:
            return
        heights = np.log(self.losses[known])
        y = top + CURVE * (heights.max() - heights) / max(np.ptp(heights), 1e-12)
        x = left + (width - 1) * known / (len(self) - 1)
        draw.line([*zip(x, y)], "gray", 2)
        if frame in known:
            at_x, at_y = (float(line[known == frame][0]) for line in (x, y))
            draw.ellipse((at_x - DOT, at_y - DOT, at_x + DOT, at_y + DOT), "black")

    def gif(self, colours: Sequence[str], milliseconds: int = 250) -> bytes:
        """All frames as a GIF that plays for ever, the last one held for two seconds; about 40 kB a frame."""
        greys = np.linspace(0, 255, GREYS).round().astype(np.uint8).repeat(3)
        palette = Image.new("P", (1, 1))
        palette.putpalette([*np.ravel([ImageColor.getrgb(colour) for colour in colours]).tolist(), *greys.tolist()])
        frames = [
            self.picture(frame, colours).quantize(palette=palette, dither=Image.Dither.NONE)
            for frame in range(len(self))
        ]
        buffer = io.BytesIO()
        frames[0].save(
            buffer, format="GIF", save_all=True, append_images=frames[1:], loop=0, optimize=False,
            duration=[milliseconds] * (len(frames) - 1) + [2000],
        )  # fmt: skip
        return buffer.getvalue()
