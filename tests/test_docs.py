"""The documents say what the code does: settings, calls, exit codes, commands, decisions; and their links lead somewhere."""

import re
from pathlib import Path

import pytest
import typer
from settings_tables import filled, tables

from api.app import create_app
from api.settings import Settings
from hls import cli, faults
from worker.contract.exits import ExitCode

REPOSITORY = Path(__file__).parent.parent
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
SETTINGS = (REPOSITORY / "docs/settings.md").read_text()
CLIENT = (REPOSITORY / "docs/client.md").read_text()


def test_every_setting_is_documented() -> None:
    """The tables between the markers are those that the settings classes give; `make docs` writes them."""
    assert filled(SETTINGS) == SETTINGS
    assert SETTINGS.count("| variable | default | meaning |") == len(tables())


def test_every_call_is_documented(tmp_path: Path) -> None:
    """Each path of the service's OpenAPI document stands in docs/client.md."""
    paths = create_app(Settings(data_dir=tmp_path, reconcile=False)).openapi()["paths"]
    text = CLIENT.replace("`/logs`", "`/jobs/{id}/logs`")
    missing = [path for path in paths if not _named(path, text)]
    assert not missing


def _named(path: str, text: str) -> bool:
    """Calls of one row may share their beginning, as in "`/jobs/{id}/cancel`, `/retry`"."""
    plain = path.replace("{job_id}", "{id}").replace("{year_month}", "{yearMonth}")
    return plain in text or f"`/{plain.rpartition('/')[2]}`" in text


def test_every_exit_code_of_the_worker_is_documented() -> None:
    """Whoever runs the worker by hand finds what its exit code means."""
    section = SETTINGS[SETTINGS.index("## The worker alone") :]
    assert [code for code in ExitCode if code and not re.search(rf"\b{int(code)}\b", section)] == []


def test_every_exit_code_of_the_command_is_documented() -> None:
    """The table of docs/client.md is the one that `hls --help` prints."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in faults.MEANING.items()]
    assert "\n".join(rows) in CLIENT


def test_every_command_and_option_is_documented() -> None:
    """Each command of `hls` and each of its long options stands in docs/client.md."""
    known = typer.main.get_command(cli.app)
    names = [f"hls {name}" for name in known.commands if name != "keys"]  # type: ignore[attr-defined]  # a group has them
    names += [f"hls keys {name}" for name in known.commands["keys"].commands]  # type: ignore[attr-defined]  # a group has them
    assert [name for name in names if f"`{name}" not in CLIENT] == []
    options = {
        option
        for command in known.commands.values()  # type: ignore[attr-defined]  # a group has them
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert [option for option in sorted(options) if option not in CLIENT] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and image of a page is a file of the repository."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_decision_is_listed() -> None:
    """The index of the decision records has each of them."""
    folder = REPOSITORY / "docs/decisions"
    index = (folder / "README.md").read_text()
    assert [path.name for path in folder.glob("0*.md") if path.name not in index] == []
