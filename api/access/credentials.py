"""Who a request comes from: by key, by session, or nobody in particular."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session
from starlette.requests import HTTPConnection

from api import db, probes
from api.access import keys, service, store
from api.access.errors import TooManyRequests, TooManyWrongKeys
from api.access.known import Caller, Known
from api.access.limits import MinuteLimit
from api.access.models import OPERATOR, ApiKey, ApiSession
from api.access.scopes import Scope
from api.errors import Unauthorized
from api.settings import Settings

ANYBODY = "anonymous"
COOKIE = "hls_session"
DEFAULT_REQUESTS_PER_MINUTE = 600
REMEMBERED_SECONDS = 600
"""So long ago a key was right that is taken for right while the database does not answer."""
_CSRF = "csrf"
_ASIDE = 4
"""Threads for who may not wait for those of the other requests."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """What a request carries: a key, else the token of a session, from an address."""

    address: str
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def address_of(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def key_in(connection: HTTPConnection) -> str | None:
    """The key of the `Authorization` or the `X-API-Key` header."""
    kind, _, credentials = connection.headers.get("authorization", "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else connection.headers.get("x-api-key")


class Access:
    """Tells callers apart, and counts how often they come."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._engine = engine
        self._static = settings.api_key
        self._public_reads = settings.public_reads
        self._guarded = settings.api_key is not None
        self._asked = settings.requests_per_minute
        self._requests = MinuteLimit(settings.requests_per_minute or DEFAULT_REQUESTS_PER_MINUTE)
        self._wrong_keys = MinuteLimit(settings.wrong_keys_per_minute)
        self._known = Known()
        self._operator_due = 0.0
        self._aside = CapacityLimiter(_ASIDE)

    def identify(self, given: Credentials) -> Caller:
        """Raises `Unauthorized`, `TooManyWrongKeys`."""
        if given.key is not None:
            return self.by_key(given.key, given.address)
        if not self.is_guarded():
            return Caller(ANYBODY, Scope.ADMIN)
        if given.token is not None and (caller := self._by_token(given.token, given.address)) is not None:
            return caller
        if self._public_reads:
            return Caller(ANYBODY, Scope.READ)
        raise Unauthorized("Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`, or sign in again.")

    async def identify_soon(self, given: Credentials) -> Caller:
        """The same in a moment, though the database be silent: then a key that was right not long ago is taken for right.

        Raises:
            TimeoutError: SQLAlchemy's, where it was not.
        """
        asked = asyncio.ensure_future(to_thread.run_sync(self.identify, given, limiter=self._aside))
        asked.add_done_callback(lambda asked: asked.cancelled() or asked.exception())  # perhaps nobody waits any more
        await asyncio.wait([asked], timeout=probes.ANSWER_SECONDS)
        if asked.done():
            return asked.result()
        if given.key and (remembered := self._known.recall(keys.digest(given.key), within=REMEMBERED_SECONDS)):
            return remembered
        raise PoolTimeout(f"no word on the caller's key within {probes.ANSWER_SECONDS:g} seconds")

    def by_key(self, key: str, address: str) -> Caller:
        """The caller with this key. Raises `Unauthorized`, and `TooManyWrongKeys` for who guesses."""
        digest = keys.digest(key)
        if self._static is not None and keys.same(digest, keys.digest(self._static.get_secret_value())):
            operator = Caller(OPERATOR, Scope.ADMIN, OPERATOR)
            self._known.add(digest, operator)
            self._note_operator()
            return operator
        if not self.is_guarded():
            return Caller(ANYBODY, Scope.ADMIN)
        self._check_known(digest, address)
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                row = service.find_key(session, key)
        except SQLAlchemyError:
            # What needs no database, which is /metrics, is there for who watches the service just then.
            if remembered := self._known.recall(digest, within=REMEMBERED_SECONDS):
                return remembered
            raise
        caller = _caller(row) if row else None
        self._note(digest, address, caller)
        if caller is None:
            raise Unauthorized("The key is not known, or has expired or been revoked. Ask the operator for another.")
        return caller

    def check_guesses(self, connection: HTTPConnection, address: str) -> None:
        """Refuse a key or session that was never right from an address that sent too many wrong ones, cheaply.

        A key that was right before passes, so that a caller does not suffer from who shares its address.

        Raises:
            TooManyWrongKeys
        """
        if not self._wrong_keys.reached(address):
            return
        sent = key_in(connection) or connection.cookies.get(COOKIE)
        if sent is None or (digest := keys.digest(sent)) in self._known:
            return
        if self._static is None or not keys.same(digest, keys.digest(self._static.get_secret_value())):
            raise self._guessing(address)

    def count(self, caller: Caller, address: str) -> None:
        """Raises `TooManyRequests`."""
        if self._asked is None and not self.is_guarded():
            return
        nobody = caller.key_id is None and caller.name == ANYBODY
        self._hit(address if nobody else caller.actor)

    def count_address(self, address: str) -> None:
        """The same for a route that is open to everybody, without asking the database. Raises `TooManyRequests`."""
        if self._guarded or self._asked is not None:
            self._hit(address)

    @property
    def was_guarded(self) -> bool:
        """The last answer of `is_guarded`, without asking the database."""
        return self._guarded

    def is_guarded(self) -> bool:
        """Whether keys are asked for: once one is set or was ever made, for good."""
        if not self._guarded:
            with Session(self._engine) as session:
                self._guarded = store.any_key(session)
        return self._guarded

    def new_session(self, token: str, caller: Caller, row: ApiSession) -> ApiSession:
        """The row with what binds it to the caller's key."""
        row.key_id = caller.key_id
        if caller.key_id == OPERATOR and self._static is not None:
            row.proof = keys.signed(token, self._static.get_secret_value())
        return row

    def _by_token(self, token: str, address: str) -> Caller | None:
        digest = keys.digest(token)
        self._check_known(digest, address)
        caller = self._of_session(token, digest)
        self._note(digest, address, caller)
        return caller

    def _of_session(self, token: str, digest: str) -> Caller | None:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            found = store.browser_session(session, digest)
            if found is None or found.expires_at <= db.now():
                return None
            csrf_token = keys.signed(token, _CSRF)
            if found.key_id not in (None, OPERATOR):
                row = service.key_of_session(session, found.key_id)
                return _caller(row, csrf_token) if row else None
        if self._static is None or not keys.same(
            found.proof or "", keys.signed(token, self._static.get_secret_value())
        ):
            return None
        self._note_operator()
        return Caller(OPERATOR, Scope.ADMIN, OPERATOR, csrf_token)

    def _hit(self, name: str) -> None:
        if not self._requests.hit(name):
            raise TooManyRequests(
                f"{name} may send {self._requests.amount} requests a minute, and has. Wait, and ask less often.",
                wait=self._requests.wait(name),
            )

    def _guessing(self, address: str) -> TooManyWrongKeys:
        return TooManyWrongKeys(
            "Too many wrong keys or sessions came from this address. Wait, and check the key.",
            wait=self._wrong_keys.wait(address),
        )

    def _note_operator(self) -> None:
        """At most once a minute, and the key is as good where it cannot be written down."""
        now = time.monotonic()
        if now < self._operator_due:
            return
        self._operator_due = now + store.USE_WRITTEN_EVERY.total_seconds()
        try:
            with Session(self._engine) as session, session.begin():
                service.note_operator(session)
        except SQLAlchemyError as error:
            logger.warning("use of the operator's key is not written down", extra={"action": "key"}, exc_info=error)

    def _check_known(self, digest: str, address: str) -> None:
        if digest not in self._known and self._wrong_keys.reached(address):
            raise self._guessing(address)

    def _note(self, digest: str, address: str, caller: Caller | None) -> None:
        if caller is not None:
            self._known.add(digest, caller)
        else:
            self._known.discard(digest)
            self._wrong_keys.hit(address)


def _caller(row: ApiKey, csrf_token: str | None = None) -> Caller:
    return Caller(row.name, row.scope, row.id, csrf_token)
