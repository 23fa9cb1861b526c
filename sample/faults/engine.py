"""All the faults of a server, at work."""

import zlib
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from sample.faults.answers import ANSWERS
from sample.faults.call import Call
from sample.faults.kinds import KINDS
from sample.faults.pages import PAGES, spoil_items
from sample.faults.rule import Fault
from sample.faults.state import State
from sample.reply import Reply
from sample.source import DAY_MS, Entry, milliseconds

_DRIP_SECONDS = 30.0


class Faults:
    """Applies faults in the order of the stages, and within a stage in the order given; seeded, but each request draws
    anew, so that what is tried again may pass."""

    def __init__(self, faults: Iterable[Fault | str] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self._states: list[State] = []
        self.replace(faults)

    def replace(self, faults: Iterable[Fault | str]) -> None:
        """Misbehave otherwise from now on; none is a source that is well again."""
        rules = [Fault.parse(fault) if isinstance(fault, str) else fault for fault in faults]
        self._states = [State(rule, Random(f"{self._seed} {number} {rule.kind}")) for number, rule in enumerate(rules)]

    def _at(self, stage: str) -> list[State]:
        return [state for state in self._states if KINDS[state.fault.kind].stage == stage]

    def visible(self, found: list[Entry]) -> list[Entry]:
        """What the catalogue holds at this moment, of what it holds in the end and held at the beginning."""
        for state in self._at("catalog"):
            if (state.fired > 0) == (state.fault.kind == "remove"):
                found = [entry for entry in found if not _concerns(state.fault, entry)]
        return found

    def advance(self, call: Call) -> bool:
        """Ingest and remove, if this request is the one; says whether it was."""
        came_or_went = [state.fires(call) for state in self._at("catalog") if state.fired == 0]
        return any(came_or_went)

    async def answer(self, call: Call) -> Reply | None:
        """The answer in place of the right one, if any."""
        positions = [(state, state.count(call)) for state in self._at("answer")]
        for state, position in positions:
            reply = await ANSWERS[state.fault.kind](state, call, position)
            if reply is not None:
                return reply
        return None

    def spoil(self, call: Call) -> None:
        """Change the call's page."""
        if (page := call.page) is None:
            return
        for state in self._at("page"):
            possible, change = PAGES[state.fault.kind]
            if possible(page) and state.fires(call):
                change(page, call)
        for state in self._at("item"):
            spoil_items(state, page, call)

    def deliver(self, reply: Reply, call: Call) -> Reply:
        """The answer as it goes over the wire."""
        for state in self._at("wire"):
            if not state.fires(call):
                continue
            if state.fault.kind == "broken-json":
                return replace(reply, body=reply.body[: len(reply.body) * 3 // 5])
            if state.fault.kind == "cut":
                return replace(reply, sent=0.5)
            return replace(reply, drip=state.fault.seconds or _DRIP_SECONDS)
        return reply


def _concerns(fault: Fault, entry: Entry) -> bool:
    if fault.id is not None:
        return entry.id == fault.id
    if fault.collection is not None and entry.collection != fault.collection:
        return False
    if fault.day is not None and entry.start // DAY_MS != milliseconds(fault.day) // DAY_MS:
        return False
    return zlib.crc32(entry.id.encode()) < fault.share * 2**32
