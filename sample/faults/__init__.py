"""Misbehaviour on order: what goes wrong, when, and how often.

Give `Fault`s to the server, or write them as text: `500:rate=0.05`, `429:rate=0.05,retry_after=1`,
`no-next:page=2,times=1`, `outage:at=10,seconds=60`. `KINDS` says what there is.
"""

from sample.faults.engine import Faults
from sample.faults.kinds import KINDS
from sample.faults.rule import Fault

__all__ = ["KINDS", "Fault", "Faults"]
