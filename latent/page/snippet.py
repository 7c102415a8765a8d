"""Lines of Python that give the same arrays without the page, with the imports that they need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from latent import checkpoint, dataset
from latent.arrays import Code
from latent.files import PROJECT
from latent.foreign.reading import Reading
from latent.space import LatentSpace

LONGEST_LITERAL = 256  # numbers of a vector that are written out

Used = ModuleType | type


@dataclass(frozen=True)
class Snippet:
    """``lines``, and the modules and classes that they ``use``."""

    lines: str
    use: tuple[Used, ...] = ()

    def __str__(self) -> str:
        return self.lines


def snippet(lines: str, *used: Used | Snippet) -> Snippet:
    """The lines, which use these; a snippet that stands in them brings along what it uses itself."""
    found: list[Used] = []
    for each in used:
        found += each.use if isinstance(each, Snippet) else [each]
    return Snippet(lines, tuple(found))


def program(space: LatentSpace, body: Snippet) -> str:
    """The lines with all that they need before them: imports, and the space that is open."""
    opened = opening(space)
    whole = snippet(f"{opened}\n\n{body}", opened, body)
    return "\n".join([*imports(whole.use), "", whole.lines])


def imports(used: tuple[Used, ...]) -> list[str]:
    """The lines that import modules and classes.

    >>> from latent import sampling
    >>> imports((np, sampling, LatentSpace))
    ['import numpy as np\\n', 'from latent import sampling', 'from latent.space import LatentSpace']
    """
    names: dict[str, set[str]] = {}
    for each in used:
        whole = each.__name__ if isinstance(each, ModuleType) else f"{each.__module__}.{each.__name__}"
        room, _, name = whole.rpartition(".")
        names.setdefault(room, set()).add(name)
    numpy = ["import numpy as np\n"] if names.pop("", None) else []
    return numpy + [f"from {room} import {', '.join(sorted(names[room]))}" for room in sorted(names)]


def opening(space: LatentSpace, name: str = "space") -> Snippet:
    """The lines that open a space as it is open here, under this name."""
    saved = space.checkpoint
    path = from_project(saved.path or Path(space.name))
    by_itself = space.dataset.ships if saved.images is None else space.dataset.sha256 == saved.images.sha256
    images = "" if by_itself else repr(from_project(Path(space.dataset.place or space.dataset.name)))
    found = snippet(f"{name} = LatentSpace.open({path!r}{images and ', '}{images})", LatentSpace)
    if saved.scored and np.isnan(saved.scored[0].error):  # read another way than the best one found
        read = images and f", dataset.read({images})"
        found = snippet(
            f"opened = checkpoint.load({path!r})\n"
            f"reading = Reading.from_dict({saved.scored[0].reading.to_dict()!r}, opened.state)\n"
            f"{name} = LatentSpace.of({space.name!r}, opened.overruled(reading){read})",
            checkpoint, Reading, LatentSpace, *([dataset] if read else []),
        )  # fmt: skip
    if space.signature.conditional:
        found = snippet(f"{found}\n{name} = {name}.asked_for({space.asked})", found)
    return found


def from_project(path: Path) -> str:
    """A path as it is written in the folder of this project."""
    return (path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path).as_posix()


def literal(code: Code) -> Snippet:
    """A code as Python, every bit of it."""
    if len(code) > LONGEST_LITERAL:
        return snippet('np.load("code.npz")["code"]', np)
    return snippet(f"np.array([{', '.join(str(value) for value in code)}], np.float32)", np)
