"""What to do about a job that did not succeed, in the command line's own words."""

from hls.models import JobOut

IN_VAIN = frozenset(("WOULD_SHRINK", "BAD_REQUEST"))
"""Failures that a retry meets again, because it goes on from the same days and parameters."""


def next_step(job: JobOut) -> str:
    """The commands that help; the job's own message says what happened."""
    params, job_id = job["params"], job["id"]
    month = f"{params['yearMonth']} --prefix {params['prefix']}"
    retry = f"`hls retry {job_id}` does it again"
    match job["failure"] and job["failure"]["code"]:
        case "WOULD_SHRINK":
            return (
                f"`{_again(job)} --allow-shrink` harvests the month anew and publishes it all the same; "
                "without --allow-shrink only if no item is gone."
            )
        case "BAD_REQUEST":
            return "`hls submit --help` shows how to ask for something else."
        case "CONFLICT":
            return f"`hls partition {month}` shows the file that was kept; {retry} and replaces it."
        case "APP":
            return f"`hls logs {job_id}` shows its log; {retry}, from the finished days on."
        case _:
            return f"{retry}, from the finished days on; `hls logs {job_id}` shows its log."


def _again(job: JobOut) -> str:
    """The command that asks for the same."""
    params = job["params"]
    box = f" --bbox={','.join(map(str, params['bbox']))}" if params["bbox"] else ""
    collections = ",".join(params["collections"])
    return f"hls submit {params['yearMonth']} --prefix {params['prefix']}{box} --collections {collections}"
