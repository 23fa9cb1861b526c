"""`python -m api.reconciler`: the reconciler as a process of its own, beside APIs with HLS_RECONCILE=false."""

import signal
import sys

from api import logs
from api.__main__ import REFUSED
from api.parts import assemble
from api.settings import StartRefused, load


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the process's exit code."""
    try:
        settings = load()
        logs.configure(settings.log_level)
        parts = assemble(settings)
    except StartRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return REFUSED
    reconciler = parts.reconciler()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: reconciler.stop())
    reconciler.run()
    parts.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
