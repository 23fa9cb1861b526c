"""Lines that read one partition, ready to be copied: each prints how many items it holds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_DUCKDB = """\
# pip install duckdb
import duckdb

{before}items = duckdb.read_parquet({path})
{figures}print(items.count("*").fetchall()[0][0])
"""

_FROM_BUCKET = """\
duckdb.sql("INSTALL httpfs; INSTALL aws; CREATE SECRET (TYPE s3, PROVIDER credential_chain)")
"""

_BY_COLLECTION = """\
print(items.aggregate('collection, count(*) AS items{clouds}'))
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
    columns={columns},
)
print(len(items))
"""

_PYARROW = """\
# pip install pyarrow
import pyarrow.parquet

items = pyarrow.parquet.read_table(
    {path},
{columns})
print(items.num_rows)
"""

_CHOSEN = ("id", "collection", "datetime", "eo:cloud_cover")
_GEOMETRY = "geometry"


@dataclass(frozen=True)
class Snippet:
    """A program, and the name of the library that it shows."""

    name: str
    code: str


def snippets(path: str, columns: Collection[str], *, is_geoparquet: bool) -> list[Snippet]:
    """Programs for the file at the path, a local one or `s3://BUCKET/KEY`, that ask for no more than it has."""
    in_bucket = path.startswith("s3://")
    quoted = repr(path)
    chosen = [name for name in _CHOSEN if name in columns]
    figures = ""
    if "collection" in chosen:
        clouds = ', round(avg("eo:cloud_cover"), 1) AS clouds' if "eo:cloud_cover" in chosen else ""
        figures = _BY_COLLECTION.format(clouds=clouds)
    duckdb = _DUCKDB.format(path=quoted, before=_FROM_BUCKET if in_bucket else "", figures=figures)
    found = [Snippet("DuckDB", duckdb)]
    if is_geoparquet:
        found.append(Snippet("rustac", _RUSTAC.format(path=quoted)))
    if is_geoparquet and _GEOMETRY in columns:
        shown = _list([*chosen, _GEOMETRY])
        extra = " s3fs" if in_bucket else ""
        found.append(Snippet("geopandas", _GEOPANDAS.format(path=quoted, extra=extra, columns=shown)))
    return [
        *found,
        Snippet("pyarrow", _PYARROW.format(path=quoted, columns=f"    columns={_list(chosen)},\n" if chosen else "")),
    ]


def _list(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
