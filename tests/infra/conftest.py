"""Templates of the app's variants, synthesised once for all processes of a test run."""

import fcntl
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]

Json = dict[str, Any]

CLEAN_MACHINE = {
    "PATH": "",
    "PYTHONPATH": str(REPOSITORY),
    **{
        name: "http://127.0.0.1:9"
        for way in ("http", "https", "all")
        for name in (f"{way}_proxy", f"{way}_proxy".upper())
    },
}
"""The environment of a process that finds no Node.js and no way out."""

FILED = {"vpcCidr": "10.9.0.0/16", "tasks": "3"}
"""What the `cdk.json` of the variant `filed` says."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test of this folder comes first waits for the templates."""
    for item in items:
        if item.nodeid.startswith("tests/infra/"):
            item.add_marker(pytest.mark.timeout(300))


@dataclass(frozen=True)
class Template:
    """One stack's template."""

    path: Path

    @cached_property
    def body(self) -> Json:
        return dict(json.loads(self.path.read_text()))

    @property
    def resources(self) -> dict[str, Json]:
        return dict(self.body["Resources"])

    @property
    def outputs(self) -> dict[str, Json]:
        return dict(self.body["Outputs"])

    def of_type(self, kind: str) -> list[Json]:
        """The properties of each resource of a type."""
        return [each.get("Properties", {}) for each in self.resources.values() if each["Type"] == kind]

    def only(self, kind: str) -> Json:
        (properties,) = self.of_type(kind)
        return properties


@dataclass(frozen=True)
class Variant:
    """Both stacks as the context made them."""

    folder: Path

    @property
    def batch(self) -> Template:
        return Template(self.folder / "HlsBatchStack.template.json")

    @property
    def service(self) -> Template:
        return Template(self.folder / "HlsServiceStack.template.json")

    @property
    def all(self) -> list[Template]:
        """Those of every stack that the variant has."""
        return [Template(path) for path in sorted(self.folder.glob("*.template.json"))]

    @property
    def both(self) -> tuple[Template, Template]:
        return self.batch, self.service


@pytest.fixture(scope="session")
def clean_machine(pytestconfig: pytest.Config) -> dict[str, str]:
    """`CLEAN_MACHINE`, with a folder where the constructs' packages are unpacked once: that takes longer than all else."""
    assert pytestconfig.cache is not None
    unpacked = pytestconfig.cache.mkdir("jsii") / "packages"
    return CLEAN_MACHINE | {"JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(unpacked)}


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory, clean_machine: dict[str, str]) -> Mapping[str, Variant]:
    """By name. Made by a process with an empty PATH, so without a Node.js of the machine's, and without a network."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "templates"
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            filed = Path(f"{folder}.made") / "filed"
            filed.mkdir(parents=True)
            (filed / "cdk.json").write_text(json.dumps({"app": "unused", "context": FILED}))
            script = Path(__file__).with_name("variants.py")
            done = subprocess.run(
                [sys.executable, str(script), f"{folder}.made"],
                env=clean_machine | {"HOME": str(base)},
                cwd=filed,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr[-5000:] + done.stdout[-5000:]
            Path(f"{folder}.made").rename(folder)
    return {each.name: Variant(each) for each in folder.iterdir()}


@pytest.fixture(scope="session")
def default(variants: Mapping[str, Variant]) -> Variant:
    return variants["default"]


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    """A moto server on 127.0.0.1."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, empty, to which the standard AWS settings lead."""
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": moto_server,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    urllib.request.urlopen(f"{moto_server}/moto-api/reset", data=b"").close()  # noqa: S310  our own server
    return moto_server
