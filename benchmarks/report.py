"""Tables for people and JSON for programs, of the same figures."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any


class Table:
    """Rows under a heading, numbers to the right."""

    def __init__(self, *heading: str) -> None:
        self._rows: list[list[str]] = [list(heading)]
        self._numeric = [True] * len(heading)

    def add(self, *cells: Any) -> None:
        """One row, as many cells as the heading has."""
        self._numeric = [
            numeric and (cell is None or isinstance(cell, (int, float)))
            for numeric, cell in zip(self._numeric, cells, strict=True)
        ]
        self._rows.append([_text(cell) for cell in cells])

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self._rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if numeric else cell.ljust(width)
                for cell, width, numeric in zip(row, widths, self._numeric, strict=True)
            ).rstrip()
            for row in self._rows
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)

    def print(self) -> None:
        """Print it, with an empty line behind it."""
        print(f"{self}\n", flush=True)


def medians(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over the runs, which all have the same figures; of two runs their mean."""
    runs = list(rows)
    return {name: median(run[name] for run in runs) for name in runs[0]}


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write the figures, if a file is asked for; numbers with six digits."""
    if path is not None:
        path.write_text(json.dumps(_rounded(document), indent=2) + "\n", encoding="utf-8")
        print(f"written to {path}", flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(member) for name, member in value.items()}
    return [_rounded(member) for member in value] if isinstance(value, (list, tuple)) else value


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
