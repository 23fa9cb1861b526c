"""`python -m api keys create|list|revoke`: keys without the service, for whoever may use its database."""

import argparse
import sys
from datetime import timedelta

from sqlmodel import Session

from api import db, migrate
from api.access import service
from api.access.errors import KeyNotFound, KeyOfTheSetting
from api.access.models import ApiKey
from api.access.schemas import KeyRequest
from api.access.scopes import Scope
from api.settings import Settings

ACTOR = "command line"


def add_parser(parser: argparse.ArgumentParser) -> None:
    """The arguments behind `keys`."""
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key and print it, once")
    create.add_argument("--name", required=True, help="who or what uses it")
    create.add_argument("--scope", required=True, choices=[*map(str, Scope)])
    create.add_argument("--days", type=float, help="how long it holds; for ever, if absent")
    actions.add_parser("list", help="every key, newest first")
    revoke = actions.add_parser("revoke", help="end a key")
    revoke.add_argument("id")


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Returns the process's exit code; raises `StartRefused` where the database cannot be used."""
    settings.prepare_data_dir()
    engine = db.make_engine(settings.database)
    try:
        if engine.dialect.name == "sqlite":
            migrate.upgrade(engine)
        else:
            migrate.require_current(engine)
        with Session(engine, expire_on_commit=False) as session, session.begin():
            return {"create": _create, "list": _list, "revoke": _revoke}[arguments.action](session, arguments)
    finally:
        engine.dispose()


def _create(session: Session, arguments: argparse.Namespace) -> int:
    try:
        expires_at = db.now() + timedelta(days=arguments.days) if arguments.days is not None else None
    except (ValueError, OverflowError):
        sys.stderr.write(
            f"--days {arguments.days:g} names no day of the calendar; leave it out for a key without end.\n"
        )
        return 2
    try:
        wanted = KeyRequest.model_validate({"name": arguments.name, "scope": arguments.scope, "expiresAt": expires_at})
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    row, key = service.create_key(
        session, name=wanted.name, scope=wanted.scope, actor=ACTOR, expires_at=wanted.expires_at
    )
    sys.stderr.write(f"Key {_told(row)}. It is shown this once:\n")
    sys.stdout.write(f"{key}\n")
    return 0


def _list(session: Session, _arguments: argparse.Namespace) -> int:
    sys.stdout.writelines(f"{_told(row)}\n" for row in service.list_keys(session))
    return 0


def _revoke(session: Session, arguments: argparse.Namespace) -> int:
    try:
        row = service.revoke_key(session, arguments.id, actor=ACTOR)
    except KeyNotFound:
        sys.stderr.write(f"There is no key {arguments.id!r}; `python -m api keys list` shows those that there are.\n")
        return 1
    except KeyOfTheSetting as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    sys.stdout.write(f"{_told(row)}\n")
    return 0


def _told(row: ApiKey) -> str:
    moments = {
        "made": row.created_at,
        "last used": row.last_used_at,
        "revoked": row.revoked_at,
        "expires": row.expires_at,
    }
    told = [f"{word} {moment:%Y-%m-%d %H:%M} UTC" for word, moment in moments.items() if moment]
    return f"{row.id}  {row.scope:<6}  {row.name}  ({', '.join(told)})"
