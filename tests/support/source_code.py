"""Python files as syntax trees: what each of them imports, and which variables of the module its functions change."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.models import ROOT

LOADERS = {"Lazily", "import_module"}  # import what the text in their parentheses names
CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)
CHANGING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "reverse", "setdefault", "sort", "update",
}  # fmt: skip
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Import:
    """A module that is imported; ``for_types`` where only a type checker does it."""

    module: str
    for_types: bool


class Module:
    """A Python file below the root, with the name by which it is imported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        self.tree = ast.parse(path.read_text(encoding="utf-8"))

    @cached_property
    def imported_names(self) -> list[Import]:
        """All of them, ``from a import b`` being ``a.b``: also within functions, and what is loaded when first used."""
        for_types = {
            inner
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        return [Import(name, node in for_types) for node in ast.walk(self.tree) for name in imported_by(node)]

    def imports_among(self, modules: Iterable[str]) -> set[Import]:
        """Which of these modules it imports, or imports something of."""
        known, found = set(modules), set()
        for each in self.imported_names:
            name = each.module if each.module in known else each.module.rpartition(".")[0]
            if name in known:
                found.add(Import(name, each.for_types))
        return found

    @cached_property
    def decorators(self) -> set[ast.AST]:
        """All nodes of the decorators of what is defined at its top, which are called when it is imported."""
        return {
            inner
            for node in outside(self.tree, FUNCTIONS)
            if isinstance(node, DEFINITIONS)
            for decorator in node.decorator_list
            for inner in ast.walk(decorator)
        }

    @cached_property
    def uses(self) -> dict[str, list[ast.AST]]:
        """Where something is spoken of by its name, alone or after a dot, its definition aside."""
        found: dict[str, list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            if name := named_by(node):
                found.setdefault(name, []).append(node)
        return found

    def changed_variables(self) -> set[tuple[str, str]]:
        """Function and variable, wherever a function that is defined at the top changes a variable of the module."""
        top = [*outside(self.tree, (*FUNCTIONS, ast.ClassDef))]
        bound = {name for node in top for name in bound_by(node)}
        containers = {name for node in top for name in containers_bound_by(node)}
        return {
            (getattr(function, "name", "lambda"), name)
            for function in outside(self.tree, FUNCTIONS)
            if isinstance(function, FUNCTIONS)
            for name in changed_in(function, bound, containers)
        }


def named_by(node: ast.AST) -> str | None:
    """The name that an expression is, or ends with after a dot."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def imported_by(node: ast.AST) -> Iterator[str]:
    """The names that a statement or a call imports."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            assert level == 0, f"{ast.unparse(node)}: imports here are absolute"
            yield from (f"{module}.{alias.name}" for alias in names)
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
            if named_by(function) in LOADERS:
                yield name


def outside(tree: ast.AST, kinds: tuple[type[ast.AST], ...]) -> Iterator[ast.AST]:
    """All nodes below a node, those of these kinds among them, and nothing of what is within those."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, kinds):
            yield from outside(node, kinds)


def bound_by(node: ast.AST) -> Iterator[str]:
    """The names that a node gives a value to."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name.partition(".")[0]
        case ast.arg(arg=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name


def containers_bound_by(node: ast.AST) -> Iterator[str]:
    """The names that a node gives a container to, or what a call makes."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            pairs = zip(targets, values, strict=True)
            yield from (to.id for to, value in pairs if isinstance(to, ast.Name) and isinstance(value, CONTAINERS))
        case ast.Assign(targets=targets, value=value) if isinstance(value, CONTAINERS):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if isinstance(value, CONTAINERS):
            yield name


def changed_in(function: ast.AST, bound: set[str], containers: set[str]) -> Iterator[str]:
    """The names among those bound outside of a function that it, or a function within it, changes."""
    inside = [*outside(function, FUNCTIONS)]
    declared = {name for node in inside if isinstance(node, ast.Global) for name in node.names}
    yield from declared
    own = {name for node in inside for name in bound_by(node)} - declared
    bound, containers = bound - own, containers - own
    for node in inside:
        match node:
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield from {name} & bound  # of a module or a class
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                yield from {root_of(node)} & containers
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in CHANGING:
                yield from {root_of(value)} & containers
        if isinstance(node, FUNCTIONS):
            yield from changed_in(node, bound, containers)


def root_of(node: ast.AST) -> str | None:
    """The name that a row of attributes and subscripts begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def modules(*places: str) -> list[Module]:
    """The Python files of these folders below the root, and these files themselves."""
    paths = [path for place in places for path in (ROOT / place).rglob("*.py")]
    paths += [ROOT / place for place in places if place.endswith(".py")]
    return [Module(path) for path in sorted(paths)]
