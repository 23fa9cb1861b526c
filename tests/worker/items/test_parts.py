"""Items in files between the steps of a run."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from worker.contract.columns import TEXT, Struct
from worker.items.arrow import kind_of, schema_of
from worker.items.moulds import Moulds
from worker.items.parts import Form, ItemsFile
from worker.items.types import INT, JSON

KIND = Struct((("id", TEXT), ("odd", JSON), ("nested", Struct((("a", JSON), ("b", INT))))))
ITEMS = pa.table({"id": ["x"], "odd": ["[1]"], "nested": [{"a": "{}", "b": 1}]})


def test_a_type_is_told_by_its_schema() -> None:
    """With what Arrow does not know of it: which text is JSON."""
    assert kind_of(schema_of(KIND)) == KIND


def test_a_file_gives_its_items_and_their_type(tmp_path: Path) -> None:
    """However many pieces they came in."""
    form, tables = ItemsFile.write(tmp_path / "day", [ITEMS, ITEMS], Form(KIND)).opened(Moulds())
    assert form == Form(KIND)
    assert pa.concat_tables(tables).to_pylist() == 2 * ITEMS.to_pylist()


def test_a_file_of_an_earlier_release(tmp_path: Path) -> None:
    """Said it in the footer alone. A run that is tried again after an upgrade goes on with such days."""
    with pq.ParquetWriter(tmp_path / "day", ITEMS.schema) as writer:
        writer.write_table(ITEMS)
        writer.add_key_value_metadata({"hls:json_columns": "odd\nnested.a"})
    form, tables = ItemsFile(tmp_path / "day").opened(Moulds())
    assert form == Form(KIND)
    assert pa.concat_tables(tables).to_pylist() == ITEMS.to_pylist()
