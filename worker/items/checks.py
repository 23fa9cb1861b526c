"""What no item may lack, and the bands that an item of its collection should have."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.contract.collections import BANDS

_REQUIRED = ("id", "collection", "datetime", "geometry")


def lacking(items: pa.StructArray) -> str | None:
    """What some of the items lack that none may lack, in words; None where all is well."""
    for name in _REQUIRED:
        if missing := items.field(name).null_count:
            return f"{missing} of {len(items)} items without {name}"
    return None


def lacking_bands(items: pa.StructArray) -> dict[str, int]:
    """Items that lack bands of their collection: how many, by the bands that are missing."""
    found: dict[str, int] = {}
    collections = items.field("collection")
    assets = items.field("assets")
    for collection, bands in BANDS.items():
        mine = pc.fill_null(pc.equal(collections, collection), False).to_numpy(zero_copy_only=False)
        if not mine.any():
            continue
        lacks = {band: mine & pc.is_null(assets.field(band)).to_numpy(zero_copy_only=False) for band in bands}
        affected = np.logical_or.reduce(list(lacks.values()))
        for row in np.flatnonzero(affected):
            missing = ",".join(band for band, mask in lacks.items() if mask[row])
            key = f"{collection} without {missing}"
            found[key] = found.get(key, 0) + 1
    return found
