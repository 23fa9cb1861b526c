"""Lines that read one partition, ready to be copied: each prints how many items it holds."""

from dataclasses import dataclass

_DUCKDB = """\
# pip install duckdb
import duckdb

{before}items = duckdb.read_parquet({path})
print(items.aggregate('collection, count(*) AS items, round(avg("eo:cloud_cover"), 1) AS clouds'))
print(items.count("id").fetchall()[0][0])
"""

_FROM_BUCKET = """\
duckdb.sql("INSTALL httpfs; INSTALL aws; CREATE SECRET (TYPE s3, PROVIDER credential_chain)")
"""

_RUSTAC = """\
# pip install rustac
import rustac

items = rustac.read_sync({path})
print(len(items["features"]))
"""

_GEOPANDAS = """\
# pip install geopandas pyarrow{extra}
import geopandas

items = geopandas.read_parquet(
    {path},
    columns=["id", "collection", "datetime", "eo:cloud_cover", "geometry"],
)
print(len(items))
"""

_PYARROW = """\
# pip install pyarrow
import pyarrow.parquet

items = pyarrow.parquet.read_table(
    {path},
    columns=["id", "collection", "datetime", "eo:cloud_cover"],
)
print(items.num_rows)
"""


@dataclass(frozen=True)
class Snippet:
    """A program, and the name of the library that it shows."""

    name: str
    code: str


def snippets(path: str) -> list[Snippet]:
    """Programs for the file at the path, a local one or `s3://BUCKET/KEY`."""
    in_bucket = path.startswith("s3://")
    quoted = repr(path)
    return [
        Snippet("DuckDB", _DUCKDB.format(path=quoted, before=_FROM_BUCKET if in_bucket else "")),
        Snippet("rustac", _RUSTAC.format(path=quoted)),
        Snippet("geopandas", _GEOPANDAS.format(path=quoted, extra=" s3fs" if in_bucket else "")),
        Snippet("pyarrow", _PYARROW.format(path=quoted)),
    ]
