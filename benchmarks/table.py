"""The table of figures in ``docs/performance.md``, written by the command that measured them."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.comparison import Row

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- written by python -m benchmarks --markdown -->\n", "<!-- until here -->\n"
HEAD = "| | against | ours, theirs | figure | aimed at | measured |\n|---|---|---|---|---|---|\n"


def line(row: Row, measured: str) -> str:
    """A row of the table; ``measured`` says when and on what."""
    sign = "at least" if row.at_least else "at most"
    aimed = "–" if row.reach is None else f"{sign} {row.reach:g} {row.figure_unit}".rstrip()
    figure = f"{row.figure:.2f} {row.figure_unit}".rstrip()
    figure += ", missed" if row.reached is False else ""
    times = f"{row.ours:.2f}, {row.peer:.2f} {row.unit}".rstrip()
    if row.missing:
        times, figure, measured = row.missing, "–", "–"
    return f"| {row.name} | {row.against} | {times} | {figure} | {aimed} | {measured} |\n"


def renewed(text: str, rows: Iterable[Row], measured: str) -> str:
    """The page with these rows in its table: in the place of those of the same name and peer, or else at its end.

    Raises `ValueError` where the page has no place for the table.
    """
    before, begins, rest = text.partition(BEGIN)
    table, ends, behind = rest.partition(END)
    if not begins or not ends:
        raise ValueError(f"The page needs a line {BEGIN.strip()!r} and a line {END.strip()!r}.")
    lines = {name_of(each): each for each in table.removeprefix(HEAD).splitlines(keepends=True)}
    for row in rows:
        written = line(row, measured)
        if not row.missing or name_of(written) not in lines:  # what was measured elsewhere stays
            lines[name_of(written)] = written
    return f"{before}{begins}{HEAD}{''.join(lines.values())}{ends}{behind}"


def name_of(written: str) -> tuple[str, ...]:
    """What a row of the table is about: its name and its peer."""
    return tuple(written.split("|")[1:3])


def renew(rows: Iterable[Row], measured: str, page: Path = PAGE) -> None:
    """Write these rows into the page."""
    page.write_text(renewed(page.read_text(encoding="utf-8"), rows, measured), encoding="utf-8")
