"""What runs in the browser: a JavaScript file for each component, and `live`, which turns a decoder into a program."""

from __future__ import annotations

import re
from pathlib import Path


def source(name: str) -> str:
    """The text of a file of this wing, empty where there is none of that name."""
    path = Path(__file__).parent / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def joined(*scripts: str) -> str:
    """JavaScript modules as one, each behind those that it imports from: Streamlit takes one for a component."""
    return "".join(map(without_imports, scripts))


def without_imports(script: str) -> str:
    """A module's source for a place behind those that it imports from."""
    return "".join(line for line in script.splitlines(keepends=True) if not line.startswith("import "))


def scoped(script: str) -> str:
    """A module without imports as an expression, whose value is its default export: one script can hold several.

    >>> print(scoped("export const two = 2\\nexport default function () {}\\n"))
    (() => {
    const two = 2
    const exported = function () {}
    return exported
    })()
    """
    inner = re.sub(r"^export default ", "const exported = ", script, flags=re.MULTILINE)
    inner = re.sub(r"^export ", "", inner, flags=re.MULTILINE)
    return f"(() => {{\n{inner.rstrip()}\nreturn exported\n}})()"
