"""Modules that are loaded when something of them is first used: a page shows its first pictures before its charts."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class Lazily(ModuleType):
    """Stands for the module of this name, which is loaded as soon as one of its attributes is asked for.

    It is not among `sys.modules`, as those of `importlib.util.LazyLoader` are: PyTorch and Streamlit ask all of these
    for their files, which would load it at once.

    >>> Lazily("math").floor(2.5)
    2
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)
