"""How results are written: tables for people on a terminal, columns between tabs for pipes, JSON on request."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

STYLES = {
    "pending": "dim",
    "submitted": "yellow",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
    "ready": "green",
    "unknown": "blue",
    "partial": "yellow",
    "stale": "yellow",
    "unreadable": "red",
    "missing": "red",
}
_OF_EVERY_LINE = ("logger", "jobId", "action")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def console() -> Console:
    """Made when it is needed, because whether the output is a terminal is asked then."""
    return Console(highlight=False)


def error_console() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line for people, to where it is in no pipe's way."""
    error_console().print(escape(text))


def plain(text: str) -> None:
    """A line for other programs."""
    sys.stdout.write(f"{text}\n")


def log_line(at: str | None, text: str, *, as_json: bool) -> None:
    """Written through at once, because whoever follows a log waits for it; on a terminal as people read it."""
    if as_json:
        plain(json.dumps({"at": at, "text": text}, ensure_ascii=False))
    else:
        plain(readable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def readable(line: str) -> str:
    """A line of the worker's log, which is JSON: time, level, message and what goes with it. Any other as it is."""
    try:
        said = json.loads(line)
        head = f"{said.pop('time')[11:19]} {said.pop('level'):<7} {said.pop('message')}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return line
    rest = (f"{name}={value}" for name, value in said.items() if name not in _OF_EVERY_LINE)
    return "  ".join([head, *rest])


def as_json(content: object) -> None:
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def each_as_json(contents: Sequence[object], *, is_one: bool) -> None:
    """One document: the thing itself where one was asked for, an array otherwise."""
    if not is_one:
        as_json(contents)
    elif contents:
        as_json(contents[0])


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    below: str | None = None,
) -> None:
    """Rows under their columns; `right` names those of figures, `whole` those that one copies, which are not broken.

    `below` names the last one if its texts are sentences: on a terminal, which is too narrow for them, they stand under
    the table.
    """
    out = console()
    if not out.is_terminal:
        for row in [columns, *rows]:
            sys.stdout.write("\t".join(_plain(cell) for cell in row) + "\n")
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    beside = [column for column in columns if column != below]
    for column in beside:
        justify: JustifyMethod = "right" if column in right else "left"
        drawn.add_column(column, justify=justify, overflow="fold", no_wrap=column in whole)
    sentences = []
    for row in rows:
        drawn.add_row(*(coloured(_plain(cell)) for cell in row[: len(beside)]))
        sentences += [f"\n{row[0]}  {row[-1]}"] if below and row[-1] else []
    out.print(drawn)
    for sentence in sentences:
        out.print(escape(sentence), soft_wrap=True)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line; those without a value are left out."""
    out = console()
    for name, value in pairs:
        if value not in (None, "", [], {}):
            out.print(f"[bold]{name:<13}[/bold] {coloured(_plain(value))}", soft_wrap=True)


def coloured(text: str) -> str:
    """Markup that gives the word of a state its colour."""
    return f"[{STYLES[text]}]{text}[/]" if text in STYLES else escape(text)


def count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def size(number: int | None) -> str:
    """Bytes as people read them."""
    if number is None:
        return ""
    amount = float(number)
    for unit in _UNITS[:-1]:
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} {_UNITS[-1]}"


def moment(text: str | None) -> str:
    """A time in UTC, to the second."""
    return "" if text is None else f"{text[:19].replace('T', ' ')}Z"


def _plain(cell: object) -> str:
    return "" if cell is None else str(cell)
