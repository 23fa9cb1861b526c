"""`make images`: what it tells the engine, and what the Dockerfiles make of it. tests/containers looks at the images."""

import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
DIGEST = f"sha256:{'5e' * 32}"
TAGGED = re.compile(r"docker\.io/library/python:3\.\d+-slim-\w+")


def build_orders(tmp_path: Path, engine: str, *settings: str, **environment: str) -> list[list[str]]:
    """The arguments of each call of the engine, which builds nothing here."""
    script, told = tmp_path / engine, tmp_path / "told"
    script.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    script.chmod(0o755)
    told.write_text("")
    subprocess.run(
        ["make", "-C", str(REPOSITORY), "images", f"ENGINE={script}", *settings],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], **environment},
    )
    return [line.split() for line in told.read_text().splitlines()]


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_both_images_are_built_on_the_digest(tmp_path: Path, engine: str) -> None:
    """Whoever names the base image's digest gets it in both builds, whichever engine builds."""
    orders = build_orders(tmp_path, engine, f"PYTHON_DIGEST={DIGEST}")
    assert [(order[0], order[order.index("-f") + 1], order[order.index("-t") + 1]) for order in orders] == [
        ("build", "Dockerfile.worker", "hls-worker"),
        ("build", "Dockerfile.api", "hls-api"),
    ]
    for order in orders:
        assert order[order.index("--build-arg") + 1] == f"PYTHON_DIGEST={DIGEST}"
        assert ("--format" in order) == (engine == "podman")


def test_a_build_may_name_nothing(tmp_path: Path) -> None:
    """Then the Dockerfiles' own tag holds, and an index only where the environment has one."""
    assert all("--build-arg" not in order for order in build_orders(tmp_path, "docker"))
    for order in build_orders(tmp_path, "docker", PIP_INDEX_URL="https://index.example/simple"):
        assert order[order.index("--build-arg") + 1] == "PIP_INDEX_URL"


@pytest.mark.parametrize("image", ["worker", "api"])
def test_every_stage_stands_on_the_digest(image: str) -> None:
    """The base image is pinned by its tag, and by the digest too where the build is given one."""
    text = (REPOSITORY / f"Dockerfile.{image}").read_text()
    default = re.search(r"^ARG PYTHON=(\S+)$", text, re.MULTILINE)
    assert default
    assert TAGGED.fullmatch(default[1])
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(stages) == 2
    for stage in stages:
        assert _expanded(stage, PYTHON=default[1], PYTHON_DIGEST="") == default[1]
        assert _expanded(stage, PYTHON=default[1], PYTHON_DIGEST=DIGEST) == f"{default[1]}@{DIGEST}"


def _expanded(text: str, **arguments: str) -> str:
    """With the build's arguments, which a Dockerfile writes as a shell does."""
    return subprocess.check_output(["/bin/sh", "-uc", f'printf %s "{text}"'], env=arguments, text=True)
