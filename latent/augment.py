"""Random small deformations of training images: turned, slanted, stretched and bent as handwriting is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TURN = 0.25  # radians, either way
SLANT = 0.25  # sideways shift a unit of height
STRETCH = 0.12  # of either side
BEND = 0.06  # standard deviation of the displacement of a 5 × 5 mesh, in half-widths of the image
SHARE = 0.7  # of the images are deformed, the others stay as they are


def deform(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Images ``x`` (n, channels, height, width) in [0, 1], `SHARE` of them deformed; ``strength`` 1 is the full amount.

    An affine map and an elastic displacement in one resampling (after Simard et al. 2003, ICDAR), bicubic so
    that strokes stay as sharp as in the images they come from.
    """
    n = len(x)

    def symmetric(limit: float) -> Tensor:
        return (2 * torch.rand(n, generator=generator) - 1) * (limit * strength)

    turn, slant = symmetric(TURN), symmetric(SLANT)
    stretch_x, stretch_y = 1 + symmetric(STRETCH), 1 + symmetric(STRETCH)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0] = turn.cos() * stretch_x
    affine[:, 0, 1] = slant - turn.sin() * stretch_x
    affine[:, 1, 0] = turn.sin() * stretch_y
    affine[:, 1, 1] = turn.cos() * stretch_y
    mesh = torch.randn(n, 2, 5, 5, generator=generator) * (BEND * strength)
    kept = torch.rand(n, generator=generator) > SHARE

    grid = F.affine_grid(affine.to(x.device), list(x.shape), align_corners=False)
    bend = F.interpolate(mesh.to(x.device), size=x.shape[-2:], mode="bicubic", align_corners=True)
    deformed = F.grid_sample(x, grid + bend.movedim(1, -1), mode="bicubic", align_corners=False).clamp_(0, 1)
    return torch.where(kept.to(x.device).view(-1, 1, 1, 1), x, deformed)
