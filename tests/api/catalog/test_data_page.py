"""docs/data.md: the tables are the contract's, and the examples run."""

import re
from pathlib import Path

import duckdb
import pytest

from storage.local import LocalStore
from tests.api.catalog.partition_files import MONTH, parquet_bytes, provenance_of, rows_of
from worker.contract import layout
from worker.contract.collections import COLLECTIONS, S30
from worker.contract.columns import COLUMNS, ListOf, Scalar, Type
from worker.contract.documents import DatasetBinding
from worker.contract.result import Provenance

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
EXAMPLES = re.findall(r"```(sql|python)\n(.*?)```", PAGE, re.DOTALL)

_WORDS = {"text": "string", "double": "double", "timestamp": "timestamp", "wkb": "binary"}


def _word(kind: Type) -> str:
    if isinstance(kind, Scalar):
        return _WORDS[kind.kind]
    return rf"list\<{_word(kind.element)}\>" if isinstance(kind, ListOf) else "struct"


def _table(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    return rows[1:]


def test_the_columns_are_the_contracts() -> None:
    """Every canonical column stands on the page, in order and with its type, and no other."""
    assert [row[:2] for row in _table("Columns")] == [[f"`{name}`", _word(kind)] for name, kind in COLUMNS]


def test_the_provenance_is_the_contracts() -> None:
    """Every field of the footer's provenance stands on the page, and no other."""
    fields = [f"`{field.alias}`" for field in Provenance.model_fields.values()]
    assert [row[0] for row in _table("Provenance")] == fields


@pytest.fixture
def archive_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is an archive with the month that the examples read."""
    rows = rows_of(MONTH, 2000)
    california = {"xmin": -120.0, "ymin": 37.0, "xmax": -119.0, "ymax": 38.0}
    rows[0] |= {"bbox": california, "collection": S30, "eo:cloud_cover": 3.0}
    store = LocalStore(tmp_path)
    store.put(layout.partition_key("hls-data", MONTH), parquet_bytes(rows, provenance_of(rows)))
    store.put(layout.dataset_key("hls-data"), DatasetBinding(collections=COLLECTIONS).to_json())
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("archive_here")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example is run as it is printed, over a dataset with one month, and gives something."""
    language, code = EXAMPLES[number]
    if language == "sql":
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
            assert connection.execute(code).fetchall()
    else:
        exec(compile(code, "docs/data.md", "exec"), {})  # noqa: S102  the page's own examples
        assert capsys.readouterr().out.strip() not in ("", "0")
