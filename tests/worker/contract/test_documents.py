"""The JSON documents of the archive say the same after a round trip, and nothing else is taken for one."""

from datetime import UTC, date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from worker.contract.bbox import BBox
from worker.contract.collections import COLLECTIONS, L30, S30
from worker.contract.documents import DatasetBinding, Decision, Progress, StagedDay, StagedSlice, StagedSlices
from worker.contract.job import ContractModel
from worker.contract.result import DayCount, Provenance, RunResult

DOCUMENTS: list[type[ContractModel]] = [
    *(DatasetBinding, Decision, Progress, StagedDay, StagedSlice, StagedSlices),
    *(DayCount, Provenance, RunResult),
]

counts = st.integers(0, 1 << 40)
moments = st.datetimes(timezones=st.just(UTC))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "yearMonth": st.sampled_from(["201304", "202401", "202507"]),
    "prefix": st.sampled_from(["hls-data", "team/a"]),
    "bbox": st.none() | st.sampled_from([[-124.7, 32.5, -114.1, 42.0], [170, -20, -170, 20.123456789]]),
    "box": st.none() | st.just([-180, -20, -170, 20.123456789]),
    "counted": st.booleans(),
    "slices": st.just([]),
    "extent": st.none() | st.just([-180, -90, 180, 90]),
    "collections": st.sampled_from([[L30], [S30], list(COLLECTIONS)]),
    "jobId": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(lambda value: value != "none"),
    "action": st.sampled_from(["publish", "cancel"]),
    "replaces": st.none() | st.text(min_size=1, max_size=40),
    "phase": st.sampled_from(["harvesting", "merging", "verifying", "publishing"]),
    "itemsPerSecond": st.floats(0, 1e6),
    "complete": st.none() | st.booleans(),
    "matched": st.none() | counts,
    "waitingFor": st.none() | st.text(),
    "day": st.dates(),
    "days": st.lists(st.fixed_dictionaries({"day": st.dates(), "items": st.just({L30: 3})}), max_size=3),
    "anomalies": st.dictionaries(st.text(max_size=5), counts, max_size=2),
    "jsonColumns": st.lists(st.text(max_size=5), max_size=2),
    "items": counts,
    "firstDatetime": st.none() | moments,
    "lastDatetime": st.none() | moments,
}


def strategy(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """A document of this model with every field set."""
    by_type: dict[Any, st.SearchStrategy[Any]] = {int: counts, str: st.text(max_size=20), date: st.dates()}
    fields = {}
    for field in model.model_fields.values():
        assert field.alias
        if field.annotation == dict[str, int]:
            fields[field.alias] = VALUES["anomalies"]
        else:
            fields[field.alias] = VALUES.get(field.alias, by_type.get(field.annotation, moments))
    return st.fixed_dictionaries(fields).map(model.model_validate)


@pytest.mark.parametrize("model", DOCUMENTS)
@given(data=st.data())
def test_json_round_trips(model: type[ContractModel], data: st.DataObject) -> None:
    """What is read is what was written, to the microsecond and the last digit."""
    document = data.draw(strategy(model))
    assert model.from_json(document.to_json()) == document


@pytest.mark.parametrize("model", DOCUMENTS)
@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"more": 1}', b"\xff\xfe", b'"text"'])
def test_anything_else_is_a_value_error(model: type[ContractModel], text: bytes) -> None:
    """A file that is cut, foreign or of another version is one kind of fault, which readers of it expect."""
    with pytest.raises(ValueError, match=model.__name__):
        model.from_json(text)


def test_an_unknown_field_is_a_fault() -> None:
    """A document of a newer version is not read as if it were of this one."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        DatasetBinding.from_json(b'{"collections": ["HLSL30_2.0"], "cloudCover": 10}')


def test_a_binding_describes_itself() -> None:
    """In the words of the message that refuses another dataset."""
    box = BBox(-124.7, 32.5, -114.1, 42.0)
    assert DatasetBinding(bbox=box, collections=(L30,)).describe() == (
        "the box -124.7,32.5,-114.1,42 and the collections HLSL30_2.0"
    )
    assert DatasetBinding(collections=COLLECTIONS).describe() == "no box and the collections HLSL30_2.0, HLSS30_2.0"
