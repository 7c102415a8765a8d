"""The text that TorchScript saves of a module's methods, cut into functions and parsed as they are asked for.

Nothing of it is compiled or run: `torchscript_graph` goes through the syntax of what a module calls.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import dedent

from latent.errors import CheckpointError, UnsupportedError
from latent.files import label

MOST_CODE = 384 * 1024  # bytes of all functions that are parsed; as syntax they take hundreds of times as much
ROOT = "__torch__"


class DamagedError(CheckpointError):
    """Code that fits no inputs whatever."""


@dataclass
class Code:
    """The functions of an archive by their full names, its classes with their methods, and the ``fields`` of its named
    tuples; functions as text, and as syntax once they were asked for."""

    functions: dict[str, str] = field(default_factory=dict)
    classes: dict[str, dict[str, str]] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    parsed: dict[str, ast.FunctionDef] = field(default_factory=dict)
    bytes_parsed: int = 0

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Code:
        """The code in files by their paths: "code/__torch__/torch/nn/functional.py" holds what begins with
        "__torch__.torch.nn.functional."."""
        found = cls()
        for path, text in texts.items():
            module = path.removeprefix("code/").removesuffix(".py").replace("/", ".")
            for title, part in blocks(text, "class |def "):
                name = f"{module}.{title}"
                if part.startswith("class "):
                    head, _, body = part.partition("\n")
                    found.classes[name] = dict(blocks(body, "  def "))
                    if head.endswith("(NamedTuple):"):
                        found.fields[name] = re.findall(r"^  (\w+) ?:", body, re.MULTILINE)
                else:
                    found.functions[name] = part
        return found

    def method(self, class_name: str, name: str) -> ast.FunctionDef | None:
        """A method of a class, None where it has none of this name. Raises `CheckpointError` as `function` does."""
        text = self.classes.get(class_name, {}).get(name)
        return None if text is None else self.syntax(f"{class_name}.{name}", text)

    def function(self, name: str) -> ast.FunctionDef | None:
        """A function that belongs to no class, None where there is none of this name. Raises `CheckpointError`."""
        text = self.functions.get(name)
        return None if text is None else self.syntax(name, text)

    def syntax(self, name: str, text: str) -> ast.FunctionDef:
        if name not in self.parsed:
            self.bytes_parsed += len(text)
            if self.bytes_parsed > MOST_CODE:
                raise UnsupportedError(f"runs more than {MOST_CODE // 1024} KB of code")
            self.parsed[name] = parsed(name, text)
        return self.parsed[name]


def parsed(name: str, text: str) -> ast.FunctionDef:
    """The syntax of one function. Raises `CheckpointError` where it is none, or is nested too deep."""
    try:
        (found,) = ast.parse(dedent(text)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DamagedError(f"is damaged or forged: its function {label(short(name))} cannot be parsed") from error
    if not isinstance(found, ast.FunctionDef):
        raise DamagedError(f"is damaged or forged: its function {label(short(name))} is none")
    return found


def blocks(text: str, starts: str) -> Iterator[tuple[str, str]]:
    """The parts of a text that begin with a line of one of these starts, each with the name that follows there."""
    heads = list(re.finditer(rf"^(?:{starts})(\w+)", text, re.MULTILINE))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends):
        yield head[1], text[head.start() : end]


def short(name: str) -> str:
    """A name for people: without the root and what keeps classes of one name apart."""
    return re.sub(r"___torch_mangle_\d+\.", "", name.removeprefix(f"{ROOT}."))
