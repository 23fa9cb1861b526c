"""How faults are written, as text, as JSON and in Python."""

from datetime import date

import pytest

from sample.faults import KINDS, Fault


def test_writing_faults() -> None:
    """Text, a JSON object and the class say the same; every kind can be written by its name."""
    fault = Fault(kind="no-bands", at=(3, 7), times=2, day=date(2024, 1, 5), bands=4, lasting=True)
    assert Fault.parse("no-bands:at=3+7,times=2,day=2024-01-05,bands=4,lasting=true") == fault
    assert (
        Fault.from_mapping(
            {"kind": "no-bands", "at": [3, 7], "times": 2, "day": "2024-01-05", "bands": 4, "lasting": True}
        )
        == fault
    )
    for kind in KINDS:
        assert Fault.parse(kind) == Fault(kind=kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flood", "no fault 'flood'"),
        ("500:rat=0.1", "no rat"),
        ("500:rate=2", "from 0 to 1"),
        ("500:rate=x", "could not convert"),
        ("500:seconds=3", "500 has no seconds"),
        ("500:on=moon", "search, landing or all"),
        ("no-id:lasting=maybe", "true or false"),
        ("outage:status=418", "status"),
    ],
)
def test_faults_badly_written(text: str, words: str) -> None:
    """Refused with a word on what is wrong."""
    with pytest.raises(ValueError, match=words):
        Fault.parse(text)
