"""`python -m infra`, which `make synth` and the CDK run, on a clean machine."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.infra.conftest import Template, Variant


def test_the_options_of_the_file_are_taken(variants: Mapping[str, Variant]) -> None:
    """Without Node.js and network, both templates stand in `cdk.out/`, made with what `cdk.json` says."""
    made = variants["filed"].folder / "cdk.out"
    batch, service = (Template(made / f"Hls{name}Stack.template.json") for name in ("Batch", "Service"))
    assert batch.only("AWS::EC2::VPC")["CidrBlock"] == "10.9.0.0/16"
    assert service.only("AWS::ECS::Service")["DesiredCount"] == 3


def test_a_misspelt_option_of_the_file_ends_it(tmp_path: Path, clean_machine: dict[str, str]) -> None:
    """As a process of its own: with those that there are, and without a template."""
    (tmp_path / "cdk.json").write_text(json.dumps({"app": "unused", "context": {"vpcCIDR": "10.9.0.0/16"}}))
    done = subprocess.run(
        [sys.executable, "-m", "infra"],
        cwd=tmp_path,
        env=clean_machine | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "there is no option vpcCIDR: choose from" in done.stderr
    assert not (tmp_path / "cdk.out" / "HlsBatchStack.template.json").exists()
