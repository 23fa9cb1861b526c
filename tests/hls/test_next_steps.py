"""After a job that failed: its exit code, and what to do in the command line's own words."""

import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

from hls.commands.advice import IN_VAIN, next_step
from hls.faults import ExitCode
from hls.models import FailureCode
from sample.server import Running

BOX = "--bbox=-124.7,32.5,-114.1,42.0"


@pytest.fixture
def spoilt(source: Running) -> Iterator[Running]:
    """The source, which is well again after the test."""
    yield source
    source.faults.replace([])


def test_a_month_that_would_shrink(hls: Callable[..., Any], spoilt: Running) -> None:
    """The job that was waited for failed, so the command ends with 1; the command that it offers replaces the month."""
    asked = ("submit", "201801", BOX, "--prefix", "shrunk", "--collections", "HLSL30_2.0", "--wait")
    assert hls(*asked).code == 0
    spoilt.faults.replace(["remove:share=0.5"])
    failed = hls(*asked)
    assert (failed.code, "failed (WOULD_SHRINK)" in failed.err) == (ExitCode.JOB_FAILED, True), failed
    offered = re.search(r"`hls (submit [^`]*--allow-shrink)`", failed.err)
    assert offered, failed.err
    assert offered[0] in hls("job", failed.out.split()[0]).out
    retried = hls("retry", "--failed", "--prefix", "shrunk")
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
