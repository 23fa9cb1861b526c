"""`python -m api.healthcheck`: whether the process of this container does its work; ends with 1 and the reason if not.

A service answers at its port. `reconcile` listens nowhere: its passes, or those of the replica that leads, are marked in
the database. Of the service nothing is imported for the first, because it is asked every few seconds.
"""

import http.client
import os
import re
import sys
from pathlib import Path

_SECONDS = 4
_RECONCILE = re.compile(rb"\breconciler?\0")


def main(command: bytes) -> int:
    """`command` is that of the container's first process, as Linux has it."""
    fault = _reconciles() if _RECONCILE.search(command) else _serves()
    if fault is not None:
        sys.stderr.write(f"{fault}\n")
    return int(fault is not None)


def _serves() -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("HLS_PORT", "8000")), timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except OSError as error:
        return f"the service does not answer: {error}"
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"the service answers {status}"


def _reconciles() -> str | None:
    from sqlalchemy.exc import SQLAlchemyError
    from sqlmodel import Session

    from api import db
    from api.health import STALE_AFTER
    from api.jobs.store import marked
    from api.reconciler.loop import PASS_MARK
    from api.settings import load

    settings = load()
    engine = db.make_engine(settings.database)
    try:
        with Session(engine) as session:
            last = marked(session, PASS_MARK)
    except SQLAlchemyError as error:
        return f"the database does not answer: {error}"
    finally:
        engine.dispose()
    if (
        last is not None
        and (db.now() - last).total_seconds() < STALE_AFTER.total_seconds() + settings.reconcile_seconds
    ):
        return None
    return f"the last good pass was {f'at {last:%Y-%m-%d %H:%M:%S} UTC' if last else 'never'}"


if __name__ == "__main__":
    sys.exit(main(Path("/proc/1/cmdline").read_bytes()))
