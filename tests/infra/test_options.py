"""Options: read from the context as the command line gives them, and refused where they are wrong."""

import pytest
from pydantic import ValidationError

from infra.options import BatchOptions, ServiceOptions, refuse_unknown
from worker.contract import GENERATOR


def test_text_becomes_what_it_means() -> None:
    """The command line knows text only: numbers, switches and lists are read from it, and the CDK's own is left alone."""
    context = {"maxvCpus": "512", "spot": "false", "instanceTypes": "m5.xlarge, r5.large", "@aws-cdk/core:x": True}
    options = BatchOptions.from_context({**context, "logRetentionDays": "90", "tasks": "3"})
    assert (options.maxv_cpus, options.spot, options.log_retention_days) == (512, False, 90)
    assert options.instance_types == ("m5.xlarge", "r5.large")
    assert ServiceOptions.from_context({"tasks": "3"}).tasks == 3
    refuse_unknown(context)


def test_the_image_tag_is_the_release() -> None:
    """By default."""
    assert f"hls-stac-parquet/{BatchOptions().image_tag}" == GENERATOR


SUBNETS = ("vpcZones", "vpcPrivateSubnets", "vpcPublicSubnets")


@pytest.mark.parametrize("name", ["a1.large", "c6gn.xlarge", "x2gd.metal", "r8g", "im4gn.large", "is4gen.large"])
def test_processors_that_the_images_are_not_for(name: str) -> None:
    """ARM's are refused, whatever else the family is."""
    with pytest.raises(ValidationError, match="built for amd64"):
        BatchOptions(instance_types=(name,))


@pytest.mark.parametrize(
    "name", ["g4dn.xlarge", "g6.xlarge", "m7i-flex.large", "c6a.large", "x2iedn.xlarge", "u-6tb1.metal"]
)
def test_processors_that_the_images_are_for(name: str) -> None:
    """A letter elsewhere in the family makes no ARM."""
    assert BatchOptions(instance_types=(name,)).instance_types == (name,)


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"vpcCidr": "10.0.0.0/8"}, "from /16 to /24"),
        ({"vpcCidr": "somewhere"}, "somewhere"),
        ({"logRetentionDays": "31"}, "30"),
        ({"vpcId": "vpc-1"}, "vpcZones"),
        ({"vpcId": "vpc-1", "vpcZones": "a,b", "vpcPrivateSubnets": "s,t", "vpcPublicSubnets": "u"}, "two or more"),
        ({"vpcZones": "a,b"}, "name it by vpcId"),
        ({"vpcId": "vpc-1", **dict.fromkeys(SUBNETS, "a,b")}, "needs vpcCidr"),
        ({"instanceTypes": "m5.large,m7g.large"}, "m7g.large cannot run them"),
        ({"alarmEmail": "nobody"}, "alarmEmail"),
        ({"instanceTypes": ""}, "instanceTypes"),
        ({"imageTag": "a b"}, "imageTag"),
    ],
)
def test_wrong_options_are_refused(context: dict[str, str], says: str) -> None:
    """With what is wrong and what would be right."""
    with pytest.raises(ValidationError, match=says):
        BatchOptions.from_context(context)


def test_scaling_needs_room() -> None:
    """Fewer tasks at most than at least is refused."""
    with pytest.raises(ValidationError, match="maxTasks"):
        ServiceOptions.from_context({"tasks": "3", "maxTasks": "2"})


def test_snapshots_are_named_as_rds_names_them() -> None:
    """Those that an operator makes, those that RDS makes every night, and another account's; nothing else."""
    shared = "arn:aws:rds:us-east-1:123456789012:snapshot:before-0-2-0"
    for name in ("before-0-2-0", "rds:hlsservicestack-database-2026-06-01-05-10", shared):
        assert ServiceOptions.from_context({"databaseSnapshot": name}).database_snapshot == name
    for name in ("before-0.2.0", "before--x", "before-", "0-2-0", "", "before_x", "rds:"):
        with pytest.raises(ValidationError, match="databaseSnapshot"):
            ServiceOptions.from_context({"databaseSnapshot": name})


def test_a_misspelt_option_is_refused() -> None:
    """With the names that there are."""
    with pytest.raises(ValueError, match=r"no option maxVCpus: choose from .*maxvCpus"):
        refuse_unknown({"maxVCpus": "512"})
