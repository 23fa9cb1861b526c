"""A bare FastAPI route that reads one row, to compare with: `python -m benchmarks.bare DATABASE_URL`.

The same process model as the service's: one process of uvicorn, a synchronous route, SQLAlchemy's pool.
"""

import json
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from api import db
from api.settings import Settings

_ROW = text("SELECT id, state, prefix, year_month, created_at FROM jobs WHERE id = :id")


def make_app(database_url: str) -> FastAPI:
    """The app with its one route, `/rows/{id}`."""
    app, engine = FastAPI(), db.make_engine(Settings(database_url=database_url).database)

    @app.get("/rows/{row_id}")
    def row(row_id: str) -> dict[str, Any]:
        with engine.connect() as connection:
            return dict(connection.execute(_ROW, {"id": row_id}).mappings().one())

    return app


if __name__ == "__main__":
    # TCP is named, else asyncio leaves Nagle's delay on: 40 ms a reply.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        config = uvicorn.Config(make_app(sys.argv[1]), log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
