"""Faults that take the place of an answer."""

import time
from collections.abc import Awaitable, Callable

from sample.faults.call import Call
from sample.faults.state import State
from sample.reply import ERRORS, Reply, gateway_timeout, too_many_requests

_HOUR = 3600.0


async def _latency(state: State, call: Call, position: int | None) -> Reply | None:
    if state.strikes(call, position):
        await call.wait(state.fault.seconds or 0)
    return None


async def _cap(state: State, call: Call, position: int | None) -> Reply | None:
    if call.record.in_flight > state.fault.limit and state.strikes(call, position):
        return too_many_requests(state.fault.retry_after)
    return None


async def _outage(state: State, call: Call, position: int | None) -> Reply | None:
    """Once begun it concerns every request, whatever the conditions said of the one that began it."""
    if state.fired == 0 and state.strikes(call, position, note=False):
        state.since = time.monotonic()
    if state.fired == 0 or time.monotonic() - state.since >= (state.fault.seconds or float("inf")):
        return None
    call.record.faults.append(state.fault.kind)
    return ERRORS[state.fault.status]()


async def _hang(state: State, call: Call, position: int | None) -> Reply | None:
    if not state.strikes(call, position):
        return None
    await call.wait(state.fault.seconds or _HOUR)
    return gateway_timeout()


async def _too_many_requests(state: State, call: Call, position: int | None) -> Reply | None:
    return too_many_requests(state.fault.retry_after) if state.strikes(call, position) else None


async def _error(state: State, call: Call, position: int | None) -> Reply | None:
    return ERRORS[int(state.fault.kind)]() if state.strikes(call, position) else None


ANSWERS: dict[str, Callable[[State, Call, int | None], Awaitable[Reply | None]]] = {
    "latency": _latency,
    "cap": _cap,
    "outage": _outage,
    "429": _too_many_requests,
    "500": _error,
    "502": _error,
    "503": _error,
    "504": _error,
    "hang": _hang,
}
"""Kind to what it makes of a request at a position among those that concern it: another answer, or none."""
