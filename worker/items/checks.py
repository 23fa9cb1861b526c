"""What no item may lack, and the bands that an item of its collection should have."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.contract.collections import BANDS
from worker.items.moulds import ASSETS, NUMBERS, Moulds

_REQUIRED = ("id", "collection", "datetime", "geometry")


def lacking(items: pa.StructArray) -> str | None:
    """What some of the items lack that none may lack, in words; None where all is well."""
    for name in _REQUIRED:
        column = items.field(name)
        if column.null_count:
            first = items.field("id").filter(pc.is_null(column))[0].as_py()
            return f"{column.null_count} of {len(items)} items without {name}{f', such as {first}' if first else ''}"
    return None


def without_bands(items: pa.StructArray, moulds: Moulds | None) -> dict[str, str]:
    """Ids of the items that lack bands of their collection, and which bands those are, in words."""
    ids = items.field("id")
    return {ids[row].as_py(): what for row, what in _without_bands(items, moulds)}


def lacking_bands(items: pa.StructArray, moulds: Moulds | None) -> Counter[str]:
    """Items that lack bands of their collection: how many, by the bands that are missing."""
    return Counter(what for _, what in _without_bands(items, moulds))


def _without_bands(items: pa.StructArray, moulds: Moulds | None) -> Iterator[tuple[int, str]]:
    """Rows of the items that lack bands, and which."""
    for collection, bands in BANDS.items():
        mine = pc.fill_null(pc.equal(items.field("collection"), collection), False).to_numpy(zero_copy_only=False)
        if not mine.any():
            continue
        lacks = mine[:, np.newaxis] & ~_having(items, moulds, bands)
        for row in np.flatnonzero(lacks.any(axis=1)).tolist():
            yield row, f"{collection} without {','.join(np.array(bands)[lacks[row]])}"


def _having(
    items: pa.StructArray, moulds: Moulds | None, names: tuple[str, ...]
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Which of the items have which of these assets: one row an item, one column a name."""
    if moulds is not None:
        return moulds.having(items.field(NUMBERS), names)
    assets = items.field(ASSETS)
    return np.column_stack([pc.is_valid(assets.field(name)).to_numpy(zero_copy_only=False) for name in names])
