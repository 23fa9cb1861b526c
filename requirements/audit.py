"""Ask the package index for known weaknesses of everything that is locked; where it tells none, say so and fail nobody."""

import json
import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parent / "dev.txt"
FAILED = 2
_UNREACHED = re.compile(
    r"requests\.exceptions\.|urllib3\.exceptions\.|pip_audit\._service\.interface\.|ERROR:pip_audit\._cli:Tip: your network"
)
"""How pip-audit's last line begins where the index did not answer; any other end is a fault of the audit itself."""


def main(arguments: list[str]) -> int:
    """Returns 1 where there is a weakness, 2 where pip-audit fails; `arguments` are passed on to it."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--format", "json"]
    asked = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  our own words
    try:
        found = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        return _without_answer(asked.stderr.strip())
    weak = [(one["name"], one["version"], each) for one in found for each in one.get("vulns", [])]
    for name, version, each in weak:
        sys.stdout.write(
            f"{name} {version}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no release'}\n"
        )
    if silent := sum("skip_reason" in one for one in found):
        sys.stdout.write(f"Not audited: the index tells nothing about {silent} of {len(found)} packages.\n")
    sys.stdout.write(f"{len(found) - silent} packages audited, {len(weak)} weaknesses.\n")
    return 1 if weak else 0


def _without_answer(said: str) -> int:
    reason = said.splitlines()[-1] if said else ""
    if _UNREACHED.match(reason):
        sys.stdout.write(f"Not audited: the index does not answer ({reason}).\n")
        return 0
    sys.stderr.write(f"{said}\nThe audit itself failed.\n")
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
