"""docs/operations.md says what is there: outputs, commands, options, costs, names."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from aws_commands import commands, faults, outputs
from operations_tables import filled

from infra.options import BatchOptions, ServiceOptions, refuse_unknown
from tests.infra.conftest import REPOSITORY, Variant
from worker.contract import compute

OPERATIONS = (REPOSITORY / "docs/operations.md").read_text()
README = (REPOSITORY / "README.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()
COMMANDS = sorted({*commands(OPERATIONS), *commands(README)})
CDK_COMMANDS = sorted(set(re.findall(r"npx cdk ([a-z]+[^`\n&|]*)", OPERATIONS + README)))
OPTIONS = {field.alias for options in (BatchOptions, ServiceOptions) for field in options.model_fields.values()}


def test_every_output_that_a_command_asks_for_is_there(default: Variant) -> None:
    """A command fetches names from the stacks' outputs; each of them exists."""
    known = {("HlsBatchStack", name) for name in default.batch.outputs}
    known |= {("HlsServiceStack", name) for name in default.service.outputs}
    asked = outputs(OPERATIONS + README)
    assert len(asked) > 10
    assert asked - known == set()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[1:3]))
def test_every_command_is_one_that_aws_takes(command: str) -> None:
    """Service, operation, options, and those that may not be missing, by the models of AWS's own APIs."""
    assert faults(command) == []


def test_a_wrong_command_is_found() -> None:
    """A misspelt operation, an option that there is not, one that is missing, and values that AWS does not take."""
    assert faults("aws batch submitt-job --job-name x") == ["batch submitt-job"]
    assert faults("aws batch describe-jobs --jobs x --really") == ["--really"]
    assert faults("aws batch describe-jobs") == ["without --jobs"]
    assert faults("aws rds wait db-snapshot-gone --db-snapshot-identifier x") == ["rds db-snapshot-gone"]
    snapshot = "aws rds create-db-snapshot --db-instance-identifier x --db-snapshot-identifier before-"
    assert faults(f"{snapshot}$TAG") == ["--db-snapshot-identifier before-0.2.0"]
    assert faults(f'{snapshot}"${{TAG//[._]/-}}"') == []
    assert faults("aws batch list-jobs --job-status WAITING") == ["--job-status WAITING"]
    assert len(COMMANDS) > 20


def test_the_tables_are_those_of_the_code() -> None:
    """Options and costs between the markers; `make docs` writes them."""
    assert filled(OPERATIONS) == OPERATIONS
    assert OPERATIONS.count("| option | default | meaning |") == 1
    assert "36,317,062" in OPERATIONS


def test_every_make_target_is_there() -> None:
    """Of those that the document names."""
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", OPERATIONS + README, re.MULTILINE))
    assert targets
    assert {target for target in targets if f"\n{target}:" not in MAKEFILE} == set()


@pytest.mark.parametrize("command", CDK_COMMANDS)
def test_every_cdk_command_is_one_of_this_app(command: str) -> None:
    """What it does, to which stacks, with which options; `cdk.json` has the options, and the command line the tag alone."""
    assert cdk_faults(command) == []
    assert set(re.findall(r"-c (\w+)=", command)) <= {"imageTag"}


def test_a_wrong_cdk_command_is_found() -> None:
    """Another stack, another option, another command."""
    assert cdk_faults("deploy HlsStack --no-rollback") == ["HlsStack"]
    assert cdk_faults("deploy --all --now -c imageTags=1") == ["--now", "imageTags"]
    assert cdk_faults("remove HlsBatchStack") == ["remove"]
    assert len(CDK_COMMANDS) > 6


def cdk_faults(command: str) -> list[str]:
    """What the CDK or this app would not take; after the command come stacks, switches and `-c NAME=VALUE`."""
    verb, *words = command.split()
    given = [after.partition("=")[0] for word, after in pairwise(words) if word == "-c"]
    rest = [word for before, word in pairwise(["", *words]) if "-c" not in (before, word)]
    known = {"HlsBatchStack", "HlsServiceStack", "--all", "--no-rollback"}
    wrong = [word for word in (verb,) if word not in {"bootstrap", "deploy", "destroy", "diff", "import"}]
    return wrong + [word for word in rest if word not in known] + [name for name in given if name not in OPTIONS]


def test_the_example_of_options_is_one() -> None:
    """The document's `cdk.json` is the repository's with options that there are."""
    (written,) = re.findall(r"^```json\n(.*?)^```", OPERATIONS, re.MULTILINE | re.DOTALL)
    settings = json.loads(written)
    context = settings.pop("context")
    assert settings == json.loads((REPOSITORY / "cdk.json").read_text())
    refuse_unknown(context)
    assert BatchOptions.from_context(context).alarm_email
    assert ServiceOptions.from_context(context).certificate_arn


def test_the_table_of_memory_has_the_default_types() -> None:
    """One row each, and none for a type whose whole memory is what one job asks for."""
    rows = dict(re.findall(r"^\| (\w+\.\w+) \| (\d+) GiB \|", OPERATIONS, re.MULTILINE))
    assert tuple(rows) == BatchOptions().instance_types
    for name, gib in rows.items():
        says_none = f"| {name} | {gib} GiB | none" in OPERATIONS
        assert says_none == (int(gib) * 1024 <= compute.MEMORY_MIB)


def test_fixed_names_are_the_contracts(default: Variant) -> None:
    """The document's table of names has every physical name that the template fixes, and no other."""
    for name in (compute.JOB_QUEUE, compute.JOB_DEFINITION, compute.LOG_GROUP):
        assert f"`{name}`, fixed" in OPERATIONS
    fixed = {
        (resource["Type"], str(value))
        for template in default.both
        for resource in template.resources.values()
        for key, value in resource.get("Properties", {}).items()
        if key in ("JobQueueName", "JobDefinitionName", "LogGroupName", "BucketName", "RepositoryName", "RoleName")
        and isinstance(value, str)
    }
    assert {value for _, value in fixed} == {compute.JOB_QUEUE, compute.JOB_DEFINITION, compute.LOG_GROUP}


def test_links_lead_somewhere() -> None:
    """To a heading of the document, or to a file."""
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", OPERATIONS, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", OPERATIONS):
        assert target[1:] in anchors if target.startswith("#") else Path(REPOSITORY / "docs" / target).exists(), target
