"""Ask the package index for known weaknesses of everything that is locked; without an answer say so, and fail nobody."""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parent / "dev.txt"


def main(arguments: list[str]) -> int:
    """Returns 1 where there is a weakness; `arguments` are passed on to pip-audit."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--format", "json"]
    asked = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  our own words
    try:
        found = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        reason = (asked.stderr.strip() or "no answer").splitlines()[-1]
        sys.stdout.write(f"Not audited: the index tells nothing about weaknesses ({reason}).\n")
        return 0
    weak = [(one["name"], one["version"], each) for one in found for each in one.get("vulns", [])]
    for name, version, each in weak:
        sys.stdout.write(
            f"{name} {version}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no release'}\n"
        )
    sys.stdout.write(f"{len(found)} packages, {len(weak)} weaknesses.\n")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
