"""Do jobs again."""

from typing import Annotated

import typer

from hls import output
from hls.client import Client
from hls.commands.advice import IN_VAIN, next_step
from hls.commands.jobs import tell
from hls.commands.watch import Wait, conclude
from hls.models import JobOut
from hls.session import JobIds, Json, Quiet, client_of, each


def retry(
    context: typer.Context,
    job_ids: JobIds = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Each failed job whose month was not asked for again since.")
    ] = False,
    prefix: Annotated[str | None, typer.Option(help="With --failed: only jobs of this dataset.")] = None,
    wait: Wait = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Do failed or cancelled jobs again, on the days that they finished."""
    named = job_ids or []
    if (named and failed) or (prefix and not failed):
        raise typer.BadParameter("name the jobs, or take those that failed with --failed and --prefix")
    with client_of(context) as client:
        wanted = _failed(client, prefix) if failed else named
        if not wanted:
            output.say("No failed job is left to do again." if failed else "No job was named, so none is done again.")

        def again(job_id: str) -> JobOut:
            job = client.retry(job_id)
            if not as_json:
                tell(job, f"retries {job_id}", quiet=quiet)
            return job

        jobs, code = each(wanted, again)
        conclude(client, jobs, code, is_one=len(named) == 1, wait=wait, as_json=as_json)


def _failed(client: Client, prefix: str | None) -> list[str]:
    """The newest job of each month, where it failed: an older failure is dealt with. A retry in vain is left out."""
    newest: dict[tuple[str, str], JobOut] = {}
    for job in client.jobs(prefix=prefix):
        newest.setdefault((job["params"]["prefix"], job["params"]["yearMonth"]), job)
    ids = []
    for job in newest.values():
        if job["failure"] and job["failure"]["code"] in IN_VAIN:
            output.say(f"{job['id']} would end the same way again. {next_step(job)}")
        elif job["status"] == "failed":
            ids.append(job["id"])
    return ids
