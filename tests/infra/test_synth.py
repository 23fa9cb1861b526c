"""`python -m infra`, which `make synth` and the CDK run, as a process of its own on a clean machine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Synthesise = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def synthesise(tmp_path: Path, clean_machine: dict[str, str]) -> Synthesise:
    """In the test's folder, whose `cdk.json` has the given options."""

    def run(**context: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "cdk.json").write_text(json.dumps({"app": "unused", "context": context}))
        environment = clean_machine | {"HOME": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-m", "infra"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_the_options_of_the_file_are_taken(tmp_path: Path, synthesise: Synthesise) -> None:
    """Without Node.js and network, both templates stand in `cdk.out/`, made with what `cdk.json` says."""
    done = synthesise(vpcCidr="10.9.0.0/16", tasks="3")
    assert done.returncode == 0, done.stderr
    batch, service = (
        json.loads((tmp_path / "cdk.out" / f"Hls{name}Stack.template.json").read_text())["Resources"].values()
        for name in ("Batch", "Service")
    )
    assert [each["Properties"]["CidrBlock"] for each in batch if each["Type"] == "AWS::EC2::VPC"] == ["10.9.0.0/16"]
    assert [each["Properties"]["DesiredCount"] for each in service if each["Type"] == "AWS::ECS::Service"] == [3]


def test_a_misspelt_option_of_the_file_ends_it(tmp_path: Path, synthesise: Synthesise) -> None:
    """With those that there are, and without a template."""
    done = synthesise(vpcCIDR="10.9.0.0/16")
    assert done.returncode != 0
    assert "there is no option vpcCIDR: choose from" in done.stderr
    assert not (tmp_path / "cdk.out" / "HlsBatchStack.template.json").exists()
