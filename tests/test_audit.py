"""`make audit`: a weakness fails it, and so does a fault of its own; an index that tells nothing does not."""

import json
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "requirements/audit.py"
SOUND = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "not found"}
WEAK = {"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
TRACEBACK = "Traceback (most recent call last):\n"

Audit = Callable[[list[str]], int]


@pytest.fixture
def audit() -> Audit:
    main: Audit = runpy.run_path(str(SCRIPT))["main"]
    return main


def answers(monkeypatch: pytest.MonkeyPatch, found: list[Any] | None, errors: str = "") -> None:
    told = "" if found is None else json.dumps({"dependencies": found, "fixes": []})
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, told, errors))


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([SOUND], 0, "1 packages audited, 0 weaknesses"),
        ([SOUND, WEAK], 1, "c 1: CVE-1, mended in 2"),
        ([UNKNOWN, UNKNOWN], 0, "tells nothing about 2 of 2 packages"),
        ([UNKNOWN, WEAK], 1, "1 packages audited, 1 weaknesses"),
    ],
)
def test_what_the_index_tells(
    audit: Audit,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[Any],
    code: int,
    said: str,
) -> None:
    """Weaknesses fail; what the index does not know is not called sound."""
    answers(monkeypatch, found)
    assert audit([]) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        (f"{TRACEBACK}requests.exceptions.ProxyError: unable to connect", 0),
        (f"{TRACEBACK}pip_audit._service.interface.ServiceError", 0),
        ("ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another", 0),
        ("ERROR:pip_audit._cli:invalid requirements input: dev.txt", 2),
        (f"{TRACEBACK}KeyError: 'version'", 2),
        ("No module named pip_audit", 2),
        ("", 2),
    ],
)
def test_no_answer(audit: Audit, monkeypatch: pytest.MonkeyPatch, errors: str, code: int) -> None:
    """An index that is not reached fails nobody; pip-audit that breaks does."""
    answers(monkeypatch, None, errors)
    assert audit([]) == code
