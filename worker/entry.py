"""The worker as a process of its own: how it begins and how it leaves."""

import os
import signal
import sys
from typing import NoReturn

from worker import process

_SWITCH_SECONDS = 0.05
"""Python's own is a tenth of that, in which a page is not converted: threads took its lock from each other in between,
which cost a tenth of the harvest where the source does not hold it up."""


def run() -> NoReturn:
    """Do what the command line says and end with its exit code."""
    # Before the imports, which take a second: a signal waits until there is a run that can end as it should.
    signal.pthread_sigmask(signal.SIG_BLOCK, process.STOPPING)
    process.prepare()
    with process.importing():
        from worker.main import main

    sys.setswitchinterval(_SWITCH_SECONDS)
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, which would wait for requests under way: a source that is silent may hold them for minutes.
    os._exit(code)
