"""Fixtures of the tests of the sample catalogue."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sample.catalog import Catalog
from sample.faults import Fault
from sample.server import Running, running


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Some 700 granules a month."""
    return Catalog.generated(items_per_month=700, seed=1)


@pytest.fixture(scope="session")
def served(catalog: Catalog) -> Iterator[Running]:
    """The catalogue, served well."""
    with running(catalog) as server:
        yield server


@pytest.fixture
def client(served: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url) as client:
        yield client


@pytest.fixture(scope="session")
def misbehaving(catalog: Catalog) -> Iterator[Running]:
    with running(catalog) as server:
        yield server


@pytest.fixture
def faulty(misbehaving: Running) -> Iterator[Callable[..., tuple[Running, httpx.Client]]]:
    """Makes a server misbehave, and gives a client of it."""
    misbehaving.log.clear()
    with httpx.Client(base_url=misbehaving.url, timeout=5) as client:

        def misbehave(*faults: Fault | str) -> tuple[Running, httpx.Client]:
            misbehaving.faults.replace(faults)
            return misbehaving, client

        yield misbehave


@pytest.fixture(scope="session")
def current_items(shared_data: Path) -> list[dict[str, Any]]:
    """The 34 items in the shape that CMR-STAC serves today."""
    text = (shared_data / "derived-current-flavour/items_34_derived.json").read_text(encoding="utf-8")
    features: list[dict[str, Any]] = json.loads(text)["features"]
    return features


@pytest.fixture(scope="session")
def error_replies(shared_data: Path) -> dict[str, Any]:
    """Name of the file to status, headers and body."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (shared_data / "errors").glob("*.json")}


@pytest.fixture(scope="session")
def pages() -> Callable[..., list[dict[str, Any]]]:
    """Reads every page of a search by following `next`: of a GET with the parameters, or from a first page on."""

    def read(client: httpx.Client, first: dict[str, Any] | None = None, **parameters: Any) -> list[dict[str, Any]]:
        found = [first or client.get("/search", params=parameters).raise_for_status().json()]
        while href := next((link["href"] for link in found[-1]["links"] if link["rel"] == "next"), None):
            found.append(client.get(href).raise_for_status().json())
        return found

    return read
