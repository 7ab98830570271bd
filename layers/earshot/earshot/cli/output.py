"""What the command says: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from earshot.errors import EarshotError

# What reads a pipe looks for whole lines.
PIPE_WIDTH = 240

# Numbers and paths are the answer here, not code to be coloured.
console = Console(stderr=True, highlight=False)
out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def print_json(value: Any) -> None:
    """The result for programs, on one line."""
    print(json.dumps(value))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The result for people; a column whose name starts with ``>`` is flush right."""
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        justify = "right" if column.startswith(">") else "left"
        table.add_column(column.removeprefix(">"), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    out.print(table)


def say(text: str) -> None:
    """A line of the result for people, as it is."""
    out.print(text, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """A line beside the result."""
    console.print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Something that should be changed."""
    console.print(f"[yellow]Warning:[/yellow] {escape(text)}", soft_wrap=True)


def fail(code: str, detail: str) -> None:
    """What went wrong, in one line."""
    console.print(f"[red]{escape(code)}:[/red] {escape(' '.join(detail.split()))}", soft_wrap=True)


def problem(error: EarshotError | OSError) -> dict[str, str]:
    """What went wrong, for programs: ``code`` and ``detail``."""
    code = "unreadable" if isinstance(error, OSError) else error.code
    return {"code": code, "detail": _words(error)}


def _words(error: EarshotError | OSError) -> str:
    # Python's own words begin with a number and end with the path, which stands beside it anyway.
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def figure(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"
