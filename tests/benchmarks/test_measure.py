"""What a command is said to have cost."""

import sys
from pathlib import Path

from benchmarks.measure import run


def test_the_peak_is_the_commands_own(tmp_path: Path) -> None:
    """However much memory the process has that starts it."""
    ballast = bytearray(200 << 20)
    for page in range(0, len(ballast), 4096):
        ballast[page] = 1
    small = run([sys.executable, "-S", "-c", "import time; time.sleep(0.2)"], log=tmp_path / "log").peak_rss_mib
    large = run(
        [sys.executable, "-S", "-c", "import time; a = b'x' * (150 << 20); time.sleep(0.2)"], log=tmp_path / "log"
    ).peak_rss_mib
    assert small < 50
    assert 150 < large < 200
    assert len(ballast) == 200 << 20
