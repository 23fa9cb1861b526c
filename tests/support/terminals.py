"""Commands on a terminal, as a person sees them."""

import os
import pty
import re
import subprocess
from collections.abc import Callable, Sequence


def on_a_terminal(
    command: Sequence[str], environment: dict[str, str], *, width: int = 160, seen: Callable[[str], None] | None = None
) -> tuple[int, str]:
    """The exit code and everything that was written to the terminal; `seen` is told what there is so far."""
    screen, end = pty.openpty()
    process = subprocess.Popen(command, stdout=end, stderr=end, env={**environment, "COLUMNS": str(width)})
    os.close(end)
    written = b""
    try:
        while chunk := _read(screen):
            written += chunk
            if seen:
                seen(written.decode(errors="ignore"))
    finally:
        os.close(screen)
        if process.poll() is None:
            process.terminate()
        code = process.wait(60)
    return code, written.decode()


def plain(text: str) -> str:
    """Without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # the other end was closed
        return b""
