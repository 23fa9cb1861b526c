"""What a job's state means for the one who waits for it."""

from api.jobs.models import Job
from api.jobs.states import JobState


def situation(job: Job) -> str:
    """Where the job is now, what it waits for, and who can do something about it."""
    if job.state.ended:
        return _ended(job)
    if job.cancel_requested_at is not None and job.cancel_outcome is None:
        return "Asked to cancel; the run is being stopped."
    if job.cancel_outcome == "accepted":
        return "Cancelled; waiting for the run to stop. Nothing will be published."
    if job.missing_since is not None:
        return (
            f"The executor has not known the run since {job.missing_since:%Y-%m-%d %H:%M:%S} UTC. "
            "If that lasts, the job ends as LOST and can be retried."
        )
    return {JobState.PENDING: _pending, JobState.SUBMITTED: _submitted, JobState.RUNNING: _running}[job.state](job)


def _ended(job: Job) -> str:
    if job.state is JobState.SUCCEEDED:
        return "Done: the partition is published."
    if job.state is JobState.CANCELLED:
        if job.started_at is None:
            return "Cancelled before it ran. Retry it to ask for the month again."
        return "Cancelled; nothing was published. Retry it to go on from the staged days."
    return job.failure_message or "Failed."


def _pending(job: Job) -> str:
    if job.submitting_since is not None:
        return (
            "The submission was sent and not yet confirmed. The service looks for the run by its name, "
            f"{job.run_name}, before it sends it again."
        )
    if job.native_reason:
        return f"Waiting to be submitted: {job.native_reason}"
    return "Waiting to be submitted, which happens within seconds while the reconciler runs (see /readyz)."


def _submitted(job: Job) -> str:
    status = f" ({job.native_status})" if job.native_status else ""
    reason = f" {job.native_reason}" if job.native_reason else ""
    return f"Queued at the executor{status}: waiting for room to run.{reason}"


def _running(job: Job) -> str:
    progress = job.progress
    if progress is None:
        return "Running; no progress reported yet."
    if progress.get("waitingFor"):
        return f"Running, and waiting for {progress['waitingFor']}."
    return f"Running ({progress['phase']}): {progress['daysDone']} of {progress['daysTotal']} days."
