"""What no item may lack, and the bands that an item of its collection should have."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.contract.collections import BANDS

_REQUIRED = ("id", "collection", "datetime", "geometry")


def lacking(items: pa.StructArray) -> str | None:
    """What some of the items lack that none may lack, in words; None where all is well."""
    for name in _REQUIRED:
        column = items.field(name)
        if column.null_count:
            first = items.field("id").filter(pc.is_null(column))[0].as_py()
            return f"{column.null_count} of {len(items)} items without {name}{f', such as {first}' if first else ''}"
    return None


def without_bands(items: pa.StructArray) -> dict[str, str]:
    """Ids of the items that lack bands of their collection, and which bands those are, in words."""
    ids = items.field("id")
    return {ids[row].as_py(): what for row, what in _without_bands(items)}


def lacking_bands(items: pa.StructArray) -> dict[str, int]:
    """Items that lack bands of their collection: how many, by the bands that are missing."""
    return dict(Counter(what for _, what in _without_bands(items)))


def _without_bands(items: pa.StructArray) -> Iterator[tuple[int, str]]:
    """Rows of the items that lack bands, and which."""
    collections, assets = items.field("collection"), items.field("assets")
    for collection, bands in BANDS.items():
        mine = pc.fill_null(pc.equal(collections, collection), False).to_numpy(zero_copy_only=False)
        if not mine.any():
            continue
        lacks = {band: mine & pc.is_null(assets.field(band)).to_numpy(zero_copy_only=False) for band in bands}
        for row in np.flatnonzero(np.logical_or.reduce(list(lacks.values()))).tolist():
            yield row, f"{collection} without {','.join(band for band, mask in lacks.items() if mask[row])}"
