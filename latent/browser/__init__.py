"""What runs in the browser: a JavaScript file for each component, and `live`, which turns a decoder into a program."""

from __future__ import annotations

from pathlib import Path


def source(name: str) -> str:
    """The text of a file of this wing, empty where there is none of that name."""
    path = Path(__file__).parent / name
    return path.read_text(encoding="utf-8") if path.exists() else ""
