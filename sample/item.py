"""One granule as a STAC item, in the bytes that CMR-STAC has sent since July 2025.

STAC 1.1.0, storage extension 2.0.0, an `s3_` twin of each band. The text is put together from prepared pieces, because
a month has up to half a million items of 12 kB.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from random import Random

import orjson

from worker.contract.collections import BANDS

Ring = list[tuple[float, float]]

_ID = "\x00"
_CONCEPT = "\x01"
_ORDERS = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CMR = "https://cmr.earthdata.nasa.gov"
_DATA = "https://data.lpdaac.earthdatacloud.nasa.gov"
_S3_NOTE = "This link provides direct download access via S3 to the granule"
_EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
    "https://stac-extensions.github.io/storage/v2.0.0/schema.json",
]
_SCHEMES = {
    "aws": {
        "type": "aws-s3",
        "platform": "https://{bucket}.s3.{region}.amazonaws.com",
        "bucket": "lp-prod-protected",
        "region": "us-west-2",
    }
}


@dataclass(frozen=True, slots=True)
class Granule:
    """The facts of an item. Times in milliseconds since 1970; rings closed, in degrees; more than one ring where the
    footprint is split at the antimeridian, those west of it (longitudes near 180) first."""

    id: str
    collection: str
    start: int
    end: int
    rings: list[Ring]
    cloud_cover: int | None
    concept: int

    def body(self) -> bytes:
        """The item as JSON."""
        return render(self, band_order(self))


def band_order(granule: Granule) -> tuple[str, ...]:
    """The order of the bands in the assets: CMR's own is arbitrary, and another in each item."""
    return _orders(granule.collection)[granule.concept % _ORDERS]


def render(granule: Granule, bands: tuple[str, ...]) -> bytes:
    """The item as JSON, with its bands in the order given."""
    start, end = timestamp(granule.start), timestamp(granule.end)
    cloud = "" if granule.cloud_cover is None else f'"eo:cloud_cover":{granule.cloud_cover},'
    head, schemes, metadata, tail = _frame(granule.collection)
    facts = (
        f'"properties":{{"datetime":"{start}",{cloud}{schemes},"start_datetime":"{start}","end_datetime":"{end}"}},'
        f'"geometry":{_geometry(granule.rings)},"bbox":{_numbers(bounds(granule.rings))},"assets":{{'
    )
    about = f"{metadata}{tail}".replace(_CONCEPT, f"G{granule.concept}-LPCLOUD")
    text = b"".join((head.encode(), facts.encode(), _band_assets(granule.collection, bands), about.encode()))
    return text.replace(_ID.encode(), granule.id.encode())


def timestamp(milliseconds: int) -> str:
    """`2025-10-02T17:04:39.336Z`, as in CMR-STAC."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def bounds(rings: list[Ring]) -> tuple[float, float, float, float]:
    """West, south, east, north; west > east where the rings lie on both sides of the antimeridian, as CMR-STAC has it."""
    longitudes = [x for ring in rings for x, _ in ring]
    latitudes = [y for ring in rings for _, y in ring]
    west, east = min(longitudes), max(longitudes)
    if len(rings) > 1 and east - west > 180:
        west, east = min(x for x in longitudes if x > 0), max(x for x in longitudes if x < 0)
    return west, min(latitudes), east, max(latitudes)


def _geometry(rings: list[Ring]) -> str:
    polygons = [f"[[{','.join([_numbers(point) for point in ring])}]]" for ring in rings]
    if len(polygons) == 1:
        return f'{{"type":"Polygon","coordinates":{polygons[0]}}}'
    return f'{{"type":"MultiPolygon","coordinates":[{",".join(polygons)}]}}'


def _numbers(numbers: tuple[float, ...]) -> str:
    return f"[{','.join(map(repr, numbers))}]"


@cache
def _orders(collection: str) -> list[tuple[str, ...]]:
    bands = BANDS[collection]
    return [tuple(Random(number).sample(bands, len(bands))) for number in range(_ORDERS)]


@cache
def _frame(collection: str) -> tuple[str, str, str, str]:
    """The pieces around the bands: head, storage schemes, metadata asset, links and end."""
    head = {"type": "Feature", "id": _ID, "stac_version": "1.1.0", "stac_extensions": _EXTENSIONS}
    concept = f"{_CMR}/search/concepts/{_CONCEPT}"
    metadata = {
        "href": f"{concept}.xml",
        "title": f"CMR XML metadata for {_CONCEPT}",
        "type": "application/xml",
        "roles": ["metadata"],
    }
    home = f"{_CMR}/stac/LPCLOUD/collections/{collection}"
    geojson, json = "application/geo+json", "application/json"
    umm = "application/vnd.nasa.cmr.umm+json"
    links = [
        {"rel": "self", "href": f"{home}/items/{_ID}", "type": geojson},
        {"rel": "parent", "href": f"{home}/", "type": geojson},
        {"rel": "collection", "href": f"{home}/", "type": geojson},
        {"rel": "root", "href": f"{_CMR}/stac", "type": json},
        {"rel": "provider", "href": f"{_CMR}/stac/LPCLOUD", "type": json},
        {"rel": "via", "href": f"{concept}.json", "title": "CMR JSON metadata for item", "type": json},
        {"rel": "via", "href": f"{concept}.umm_json", "title": "CMR UMM_JSON metadata for item", "type": umm},
    ]
    return (
        _json(head)[:-1] + ",",
        f'"storage:schemes":{_json(_SCHEMES)}',
        f'"metadata":{_json(metadata)}}},',
        f'"links":{_json(links)},"collection":"{collection}"}}',
    )


@lru_cache(maxsize=4 * _ORDERS)
def _band_assets(collection: str, bands: tuple[str, ...]) -> bytes:
    """The assets from the browse image to the last band on S3, with the id to be filled in."""
    folder = f"{collection.split('_')[0]}.020"  # HLSL30_2.0 lies in HLSL30.020
    picture = f"lp-prod-public/{folder}/{_ID}/{_ID}.jpg"
    note = f"Download {_ID}.jpg"
    assets: dict[str, dict[str, object]] = {
        "browse": {"href": f"{_DATA}/{picture}", "title": note, "type": "image/jpeg", "roles": ["browse"]},
        "thumbnail_0": _asset(f"{_DATA}/{picture}", "Thumbnail [0]", note, "thumbnail"),
        "thumbnail_1": _asset(f"s3://{picture}", "Thumbnail [1]", _S3_NOTE, "thumbnail"),
    }
    for place, band in enumerate(bands):
        file = f"{_ID}.{band}.tif"
        path = f"lp-prod-protected/{folder}/{_ID}/{file}"
        assets[band] = _asset(f"{_DATA}/{path}", f"Direct Download [{place}]", f"Download {file}", "data")
        assets[f"s3_{band}"] = {
            **_asset(f"s3://{path}", f"S3 Direct Download [{place}]", _S3_NOTE, "data"),
            "storage:refs": ["aws"],
        }
    in_order = sorted(assets, key=lambda name: name.startswith("s3_"))
    return (_json({name: assets[name] for name in in_order})[1:-1] + ",").encode()


def _asset(href: str, title: str, description: str, role: str) -> dict[str, object]:
    return {"href": href, "title": title, "description": description, "roles": [role]}


def _json(value: object) -> str:
    """JSON text, with the places to fill left as they are."""
    return orjson.dumps(value).decode().replace("\\u0000", _ID).replace("\\u0001", _CONCEPT)
