"""The HLS collections that CMR-STAC serves, and the bands that an item of each must have.

Bands: HLS User Guide v2.0, tables 6 and 7, as named in the assets of CMR-STAC.
"""

_ANGLES = ("Fmask", "SAA", "SZA", "VAA", "VZA")

L30 = "HLSL30_2.0"
S30 = "HLSS30_2.0"

BANDS: dict[str, tuple[str, ...]] = {
    L30: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B10", "B11", *_ANGLES),
    S30: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12", *_ANGLES),
}
"""Collection id to its bands: 15 for L30, 18 for S30."""

COLLECTIONS: tuple[str, ...] = tuple(BANDS)
"""Every known collection, and what a job harvests where it does not say."""


def known(value: object) -> tuple[str, ...]:
    """A non-empty set of known collection ids, sorted; text is split at commas.

    Raises:
        ValueError: empty, or an id that is not known.
    """
    ids = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(ids, (list, tuple, set, frozenset)) or not all(isinstance(item, str) for item in ids):
        raise ValueError(f"collections are a list of ids, of {', '.join(COLLECTIONS)}")
    unknown = sorted(set(ids) - set(COLLECTIONS))
    if unknown:
        raise ValueError(f"unknown collection {', '.join(map(repr, unknown))}: choose from {', '.join(COLLECTIONS)}")
    if not ids:
        raise ValueError(f"no collection given: choose from {', '.join(COLLECTIONS)}")
    return tuple(sorted(set(ids)))
