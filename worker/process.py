"""The worker as a process of its own: how it takes signals and how it leaves."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

_STOPPING = frozenset((signal.SIGTERM, signal.SIGINT))
_SWITCH_SECONDS = 0.05
"""Python's own is a tenth of that, in which a page is not converted: threads took its lock from each other in between,
which cost a tenth of the harvest where the source does not hold it up."""


def run() -> NoReturn:
    """Do what the command line says and end with its exit code."""
    # Before the imports, which take a second: a signal waits until there is a run that can end as it should.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    from worker.main import main

    sys.setswitchinterval(_SWITCH_SECONDS)
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, which would wait for requests under way: a source that is silent may hold them for minutes.
    os._exit(code)


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
