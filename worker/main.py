"""The worker's command line: parameters and environment in, an exit code out."""

import logging
import os
import secrets
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from storage import StorageError, open_store
from worker import logs, process
from worker.contract.exits import ExitCode
from worker.contract.faults import faults_of
from worker.contract.job import RunParams
from worker.errors import RunError
from worker.run import Run
from worker.settings import WorkerSettings

log = logging.getLogger("worker")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one harvest; the exit codes are those of `worker.contract.exits`."""
    batch_id = os.environ.get("AWS_BATCH_JOB_ID", "").replace(":", "-")
    try:
        params = RunParams.from_argv(
            sys.argv[1:] if argv is None else argv, fallback_job_id=batch_id or f"run-{secrets.token_hex(8)}"
        )
        settings = WorkerSettings()
        store = open_store(params.destination)
    except ValidationError as error:
        return _refuse("; ".join(f"{field}: {message}" if field else message for field, message in faults_of(error)))
    except ValueError as error:
        return _refuse(str(error))
    except StorageError as error:
        logs.configure(params.job_id, params.request_id)
        return _end(ExitCode.STORAGE, str(error))
    logs.configure(params.job_id, params.request_id)
    run = Run(params, settings, store, batch_id or params.job_id)
    process.on_signal(run.stop)
    return _execute(run, params, settings)


def _execute(run: Run, params: RunParams, settings: WorkerSettings) -> int:
    log.info("the run begins", extra={"action": "begin", "params": params.model_dump(mode="json", by_alias=True)})
    try:
        result = run.execute()
    except RunError as error:
        return _end(error.exit_code, str(error))
    except StorageError as error:
        return _end(ExitCode.STORAGE, str(error))
    except OSError as error:  # of this machine: the source's and the archive's have names of their own
        return _end(ExitCode.STORAGE, f"the working directory {settings.temp_dir} could not be used: {error}")
    except Exception as error:
        message = f"the run failed: {type(error).__name__}: {error}"
        log.exception(message, extra={"action": "end", "exit_code": 1})
        return 1
    log.info(
        "the partition is published",
        extra={"action": "end", "exit_code": 0, "items": result.items, "bytes": result.bytes, "key": result.key},
    )
    return ExitCode.DONE


def _end(code: ExitCode, message: str) -> int:
    log.error(message, extra={"action": "end", "exit_code": int(code), "reason": code.name})
    return code


def _refuse(message: str) -> int:
    logs.configure("none")
    return _end(ExitCode.BAD_PARAMETERS, message)
