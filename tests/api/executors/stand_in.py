"""A worker's stand-in, run as a process of its own: `python stand_in.py FOLDER [options of a worker]`.

It writes `start PID` and `stop PID` to FOLDER/<job id>.trace, then does as FOLDER/<job id>.orders says, one order a
line: `exit N` (the next attempt takes the line after it), `wait` for FOLDER/<job id>.go, which holds the exit code,
`stubborn` to wait like that and not heed SIGTERM, `orphan` to wait and outlive the supervisor. Without orders it exits with 0. On SIGTERM it exits with 75.
"""

import ctypes
import os
import re
import signal
import sys
import time
from pathlib import Path
from types import FrameType


def main() -> int:
    folder = Path(sys.argv[1])
    job_id = next(match[1] for argument in sys.argv if (match := re.fullmatch("--job-id=(.*)", argument)))
    trace = folder / f"{job_id}.trace"
    attempt = trace.read_text().count("start") if trace.exists() else 0
    orders = folder / f"{job_id}.orders"
    lines = orders.read_text().splitlines() if orders.exists() else []
    order = lines[min(attempt, len(lines) - 1)] if lines else "exit 0"

    def leave(_signal: int, _frame: FrameType | None) -> None:
        note("stop")
        os._exit(75)

    def note(word: str) -> None:
        with trace.open("a") as file:
            file.write(f"{word} {os.getpid()}\n")

    if order == "orphan":
        ctypes.CDLL(None).prctl(1, 0)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGTERM, signal.SIG_IGN if order == "stubborn" else leave)
    note("start")
    os.write(1, f"attempt {attempt + 1}: {order}\n".encode())
    os.write(2, b'{"time": "2024-01-02T03:04:05+00:00", "message": "a day"}\n')
    if order.startswith("exit"):
        code = int(order.split()[1])
    elif order.startswith("kill"):
        os.kill(os.getpid(), int(order.split()[1]))
        time.sleep(60)
    else:
        code = wait(folder / f"{job_id}.go")
    note("stop")
    return code


def wait(go: Path) -> int:
    while not go.exists():
        time.sleep(0.02)
    return int(go.read_text())


if __name__ == "__main__":
    sys.exit(main())
