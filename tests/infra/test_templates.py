"""The templates as CloudFormation takes them: what is in them, whether it is sound, and what an update does."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Json, Template, Variant

SNAPSHOTS = Path(__file__).with_name("snapshots")
REGION = "us-east-1"

Findings = Callable[[Json], list[str]]


@pytest.fixture(scope="module")
def findings() -> Findings:
    """What cfn-lint says of a template. Its import and its rules, which take most of two seconds, come once."""
    from cfnlint.api import lint
    from cfnlint.core import get_rules

    rules = get_rules([], [], [])
    return lambda template: [str(match) for match in lint(json.dumps(template), rules, [REGION])]


@pytest.mark.parametrize("stack", ["batch", "service"])
def test_the_resources_are_those_that_were_reviewed(default: Variant, stack: str) -> None:
    """Type and logical id of each. After a change that is meant, write the list that the failure shows to the file."""
    template: Template = getattr(default, stack)
    listing = sorted(f"{each['Type']} {name}" for name, each in template.resources.items())
    assert listing == (SNAPSHOTS / f"{stack}.txt").read_text().splitlines(), "\n".join(listing)


UNION = ("grown", "existing")
"""Between them they have each kind of resource and each option that adds one."""


@pytest.mark.parametrize(
    "name",
    [*UNION, *(pytest.param(name, marks=pytest.mark.soak) for name in ("default", "changed", "served", "typed"))],
)
def test_cfn_lint_finds_nothing(variants: Mapping[str, Variant], findings: Findings, name: str) -> None:
    """In every stack, as they are by default and with the options turned. `given` has an output that names what another
    stack exports, of which cfn-lint warns."""
    assert set(variants) == {"default", "changed", "grown", "served", "existing", "typed", "given", "filed"}
    for template in variants[name].all:
        assert findings(template.body) == []


def test_two_variants_have_what_all_have(variants: Mapping[str, Variant]) -> None:
    """Each type of resource, with each property that it has anywhere, is in a template that cfn-lint always looks at."""
    every = {part for variant in variants.values() for part in _parts(variant)}
    assert every - {part for name in UNION for part in _parts(variants[name])} == set()


def _parts(variant: Variant) -> set[tuple[str, str]]:
    return {
        (each["Type"], name)
        for template in variant.all
        for each in template.resources.values()
        for name in each.get("Properties", {})
    }


def test_cfn_lint_looks(default: Variant, findings: Findings) -> None:
    """A faulty template is found faulty, so that silence means something."""
    buckets = {name: each for name, each in default.batch.resources.items() if each["Type"] == "AWS::S3::Bucket"}
    sound = {**default.batch.body, "Resources": buckets, "Outputs": {}}
    assert "COLD" in " ".join(findings(json.loads(json.dumps(sound).replace("STANDARD_IA", "COLD"))))


def test_everyday_changes_can_be_deployed(variants: Mapping[str, Variant]) -> None:
    """Other instance types, more memory, another image tag: the logical ids stay, and nothing that has a name of ours
    would have to be replaced, which CloudFormation cannot do while the old one holds the name."""
    for before, after in zip(variants["default"].both, variants["changed"].both, strict=True):
        assert before.body != after.body
        assert list(before.resources) == list(after.resources)
        for name, resource in before.resources.items():
            assert blocked(resource, after.resources[name]) == [], name


def test_the_service_changes_by_itself(variants: Mapping[str, Variant]) -> None:
    """No option of the service touches the Batch stack, which is deployed first: what it no longer exported, the service
    would still import, and CloudFormation would refuse both."""
    assert variants["served"].service.body != variants["default"].service.body
    assert variants["served"].batch.body == variants["default"].batch.body
    assert exports(variants["grown"].batch) == exports(variants["default"].batch)


def exports(template: Template) -> set[str]:
    """Names of what other stacks may import."""
    return {output["Export"]["Name"] for output in template.outputs.values() if "Export" in output}


def test_a_blocked_replacement_is_seen() -> None:
    """A repository with a name of ours could not change what is fixed when it is made."""
    made: Json = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "ours"}}
    changed = {**made, "Properties": {**made["Properties"], "EncryptionConfiguration": {"EncryptionType": "KMS"}}}
    assert "EncryptionConfiguration" in {path.partition("/")[0] for path in blocked(made, changed)}
    assert blocked(made, made) == []


def blocked(before: Json, after: Json) -> list[str]:
    """Properties that changed and can only be set when the resource is made, where the resource keeps its name."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # slow, and not for whoever only collects tests

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, before["Type"]).schema
    fixed = [path.split("/")[2:] for path in schema.get("createOnlyProperties", [])]
    names = [path for path in fixed if path[-1].endswith("Name") and at(before, path) is not None]
    if not names or any(at(before, path) != at(after, path) for path in names):
        return []
    return ["/".join(path) for path in fixed if at(before, path) != at(after, path)]


def at(resource: Json, path: list[str]) -> Any:
    value: Any = resource.get("Properties", {})
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize("name", ["default", "grown", "existing"])
def test_every_finding_of_cdk_nag_is_settled(variants: Mapping[str, Variant], name: str) -> None:
    """The rules of AwsSolutions run at every synthesis; none is broken, and what is accepted has its reason."""
    report = json.loads((variants[name].folder / "validation-report.json").read_text())
    (rules,) = [each for each in report["pluginReports"] if each["pluginName"] == "AwsSolutions"]
    assert (rules["conclusion"], rules["violations"]) == ("success", [])
    assert rules["suppressedViolations"]
    assert [each["ruleName"] for each in rules["suppressedViolations"] if len(each["reason"]) < 30] == []
