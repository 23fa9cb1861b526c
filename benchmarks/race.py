"""Runs contenders one after another, in turns, so that the load of the machine falls on all alike."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.contenders import Contender
from benchmarks.measure import Usage, run
from benchmarks.prepare import CACHE, Prepared
from benchmarks.serving import Replay


class WrongCount(Exception):
    """A contender did not get the month's items."""


def race(
    contenders: list[Contender], month: Prepared, server: Replay, *, runs: int, say: Callable[[str], None] = print
) -> dict[str, list[dict[str, float]]]:
    """The figures of each run of each contender, by its name; each turn begins with another one.

    Raises:
        CommandFailed: one ended with an error.
        WrongCount: one did not get as many items as there are.
    """
    figures: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in contenders}
    for turn in range(runs):
        shift = turn % len(contenders)
        for contender in contenders[shift:] + contenders[:shift]:
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                before = server.cpu_s()
                usage, count = run_one(contender, server.url, Path(folder))
            served = server.cpu_s() - before
            # Searches of a day each give twice what spans midnight; a file has each item once.
            if count < month.items or (contender.file and count > month.items):
                raise WrongCount(f"{contender.name} got {count:,} of {month.items:,} items")
            share = 100 * served / (served + usage.cpu_s)
            figures[contender.name].append(usage.figures(count) | {"server_cpu_percent": share})
            say(f"turn {turn + 1} of {runs}: {contender.name}: {usage.wall_s:.1f} s")
    return figures


def run_one(contender: Contender, url: str, folder: Path) -> tuple[Usage, int]:
    """Run a contender in an empty folder; what it cost and how many items it got."""
    log = folder / "log"
    usage = run(contender.command(url, folder), log=log, environment=contender.environment(url, folder))
    if contender.file is None:
        return usage, int(log.read_text().split()[-1])
    return usage, int(pq.read_metadata(folder / contender.file).num_rows)
