"""What others' checkers say of a file."""

import subprocess
import sys
from pathlib import Path

from benchmarks.prepare import CACHE

_GPIO_CHECKS = ("bbox", "compression", "row-group")
"""Those that need no download; the others load DuckDB's spatial extension from the network."""


def validated(file: Path) -> str:
    """The report of geoparquet-validator on all conformance classes."""
    command = [str(Path(sys.executable).with_name("geoparquet-validator")), "check", "--class", "all", str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600).stdout


def checked_by_gpio(file: Path) -> dict[str, str]:
    """What `gpio check` says, by check, and whether it would mend the file; it pins an older DuckDB, so it gets an
    environment of its own, once."""
    home = CACHE / "gpio"
    gpio = home / "bin" / "gpio"
    if not gpio.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(home), "geoparquet-io"], check=True)
    found = {}
    for check in _GPIO_CHECKS:
        mended = file.with_name(f"mended-by-{check}.parquet")
        command = [str(gpio), "check", check, "--fix", "--fix-output", str(mended), str(file)]
        said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        found[check] = f"{said.stdout}{said.stderr}".strip()
    return found
