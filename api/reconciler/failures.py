"""The executor's failed calls, added up in the database for every process to see."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field, Session, SQLModel, select

from api import db
from api.executors.base import Executor
from api.executors.counted import CountedExecutor


class ExecutorErrors(SQLModel, table=True):
    """How often a call of the executor failed with an error."""

    __tablename__ = "executor_errors"

    call: str = Field(primary_key=True, max_length=32)
    error: str = Field(primary_key=True, max_length=64)
    count: int = Field(sa_type=BigInteger)


def write_down(engine: Engine, executor: Executor) -> None:
    """Add what this process has counted since the last time. Raises `SQLAlchemyError`, and then loses nothing."""
    if not isinstance(executor, CountedExecutor) or not (taken := executor.take_failures()):
        return
    try:
        with Session(engine) as session, session.begin():
            db.serialise(session, "executor-errors")
            for (call, error), count in taken.items():
                row = session.get(ExecutorErrors, (call, error))
                if row is None:
                    session.add(ExecutorErrors(call=call, error=error, count=count))
                else:
                    row.count += count
    except SQLAlchemyError:
        executor.give_back(taken)
        raise


def totals(session: Session) -> Sequence[ExecutorErrors]:
    return session.exec(select(ExecutorErrors).order_by(ExecutorErrors.call, ExecutorErrors.error)).all()
