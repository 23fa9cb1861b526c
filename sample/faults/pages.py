"""Faults of a page and of the items on it."""

from collections.abc import Callable
from typing import Any

import orjson

from sample.faults.call import Call
from sample.faults.rule import Fault
from sample.faults.state import State
from sample.paging import Page, slice_of
from worker.contract.collections import BANDS


def _repeat(page: Page, call: Call) -> None:
    earlier = slice_of(call.found, page.request, max(0, page.before - page.request.page_size))
    page.features, page.ids = earlier.features, earlier.ids


def _stutter(page: Page, call: Call) -> None:
    page.next = page.request.cursor or (call.found[0].start, "")


def _no_next(page: Page, _call: Call) -> None:
    page.next = None


def _empty(page: Page, _call: Call) -> None:
    page.features, page.ids = [], []


def _no_count(page: Page, _call: Call) -> None:
    page.matched = None


def _recount(page: Page, _call: Call) -> None:
    page.matched = (page.matched or 0) + 1


PAGES: dict[str, tuple[Callable[[Page], bool], Callable[[Page, Call], None]]] = {
    "repeat": (lambda page: page.before > 0 and bool(page.ids), _repeat),
    "stutter": (lambda page: bool(page.ids), _stutter),
    "no-next": (lambda page: page.after > 0, _no_next),
    "empty": (lambda page: page.after > 0, _empty),
    "no-count": (lambda _page: True, _no_count),
    "recount": (lambda page: page.before > 0 and page.matched is not None, _recount),
}
"""Kind to the pages that it can happen to, and what it does to them."""


def spoil_items(state: State, page: Page, call: Call) -> None:
    """Spoil items drawn from the page, or the one that the fault names, and those that stay spoilt."""
    fault = state.fault
    chosen = state.spoilt.intersection(page.ids)
    candidates = [name for name in page.ids if fault.id in (None, name) and name not in chosen]
    if candidates and state.fires(call, note=False):
        drawn = state.random.sample(candidates, min(fault.count, len(candidates)))
        chosen.update(drawn)
        if fault.lasting:
            state.spoilt.update(drawn)
    for place, name in enumerate(page.ids):
        if name in chosen:
            item = orjson.loads(page.features[place])
            ITEMS[fault.kind](item, fault)
            page.features[place] = orjson.dumps(item)
    if chosen:
        call.record.faults.append(fault.kind)
        call.record.spoilt.extend(sorted(chosen))


def _no_geometry(item: dict[str, Any], _fault: Fault) -> None:
    item["geometry"] = None
    item.pop("bbox", None)


def _no_bands(item: dict[str, Any], fault: Fault) -> None:
    bands = [band for band in BANDS[item["collection"]] if band in item["assets"]]
    for band in bands[: fault.bands]:
        item["assets"].pop(band)
        item["assets"].pop(f"s3_{band}", None)


def _no_id(item: dict[str, Any], _fault: Fault) -> None:
    item.pop("id", None)


def _no_datetime(item: dict[str, Any], _fault: Fault) -> None:
    item["properties"].pop("datetime", None)


ITEMS: dict[str, Callable[[dict[str, Any], Fault], None]] = {
    "no-geometry": _no_geometry,
    "no-bands": _no_bands,
    "no-id": _no_id,
    "no-datetime": _no_datetime,
}
"""Kind to what it does to an item."""
