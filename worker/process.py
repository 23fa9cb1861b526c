"""What every process of the worker's is made of: little memory, few imports, signals taken in a thread."""

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

_ARENAS = 3
_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1  # of glibc's mallopt
_LARGE, _LARGEST = 1 << 20, 32 << 20  # bytes; less than a page of CMR-STAC's, and the most that glibc takes
_KEPT = 64 << 20  # bytes; what glibc comes to keep by itself, until it is told what is large
STOPPING = frozenset((signal.SIGTERM, signal.SIGINT))

_NEEDLESS = ("pandas", "jsonschema")
"""What pyarrow and pystac import where it is there, and do without where it is not: pandas, to see whether a list is a
thing of pandas', takes the time of some ten thousand items and 60 MiB; jsonschema, to validate, a tenth of a start."""


def prepare() -> None:
    """Have a process of the worker's use little memory and time. Must come before pyarrow is imported."""
    _return_memory()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's, which would have buffers and turn round for nothing
    sys.meta_path.insert(0, _Without(*_NEEDLESS))


class _Without(MetaPathFinder):
    """Keeps these from being imported."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        if name in self._names:
            raise ModuleNotFoundError(f"the worker does without {name}", name=name)


@contextmanager
def importing() -> Iterator[None]:
    """Spare the garbage collector what stays for as long as the process does: it would look through it again and again."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _return_memory() -> None:
    """Have what is freed by one thread serve the others: else each of a hundred threads keeps its own.

    It halves the peak at 100,000 items and keeps it from growing with the month.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    _set(_M_ARENA_MAX, _ARENAS)


def _set(option: int, value: int) -> None:
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # only glibc has it
        mallopt(option, value)


@contextmanager
def pages_apart() -> Iterator[None]:
    """Have what is as large as a page be the system's again as soon as it is freed.

    Threads take and free pages as they come, and in the heap each would leave a gap that the next may not fill: 90 MiB in a
    month of two million items. Elsewhere a heap is quicker: what is new from the system is zeroed first.
    """
    _set(_M_MMAP_THRESHOLD, _LARGE)
    yield
    _set(_M_MMAP_THRESHOLD, _LARGEST)
    _set(_M_TRIM_THRESHOLD, _KEPT)


def give_back() -> None:
    """Return to the system what was freed: the allocator keeps it for what may come, beside what is needed next."""
    import pyarrow as pa  # after `prepare`, which says where its memory comes from

    pa.default_memory_pool().release_unused()


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT from now on, if they are held back; else they are the caller's business.

    In a thread and not in a signal handler: a handler interrupts code that may hold the very lock that `stop` needs.
    """
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if not held_back >= STOPPING:
        return

    def wait() -> None:
        while True:
            signal.sigwait(STOPPING)
            stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
