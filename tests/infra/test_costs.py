"""The cost sheet: its counts are the archive's, its sums are right, and its inputs are inputs."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from infra import costs
from infra.costs import GRANULES, LARGEST_MONTH, Measures, Prices
from tests.infra.conftest import Variant

COUNTS = "hls_monthly_counts_2013-04_2026-05.csv"


def test_the_granules_are_those_of_the_counts(shared_data: Path) -> None:
    """Each year's total and the largest month, from the monthly counts."""
    years: Counter[int] = Counter()
    with (shared_data / COUNTS).open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        years[int(row["year"])] += int(row["total_cmr"])
    assert dict(years) == GRANULES
    assert max(int(row["total_cmr"]) for row in rows) == LARGEST_MONTH
    assert sum(GRANULES.values()) == 36_317_062


def test_a_harvest_is_its_hours_and_what_it_moves() -> None:
    """By hand: 3.6 million items at 1000 a second are an hour, on a disk, through the NAT gateway, with its writes."""
    measures = Measures(items_per_second=1000)
    items, prices = 3_600_000, Prices()
    moved = items * measures.wire_bytes / 2**30 * 0.045
    hour = 0.038 + 0.08 * 50 / 730
    assert costs.harvest(items, 1, prices, measures) == pytest.approx(hour + moved + 70 / 1000 * 0.005)
    assert costs.harvest(items, 1, prices, measures, spot=False) - costs.harvest(items, 1, prices, measures) == (
        pytest.approx(0.096 - 0.038)
    )


def test_what_is_always_on_is_what_the_template_has(default: Variant) -> None:
    """The sizes in the sheet are the default's: one NAT gateway, one task and its size, the database, alarms, secrets."""
    measures, service = Measures(), default.service
    task = service.only("AWS::ECS::TaskDefinition")
    assert (int(task["Cpu"]) / 1024, int(task["Memory"]) / 1024) == (measures.vcpu, measures.memory_gib)
    database = service.only("AWS::RDS::DBInstance")
    assert (database["DBInstanceClass"], int(database["AllocatedStorage"])) == ("db.t4g.micro", measures.database_gib)
    assert len(service.of_type("AWS::CloudWatch::Alarm")) == measures.alarms
    assert len(service.of_type("AWS::Logs::MetricFilter")) == measures.metrics
    assert len(service.of_type("AWS::SecretsManager::Secret")) == measures.secrets
    zones = {str(subnet["AvailabilityZone"]) for subnet in default.batch.of_type("AWS::EC2::Subnet")}
    assert len(zones) == measures.addresses
    disk = default.batch.only("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]["BlockDeviceMappings"][0]["Ebs"]
    assert disk["VolumeSize"] == measures.machine_disk_gib


def test_the_sheet_says_where_its_inputs_come_from() -> None:
    """The date of the prices and that the rate is assumed, or given."""
    sheet = costs.table(Prices(), Measures())
    assert "us-east-1, June 2025" in sheet
    assert "133 items a second (assumed: 100 items a page" in sheet
    assert "50 items a second (given)" in costs.table(Prices(), Measures(items_per_second=50))


def test_the_always_on_part_is_its_parts() -> None:
    """By hand: the balancer with its units, logs, images, and what a certificate adds."""
    parts = costs.always_on(Prices(), Measures())
    assert parts["load balancer"] == pytest.approx(730 * (0.0225 + 0.1 * 0.008))
    assert parts["logs and images"] == pytest.approx(0.5 * 0.5 + 0.3 * 0.1)
    assert "public addresses | + $7.30 |" in costs.table(Prices(), Measures())


def test_prices_and_rate_are_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    """Another rate and another price change the sheet; a price that there is not is refused with those that there are."""
    costs.main([])
    usual = capsys.readouterr().out
    costs.main(["--items-per-second", "13.3", "--price", "nat_hour=0"])
    other = capsys.readouterr().out
    assert "| the largest month | 473,208 | 1.0 |" in usual
    assert "| the largest month | 473,208 | 9.9 |" in other
    assert "| NAT gateway and its address | $3.65 |" in other
    with pytest.raises(SystemExit):
        costs.main(["--price", "gold=1"])
    assert "nat_hour" in capsys.readouterr().err
