"""The worker as a process of its own: how it takes signals and how it leaves."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import NoReturn

_ARENAS = 2
_M_ARENA_MAX = -8  # of glibc's mallopt
_STOPPING = frozenset((signal.SIGTERM, signal.SIGINT))
_SWITCH_SECONDS = 0.05
"""Python's own is a tenth of that, in which a page is not converted: threads took its lock from each other in between,
which cost a tenth of the harvest where the source does not hold it up."""


def run() -> NoReturn:
    """Do what the command line says and end with its exit code."""
    # Before the imports, which take a second: a signal waits until there is a run that can end as it should.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    prepare()
    from worker.main import main

    sys.setswitchinterval(_SWITCH_SECONDS)
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, which would wait for requests under way: a source that is silent may hold them for minutes.
    os._exit(code)


def prepare() -> None:
    """Have a process of the worker's use little memory and time. Must come before pyarrow is imported."""
    _return_memory()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's, which would have buffers and turn round for nothing
    sys.meta_path.insert(0, _NoPandas())


class _NoPandas(MetaPathFinder):
    """Keeps pyarrow from importing pandas, where there is one, to see whether a list is a thing of pandas'.

    That takes the time of some ten thousand items, and 60 MiB.
    """

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("the worker does without pandas", name=name)


def _return_memory() -> None:
    """Have what is freed by one thread serve the others: else each of a hundred threads keeps its own.

    It halves the peak at 100,000 items and keeps it from growing with the month.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # only glibc has it
        mallopt(_M_ARENA_MAX, _ARENAS)


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT from now on, if `run` holds them back; else they are the caller's business.

    In a thread and not in a signal handler: a handler interrupts code that may hold the very lock that `stop` needs.
    """
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if not held_back >= _STOPPING:
        return

    def wait() -> None:
        while True:
            signal.sigwait(_STOPPING)
            stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
