"""The plain facts: exit codes, remedies, retries, names, bands and columns; and what the contract may import."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract import compute
from worker.contract.collections import BANDS, COLLECTIONS, L30, S30, known
from worker.contract.columns import ASSETS, COLUMNS, ListOf, Scalar, Struct, Type
from worker.contract.exits import FAILURE_OF_EXIT, REMEDY, ExitCode, FailureCode
from worker.contract.parameters import BATCH_COMMAND, BATCH_DEFAULTS, PARAMETERS


def test_every_failure_says_what_to_do() -> None:
    """Each code has a remedy that is a sentence, and no remedy is for a code that is gone."""
    assert set(REMEDY) == set(FailureCode)
    assert all(remedy.endswith(".") and remedy[0].isupper() for remedy in REMEDY.values())


def test_every_exit_code_of_a_failure_has_a_failure_code() -> None:
    """All but done and cancelled, which are no failures."""
    assert set(FAILURE_OF_EXIT) == set(ExitCode) - {ExitCode.DONE, ExitCode.CANCELLED}


def test_retry_rules_fit_batch() -> None:
    """At most five, each with a condition, patterns that Batch takes, and a last one that ends whatever is left."""
    rules = compute.RETRY_RULES
    assert len(rules) <= 5
    for rule in rules:
        patterns = [p for p in (rule.on_exit_code, rule.on_reason, rule.on_status_reason) if p is not None]
        assert patterns
        assert all(len(pattern) <= 512 and "*" not in pattern[:-1] for pattern in patterns)
        assert rule.on_exit_code is None or re.fullmatch(r"[0-9]+\*?", rule.on_exit_code)
    assert rules[-1] == compute.RetryRule(retry=False, on_reason="*")


def test_only_what_may_pass_by_itself_is_retried() -> None:
    """A source that is away and an interruption; nothing that would end the same way again."""
    retried = {code for code in ExitCode if compute.is_retried(code)}
    assert retried == {ExitCode.INTERRUPTED, ExitCode.SOURCE_UNAVAILABLE}
    assert not any(compute.is_retried(code) for code in (1, 2, 137, 143, 7, 755))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True))
def test_job_names_fit_batch(job_id: str) -> None:
    """At most 128 letters, digits, '-' and '_', the first alphanumeric, and another one for each job."""
    name = compute.job_name("202401", job_id)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", name)
    assert name.endswith(job_id)


def test_the_job_definition_declares_every_reference() -> None:
    """A reference is a token of its own to a known parameter; only what each submission must say has no default."""
    references = [token.removeprefix("Ref::") for token in BATCH_COMMAND if token.startswith("Ref::")]
    assert references == [parameter.name for parameter in PARAMETERS]
    assert not any("Ref::" in token for token in BATCH_COMMAND if not token.startswith("Ref::"))
    assert set(references) - set(BATCH_DEFAULTS) == {"yearMonth", "s3Bucket"}


def test_bands_by_collection() -> None:
    """15 for L30 and 18 for S30, each once."""
    assert (len(BANDS[L30]), len(BANDS[S30])) == (15, 18)
    assert all(len(set(bands)) == len(bands) for bands in BANDS.values())


@pytest.mark.parametrize("value", [f"{S30},{L30}", f" {S30} , {L30}", [S30, L30, S30], {L30, S30}, (L30, S30)])
def test_collections_are_a_sorted_set(value: object) -> None:
    """Order, repetition and spaces say nothing."""
    assert known(value) == COLLECTIONS


def _structs(kind: Type) -> Iterator[Struct]:
    match kind:
        case ListOf(element):
            yield from _structs(element)
        case Struct(fields):
            yield kind
            for _, part in fields:
                yield from _structs(part)


def test_column_names_are_unique_at_every_level() -> None:
    """No two columns, and no two fields of a struct, share a name, not even in another case, as SQL would read it."""
    levels = [[name for name, _ in COLUMNS]]
    levels += [[name for name, _ in struct.fields] for _, kind in COLUMNS for struct in _structs(kind)]
    for names in levels:
        assert len({name.lower() for name in names}) == len(names)


def test_every_band_has_both_assets() -> None:
    """Over https and over s3, for the bands of both collections."""
    assets = {name for name, _ in ASSETS.fields}
    for bands in BANDS.values():
        assert {*bands, *(f"s3_{band}" for band in bands)} <= assets


def test_an_item_has_the_columns_that_geoparquet_needs() -> None:
    """The geometry as WKB and its covering box as four doubles."""
    columns = dict(COLUMNS)
    assert columns["geometry"] == Scalar("wkb")
    assert columns["bbox"] == Struct(tuple((name, Scalar("double")) for name in ("xmin", "ymin", "xmax", "ymax")))


def test_the_contract_imports_the_standard_library_and_pydantic_alone() -> None:
    """So that anything may import it: in a fresh interpreter nothing else is loaded."""
    script = """
import json, pkgutil, sys
before = set(sys.modules)
import worker.contract
for module in pkgutil.iter_modules(worker.contract.__path__, "worker.contract."):
    __import__(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name for name in json.loads(run.stdout) if not name.startswith(("__", "_sysconfigdata"))}
    pydantic = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
    assert loaded - sys.stdlib_module_names - pydantic == {"worker"}
