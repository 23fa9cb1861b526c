"""Runs of one job besides the one that it follows: a submission that was sent twice may have made them."""

import logging
from collections.abc import Iterable, Sequence

from api.executors.base import RunState, RunStatus
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.context import Context, log
from worker.contract import compute


def best(runs: Sequence[RunStatus]) -> RunStatus:
    """The run to follow: one that has succeeded, else one that is under way, else the last that failed."""
    order = (RunState.SUCCEEDED, RunState.RUNNING, RunState.SUBMITTED)
    return next((run for state in order for run in runs if run.state is state), runs[-1])


def under_way(runs: Iterable[RunStatus]) -> list[str]:
    """The refs of the runs that have not ended."""
    return [run.ref for run in runs if not run.state.ended]


def stop_doubles(context: Context, job: Job, refs: Iterable[str]) -> None:
    """Stop these runs but for the one that the job follows by now: another leader may have chosen it."""
    row = context.read(job.id)
    if row is None or row.state is JobState.PENDING:  # it follows none yet: any of them may be the one
        return
    for ref in refs:
        if ref != row.run_ref:
            log(f"run {ref} is one too many and is stopped", job, action="double", level=logging.WARNING)
            context.executor.terminate(ref, compute.DOUBLED)
