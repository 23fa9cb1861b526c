"""The service's first start, of several processes at once."""

from contextlib import ExitStack
from pathlib import Path

from batch_service import service
from lives import Lives


def test_processes_that_migrate_at_once(lives: Lives, tmp_path: Path) -> None:
    """The service and two reconcilers begin in one fresh directory: one migrates, the others wait, and all go on."""
    environment = {"HLS_DATA_DIR": str(tmp_path / "data"), "HLS_PORT": "0"}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(service(lives, environment, tmp_path / str(number), *arguments))
            for number, arguments in enumerate(([], ["reconcile"], ["reconcile"]))
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.says('"starts"')
