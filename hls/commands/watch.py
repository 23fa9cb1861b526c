"""Follow a job: its progress, and its log."""

import time
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from hls import output
from hls.client import Client
from hls.commands.advice import next_step
from hls.faults import ExitCode
from hls.models import JobOut
from hls.session import JobId, client_of, finish

PATIENCE = 300
"""Seconds that a service may be away, as while it is restarted, before watching ends."""
_UNTIL_SECOND_LOOK = 1.0

Wait = Annotated[bool, typer.Option("--wait", help="Watch each job until it has ended.")]


def watch(
    context: typer.Context,
    job_id: JobId,
    as_json: Annotated[bool, typer.Option("--json", help="Write the job as JSON once it has ended.")] = False,
) -> None:
    """Follow a job until it has ended. Ctrl-C leaves the job running."""
    with client_of(context) as client:
        job, code = follow(client, job_id)
    if as_json:
        output.as_json(job)
    finish(code)


def logs(
    context: typer.Context,
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write each line as JSON, with its time.")] = False,
) -> None:
    """Write the log of a job's last attempt."""
    with client_of(context) as client:
        is_empty = True
        try:
            for line in client.log_lines(job_id, follow=follow, patience=PATIENCE if follow else 0):
                is_empty = False
                output.log_line(line["at"], line["text"], as_json=as_json)
        except KeyboardInterrupt:
            _leave(job_id)
        if is_empty:
            output.say(client.log_page(job_id)["reason"] or "The log is empty so far.")


def follow(client: Client, job_id: str) -> tuple[JobOut, ExitCode]:
    """Show the job until it has ended; the job then, and what that means for the exit code.

    Raises:
        typer.Exit: Ctrl-C; the job goes on.
    """
    try:
        job = _shown(client, job_id)
    except KeyboardInterrupt:
        _leave(job_id)
    if job["status"] == "succeeded":
        params = job["params"]
        output.say(
            f"Job {job_id} succeeded: `hls partition {params['yearMonth']} --prefix {params['prefix']}` shows it."
        )
        return job, ExitCode.DONE
    code = f" ({job['failure']['code']})" if job["failure"] else ""
    output.say(f"Job {job_id} {job['status']}{code}: {job['message']}")
    output.say(next_step(job))
    return job, ExitCode.JOB_FAILED


def conclude(client: Client, jobs: list[JobOut], code: ExitCode, *, is_one: bool, wait: bool, as_json: bool) -> None:
    """Watch the jobs where that is wished, and write them as JSON where that is.

    Raises:
        typer.Exit: with `code`, or else with what the end of the first job that did not succeed means.
    """
    codes = [code]
    if wait:
        watched = [follow(client, job["id"]) for job in jobs]
        jobs = [job for job, _ in watched]
        codes += [end for _, end in watched]
    if as_json:
        output.each_as_json(jobs, is_one=is_one)
    finish(*codes)


def _leave(job_id: str) -> NoReturn:
    output.say(
        f"\nJob {job_id} goes on without you. `hls watch {job_id}` follows it again, `hls cancel {job_id}` stops it."
    )
    raise typer.Exit(ExitCode.INTERRUPTED) from None


def _shown(client: Client, job_id: str) -> JobOut:
    if output.error_console().is_terminal:
        return _with_bar(client, job_id)
    return _line_by_line(client, job_id)


def _line_by_line(client: Client, job_id: str) -> JobOut:
    said = None
    for job in client.watch(job_id, every=_UNTIL_SECOND_LOOK, patience=PATIENCE):
        if (job["status"], job["message"]) != said:
            said = (job["status"], job["message"])
            at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
            output.say(f"{at}  {job['status']:<10} {_figures(job)}{job['message']}")
    return job


def _figures(job: JobOut) -> str:
    progress = job["progress"]
    if progress is None:
        return ""
    return f"{progress['daysDone']}/{progress['daysTotal']} days, {progress['items']:,} items. "


def _with_bar(client: Client, job_id: str) -> JobOut:
    columns = (
        TextColumn("{task.fields[status]}"),
        BarColumn(bar_width=None),
        _Days(),
        _Items(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=output.error_console(), speed_estimate_period=600, expand=True) as bar:
        words = bar.console
        task = bar.add_task(job_id, total=None, status="", items=0, rate=0.0)
        said = None
        for job in client.watch(job_id, every=_UNTIL_SECOND_LOOK, patience=PATIENCE):
            progress = job["progress"]
            waits = job["message"] if not progress or progress["waitingFor"] else None
            if waits and waits != said:
                words.print(escape(waits))
            said = waits
            state = output.coloured(job["status"])
            if progress:
                bar.update(
                    task,
                    completed=progress["daysDone"],
                    total=progress["daysTotal"],
                    items=progress["items"],
                    rate=progress["itemsPerSecond"],
                )
            bar.update(task, status=state)
    return job


class _Days(ProgressColumn):
    """Days done, of those that there are."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{int(task.completed)}/{int(task.total)} days")


class _Items(ProgressColumn):
    """Items, and how many come a second."""

    def render(self, task: Task) -> Text:
        items, rate = task.fields["items"], task.fields["rate"]
        return Text(f"{items:,} items, {rate:,.0f}/s" if items else "")
