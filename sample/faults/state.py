"""What a fault remembers: how often it could have happened and how often it did."""

from random import Random

from sample.faults.call import Call
from sample.faults.rule import Fault


class State:
    """One fault at work. `since` is when its outage began, `spoilt` the items that stay spoilt."""

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
        self.random = random
        self.eligible = 0
        self.fired = 0
        self.since = 0.0
        self.spoilt: set[str] = set()

    def fires(self, call: Call, *, note: bool = True) -> bool:
        """Whether it happens to this request, which then counts; `note` writes it into the request's record."""
        return self.strikes(call, self.count(call), note=note)

    def count(self, call: Call) -> int | None:
        """The request's position among those that the fault's conditions let through."""
        if not call.meets(self.fault):
            return None
        self.eligible += 1
        return self.eligible

    def strikes(self, call: Call, position: int | None, *, note: bool = True) -> bool:
        """Whether it happens to the request at this position."""
        fault = self.fault
        if position is None or (fault.times is not None and self.fired >= fault.times):
            return False
        if fault.at and position not in fault.at:
            return False
        if fault.rate is not None and self.random.random() >= fault.rate:
            return False
        self.fired += 1
        if note:
            call.record.faults.append(fault.kind)
        return True
