"""The documents say what the code does: settings, calls, exit codes, decisions."""

import re
from pathlib import Path

from settings_tables import filled, tables

from api.app import create_app
from worker.contract.exits import ExitCode

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text()


def test_every_setting_is_in_the_readme() -> None:
    """The tables between the markers are those that the settings classes give; `make docs` writes them."""
    assert filled(README) == README
    assert README.count("| variable | default | meaning |") == len(tables())


def test_every_call_is_in_the_readme() -> None:
    """Each path of the service's OpenAPI document stands in the README."""
    paths = create_app().openapi()["paths"]
    text = README.replace("`/logs`", "`/jobs/{id}/logs`")
    missing = [path for path in paths if not _named(path, text)]
    assert not missing


def _named(path: str, text: str) -> bool:
    """Calls of one row may share their beginning, as in "`/jobs/{id}/cancel`, `/retry`"."""
    plain = path.replace("{job_id}", "{id}").replace("{year_month}", "{yearMonth}")
    return plain in text or f"`/{plain.rpartition('/')[2]}`" in text


def test_every_exit_code_is_in_the_readme() -> None:
    """Whoever runs the worker by hand finds what its exit code means."""
    section = README[README.index("## The worker alone") :]
    assert [code for code in ExitCode if code and not re.search(rf"\b{int(code)}\b", section)] == []


def test_every_decision_is_listed() -> None:
    """The index of the decision records has each of them."""
    folder = REPOSITORY / "docs/decisions"
    index = (folder / "README.md").read_text()
    assert [path.name for path in folder.glob("0*.md") if path.name not in index] == []
