"""The line that the reconciler writes, as the template's metric filters read it and its alarms judge it."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from api import db
from api.executors.memory import MemoryExecutor
from api.jobs import service, store
from api.logs import JsonFormatter
from api.parts import Parts, assemble
from api.reconciler.loop import Reconciler
from api.settings import Settings
from tests.infra.conftest import Template, Variant
from worker.contract.job import JobParams


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    made = assemble(Settings(data_dir=tmp_path / "data"), executor=MemoryExecutor())
    yield made
    made.close()


@pytest.fixture
def reconciler(parts: Parts) -> Iterator[Reconciler]:
    made = parts.reconciler()
    yield made
    made.close()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The service's log as it is sent."""
    written, logger = io.StringIO(), logging.getLogger("api.reconciler")
    handler, level = logging.StreamHandler(written), logger.level
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(level)


def figures(template: Template, log: io.StringIO) -> dict[str, list[float]]:
    """What CloudWatch makes of the log: the values of each metric, by name."""
    found: dict[str, list[float]] = {}
    for each in template.of_type("AWS::Logs::MetricFilter"):
        pattern = re.fullmatch(r'\{ \$\.(\w+) = "(\w+)" \}', each["FilterPattern"])
        assert pattern is not None
        (step,) = each["MetricTransformations"]
        for line in map(json.loads, log.getvalue().splitlines()):
            if line.get(pattern[1]) == pattern[2]:
                value = step["MetricValue"]
                figure = line[value.removeprefix("$.")] if value.startswith("$.") else value
                found.setdefault(step["MetricName"], []).append(float(figure))
    return found


def rises(template: Template, metric: str, value: float) -> bool:
    (alarm,) = [each for each in template.of_type("AWS::CloudWatch::Alarm") if each.get("MetricName") == metric]
    below = {"LessThanThreshold": True, "GreaterThanThreshold": False}[alarm["ComparisonOperator"]]
    return bool(value < alarm["Threshold"] if below else value > alarm["Threshold"])


def aged(parts: Parts, **ages: timedelta) -> None:
    """The one job, put if there is none, with times of so long ago."""
    with parts.reconciler().context.session() as session:
        params = JobParams(year_month="202401")
        job = service.put_job(session, params, actor="test", binding_of=lambda *_: None)[0]
        assert store.change(session, job, **{name: db.now() - age for name, age in ages.items()})


def test_a_quiet_service_is_well(default: Variant, reconciler: Reconciler, lines: io.StringIO) -> None:
    """One line for the passes of a minute, with nothing that waits; no alarm rises."""
    assert reconciler.pass_once()
    assert reconciler.pass_once()
    told = figures(default.service, lines)
    assert told == {"Passes": [1], "OldestActive": [0], "LongestWait": [0]}
    assert not any(rises(default.service, name, values[0]) for name, values in told.items())


def test_a_job_that_takes_too_long_is_told(default: Variant, parts: Parts, lines: io.StringIO) -> None:
    """Its age and its wait arrive in the metrics, in seconds, and raise the alarms on them."""
    ages = ({"created_at": timedelta(hours=40)}, {"submitted_at": timedelta(hours=3)})
    for age in ages:  # the first pass submits the job, the second one finds it waiting
        aged(parts, **age)
        reconciler = parts.reconciler()
        assert reconciler.pass_once()
        reconciler.close()
    told = figures(default.service, lines)
    assert told["OldestActive"] == [pytest.approx(40 * 3600, abs=60)] * 2
    assert told["LongestWait"] == [pytest.approx(0, abs=60), pytest.approx(3 * 3600, abs=60)]
    assert rises(default.service, "OldestActive", told["OldestActive"][0])
    assert [rises(default.service, "LongestWait", wait) for wait in told["LongestWait"]] == [False, True]


def test_a_pass_that_fails_says_nothing(
    default: Variant, reconciler: Reconciler, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm on stillness rises where no line comes, and on a sum of none."""
    monkeypatch.setattr("api.reconciler.loop.read_late", lambda _: 1 / 0)
    assert not reconciler.pass_once()
    assert figures(default.service, lines) == {}
    assert rises(default.service, "Passes", 0)
