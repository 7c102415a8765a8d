"""The plan of the house: who imports whom, and that nothing which is imported is changed afterwards.

A room is a file of `latent`, or a folder of it with all of its files; the script is a room too. A new room needs an
entry in `LEVELS`, and one in `RUNS_NETWORKS` if it imports torch; a new file in a folder needs none.
"""

from graphlib import TopologicalSorter

import pytest

from tests.support.models import ROOT
from tests.support.source_code import Import, Module, modules

SCRIPT = "streamlit_app"
# From the bottom: a room imports rooms of its own level and of those before it.
LEVELS = [
    ["errors", "arrays", "files", "commands"],
    [  # leaves, which know arrays
        "arrow", "augment", "charts", "clustering", "codes", "components", "directions", "document", "drawing",
        "figures", "film", "images", "interpolation", "labels", "lazy", "likelihood", "neighbours", "pictures", "piles",
        "pixels", "plain", "projection", "sampling", "selection", "shelf", "snapshots", "stacks", "statistics",
        "streaming", "support", "traversal",
    ],
    ["data", "dataset", "density", "encoded", "inference", "model", "parquet", "sources", "store"],
    ["foreign"],
    ["checkpoint"],
    ["space"],
    ["measure"],
    # but for the first of them, commands
    [
        "browser", "checkpoint.__main__", "compare", "encode", "exporting", "handout", "notebook", "report", "results",
        "train",
    ],
    ["latent"],  # the package itself, which offers `export`
    ["page"],
    [SCRIPT, "__main__"],
]  # fmt: skip
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Where torch is imported: rooms, and single files of those folders in which most need none. `data` runs nothing, but
# has torchvision fetch and read its images.
RUNS_NETWORKS = {
    "augment", "browser.graphs", "browser.live", "checkpoint", "data", "encode", "exporting", "foreign", "inference",
    "measure.judge", "model", "space", "train",
}  # fmt: skip
SHOWS_PAGES = {"page", SCRIPT}

HOUSE = modules("latent", "streamlit_app.py")
NAMES = [module.name for module in HOUSE]


def place(name: str) -> str:
    """A module's name within the package: ``measure.judge``."""
    return name.removeprefix("latent.")


def room(name: str) -> str:
    """The entry of `LEVELS` that a module belongs to."""
    return place(name) if place(name) in LEVEL else place(name).partition(".")[0]


def imports(module: Module) -> set[Import]:
    return module.imports_among(NAMES)


def importers(*packages: str) -> set[str]:
    """The modules of the house that import something of these packages, by their places."""
    return {
        place(module.name)
        for module in HOUSE
        if any(each.module.partition(".")[0].startswith(packages) for each in module.imported_names)
    }


def test_every_room_has_its_level_and_every_level_its_rooms():
    assert {room(name) for name in NAMES} == set(LEVEL)
    assert len(LEVEL) == sum(map(len, LEVELS)), "a room has two levels"


def test_nothing_imports_upwards():
    """Not even for the types alone: what is below knows nothing of what is above."""
    upwards = [
        f"{module.name} imports {each.module}"
        for module in HOUSE
        for each in imports(module)
        if LEVEL[room(each.module)] > LEVEL[room(module.name)]
    ]
    assert not upwards


def test_no_modules_import_each_other_in_a_circle():
    """Also by way of imports within functions; for types alone they may, of which nothing comes when they run."""
    graph = {module.name: {each.module for each in imports(module) if not each.for_types} for module in HOUSE}
    TopologicalSorter(graph).prepare()  # raises a CycleError with the circle


def test_streamlit_is_imported_by_the_page_alone():
    assert {room(name) for name in importers("streamlit")} <= SHOWS_PAGES


def test_torch_is_imported_where_a_network_runs_and_nowhere_else():
    found = importers("torch")
    listed = {name: {entry for entry in RUNS_NETWORKS if f"{name}.".startswith(f"{entry}.")} for name in found}
    assert [name for name, entries in listed.items() if not entries] == []
    assert set().union(*listed.values()) == RUNS_NETWORKS, "some that are listed import no torch"


def fills_at_import(function: str, module: Module) -> bool:
    """Whether a function only ever decorates what modules define at their top, and so is called when they are imported.

    The script is run anew for every visitor, so what it decorates counts for functions of its own only.
    """
    uses = [(each, node) for each in HOUSE for node in each.uses.get(function, [])]
    return bool(uses) and all(
        node in each.decorators and (each is module or each.name != SCRIPT) for each, node in uses
    )


@pytest.mark.parametrize("module", HOUSE, ids=NAMES)
def test_no_variable_of_a_module_is_changed_after_its_import(module):
    changed = module.changed_variables()
    assert {(function, name) for function, name in changed if not fills_at_import(function, module)} == set()


def test_a_changed_variable_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.source_code.ROOT", tmp_path)
    (tmp_path / "a.py").write_text("""
import b
from functools import cache

found, total, rows, text = {}, 0, [list()], "text"
class Kind:
    seen = set()
def put(key): found[key] = 1
def drop(): del found["key"]
def more():
    global total
    total += 1
def inner(): return lambda: rows[0].append(1)
def patch(): b.value = 1
def mark(): Kind.seen = None
class Other:
    def clear(self): rows.clear()

def own(found): found["key"] = 1
def local(): rows = []; rows.append(1)
def looped(): return [rows.sort() for rows in found]
def read(): return found["key"], text.join("ab"), rows.count(1)
def b_called(): b.remove(1)
def of_an_object(self): self.found["key"] = 1
""")
    (module,) = modules("a.py")
    assert module.changed_variables() == {
        ("put", "found"), ("drop", "found"), ("more", "total"), ("inner", "rows"), ("patch", "b"), ("mark", "Kind"),
        ("clear", "rows"),
    }  # fmt: skip


def test_every_import_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.source_code.ROOT", tmp_path)
    (tmp_path / "a.py").write_text("""
from typing import TYPE_CHECKING
import b.c
if TYPE_CHECKING:
    import d
else:
    d = Lazily("e")
class Kind:
    def late(self):
        from b import f, g as h
        importlib.import_module("i")
""")
    (module,) = modules("a.py")
    found = module.imports_among(["b", "b.c", "b.f", "d", "e", "i"])
    assert found == {Import(name, name == "d") for name in ("b", "b.c", "b.f", "d", "e", "i")}


TESTS = modules("tests")


def test_no_test_imports_another():
    """What several need is in `tests.support`, or a fixture of a conftest."""
    wrong = [
        f"{module.name} imports {each.module}"
        for module in TESTS
        for each in module.imported_names
        if any(part == "conftest" or part.startswith("test_") for part in each.module.split("."))
    ]
    assert not wrong


def test_what_is_not_a_test_imports_none():
    code = [*HOUSE, *modules("benchmarks")]
    assert [
        each.name for each in code if any(f"{one.module}.".startswith("tests.") for one in each.imported_names)
    ] == []


def test_the_folders_of_the_tests_are_packages_named_as_those_of_the_code():
    """Packages, so that two folders may have a file of the same name."""
    folders = {module.path.parent for module in TESTS} - {ROOT / "tests", ROOT / "tests" / "support"}
    assert all((folder / "__init__.py").exists() for folder in folders)
    assert [folder.name for folder in folders if not (ROOT / "latent" / folder.name).is_dir()] == []
