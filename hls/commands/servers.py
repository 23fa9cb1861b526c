"""Start the service here, and show what it does."""

import importlib.util
import os
import sys
from typing import Annotated

import typer

from hls import output
from hls.faults import ExitCode


def serve(
    source: Annotated[str | None, typer.Option(help="STAC API to harvest (STAC_API_URL); CMR-STAC otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port (HLS_PORT); 8000 otherwise, 0 takes a free one.")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Where everything is kept (HLS_DATA_DIR); ./data otherwise.")
    ] = None,
) -> None:
    """Run the service here until Ctrl-C. Its other settings come from the environment."""
    _insist_on("api", "The service is not installed here. `make install` in its checkout installs it.")
    given = {"STAC_API_URL": source, "HLS_PORT": port, "HLS_DATA_DIR": data_dir}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    os.execv(sys.executable, [sys.executable, "-m", "api"])  # noqa: S606  our own module, by our own interpreter


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Leave the service running afterwards, to try it.")] = False,
    port: Annotated[int, typer.Option(help="Port of the service; 0 takes a free one.")] = 0,
    items: Annotated[
        int, typer.Option(min=100, help="Items a month of the generated catalogue, in the whole world.")
    ] = 60_000,  # the box of the demo holds about a hundredth
) -> None:
    """Run the main job from end to end on generated data: source, service, worker, a query."""
    _insist_on("sample", "The generated catalogue is not installed here. `make install` in the checkout installs it.")
    _insist_on("duckdb", "DuckDB is not installed here. `make install` in the checkout installs it.")
    from hls import demo as story

    raise typer.Exit(story.main(stay=stay, port=port, items=items))


def _insist_on(module: str, message: str) -> None:
    if importlib.util.find_spec(module) is None:
        output.say(message)
        raise typer.Exit(ExitCode.BAD_CONFIG)
