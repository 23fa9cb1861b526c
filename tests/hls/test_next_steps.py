"""After a job that failed: its exit code, and what to do in the command line's own words."""

import json
import re
import shlex
from collections.abc import Callable
from typing import Any, get_args

import pytest

from hls.commands.advice import IN_VAIN, next_step
from hls.faults import ExitCode
from hls.models import FailureCode
from sample.server import Running

BOX = "--bbox=-124.7,32.5,-114.1,42.0"


def test_jobs_that_failed(hls: Callable[..., Any], spoilt: Running) -> None:
    """Who waited for a job that failed gets a 1. It is done again once, and not after its month was; for a month that
    would shrink the command that is offered replaces it."""
    asked = ("submit", "201908", BOX, "--prefix", "dealt", "--collections", "HLSL30_2.0", "--wait")
    spoilt.faults.replace(["no-geometry:day=2019-08-03"])
    failed = hls(*asked)
    assert (failed.code, "failed (INCOMPLETE)" in failed.err) == (ExitCode.JOB_FAILED, True), failed
    spoilt.faults.replace([])
    again = hls("retry", "--failed", "--prefix", "dealt", "--wait", "--json")
    assert (again.code, [job["retryOf"] for job in json.loads(again.out)]) == (0, [failed.out.split()[0]])
    none = hls("retry", "--failed", "--prefix", "dealt")
    assert (none.code, none.out, none.err) == (0, "", "No failed job is left to do again.\n")
    spoilt.faults.replace(["remove:share=0.5"])
    failed = hls(*asked)
    assert (failed.code, "failed (WOULD_SHRINK)" in failed.err) == (ExitCode.JOB_FAILED, True), failed
    offered = re.search(r"`hls (submit [^`]*--allow-shrink)`", failed.err)
    assert offered, failed.err
    assert offered[0] in hls("job", failed.out.split()[0]).out
    retried = hls("retry", "--failed", "--prefix", "dealt")
    assert (retried.code, retried.out, offered[0] in retried.err) == (0, "", True), "its days would be the same"
    assert hls(*shlex.split(offered[1]), "--wait").code == 0


@pytest.mark.parametrize("code", get_args(FailureCode))
def test_every_failure_has_a_next_step(code: FailureCode) -> None:
    """Each names a command, and only for a job that may go well as it stands it is a retry."""
    job: Any = {
        "id": "0123456789abcdef",
        "params": {"yearMonth": "202401", "prefix": "x", "bbox": None, "collections": ["HLSL30_2.0"]},
        "failure": {"code": code, "message": ""},
    }
    step = next_step(job)
    assert "`hls " in step
    assert ("hls retry" in step) == (code not in IN_VAIN)
