"""The `hls` command."""

import sys

import typer

from hls import output
from hls.commands import jobs, keys, partitions, retry, servers, submit, watch
from hls.config import FILE_VARIABLE, config_path
from hls.faults import MEANING, ExitCode, Fault
from hls.session import Key, Session, Url, of_service

_CODES = "\n".join(f"{int(code):>4}  {meaning}" for code, meaning in MEANING.items())

app = typer.Typer(
    name="hls",
    help="Harvest months of HLS metadata, and see what the archive holds.",
    epilog=f"\b\nThe configuration file is {config_path()};\n{FILE_VARIABLE} names another one.\n\n\b\nExit codes:\n{_CODES}",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(servers.serve)
app.command()(servers.demo)
for _command in (
    submit.submit,
    jobs.jobs,
    jobs.job,
    watch.watch,
    watch.logs,
    jobs.cancel,
    retry.retry,
    partitions.partitions,
    partitions.partition,
    partitions.refresh,
):
    app.command()(of_service(_command))
app.add_typer(keys.app, name="keys")


@app.callback()
def _options(context: typer.Context, url: Url = None, key: Key = None) -> None:
    context.obj = Session(url, key)


def main() -> None:
    """Run a command; a fault becomes a message and an exit code."""
    try:
        app(prog_name="hls")
    except Fault as fault:
        output.say(str(fault))
        sys.exit(fault.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(ExitCode.DONE)
