"""What a Parquet file's footer says: who wrote it, and how it is cut."""

from collections.abc import Mapping

import pyarrow.parquet as pq
from pydantic import ValidationError

from api.catalog.statistics import Footer, RowGroups
from worker.contract.month import Month
from worker.contract.result import PROVENANCE_KEY, Provenance


def own_provenance(metadata: Mapping[bytes, bytes], month: Month, rows: int) -> tuple[Provenance | None, list[str]]:
    """The worker's own account of the file, and notes on one that cannot be believed.

    Tools that rewrite a file often keep its footer, so an account that does not fit the file is none.
    """
    text = metadata.get(PROVENANCE_KEY.encode())
    if text is None:
        return None, []
    try:
        provenance = Provenance.from_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        return None, [f"the footer's {PROVENANCE_KEY} is not valid ({where}: {fault['msg']}), so it is not used"]
    if (provenance.year_month, provenance.items) != (str(month), rows):
        found = f"{provenance.items} items of {provenance.year_month}"
        return None, [f"the footer speaks of {found}, but the file holds {rows} for {month}, so it is not used"]
    return provenance, []


def described(provenance: Provenance) -> Footer:
    return Footer(
        source=provenance.source,
        generator=provenance.generator,
        schema_version=provenance.schema_version,
        anomalies=provenance.anomalies,
        json_columns=provenance.json_columns,
    )


def row_groups(metadata: pq.FileMetaData) -> RowGroups:
    # Columns of a row group are not looked at: over a broken footer pyarrow then ends the whole process.
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    rows = [group.num_rows for group in groups]
    return RowGroups(
        number=len(groups),
        min_rows=min(rows, default=0),
        max_rows=max(rows, default=0),
        uncompressed_bytes=sum(group.total_byte_size for group in groups),
        footer_bytes=metadata.serialized_size,
    )
