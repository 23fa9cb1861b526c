"""The catalogue's own documents: landing page and collections."""

from typing import Any

from worker.contract.collections import BANDS, L30, S30

CONFORMANCE = [
    *(
        f"https://api.stacspec.org/v1.0.0-rc.2/{name}"
        for name in ("core", "item-search", "ogcapi-features", "item-search#features", "item-search#context")
    ),
    *(f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "oas30", "geojson")),
    "https://api.stacspec.org/v1.0.0-rc.2/collection-search",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/simple-query",
]
"""What CMR-STAC declares, without the extensions that this server leaves out (fields, query, sort)."""

_TITLES = {
    L30: "HLS Landsat Operational Land Imager Surface Reflectance and TOA Brightness Daily Global 30m v2.0",
    S30: "HLS Sentinel-2 Multi-spectral Instrument Surface Reflectance Daily Global 30m v2.0",
}
_BEGAN = {L30: "2013-04-11T00:00:00Z", S30: "2015-11-28T00:00:00Z"}
_JSON, _GEOJSON = "application/json", "application/geo+json"


def landing_page(base: str) -> dict[str, Any]:
    return {
        "type": "Catalog",
        "id": "LPCLOUD",
        "title": "LPCLOUD STAC Catalog",
        "stac_version": "1.0.0",
        "description": "Sample of the STAC catalog of HLS, with CMR-STAC's manners",
        "conformsTo": CONFORMANCE,
        "links": [
            {"rel": "self", "href": base, "type": _GEOJSON, "title": "Provider Catalog"},
            {"rel": "root", "href": base, "type": _GEOJSON, "title": "Root Catalog"},
            {"rel": "data", "href": f"{base}/collections", "type": _JSON, "title": "Provider Collections"},
            {"rel": "conformance", "href": f"{base}/conformance", "type": _JSON, "title": "Conformance Classes"},
            *(
                {"rel": "search", "href": f"{base}/search", "type": _GEOJSON, "title": "Item Search", "method": method}
                for method in ("GET", "POST")
            ),
            *(
                {"rel": "child", "href": f"{base}/collections/{name}", "title": title, "type": _JSON}
                for name, title in _TITLES.items()
            ),
        ],
    }


def collection(base: str, name: str) -> dict[str, Any]:
    """One collection.

    Raises:
        KeyError: there is no such collection.
    """
    home = f"{base}/collections/{name}"
    return {
        "type": "Collection",
        "id": name,
        "stac_version": "1.1.0",
        "title": _TITLES[name],
        "description": f"{_TITLES[name]}: generated metadata in the shape of the real ones.",
        "license": "proprietary",
        "keywords": ["EARTH SCIENCE", "LAND SURFACE", "SURFACE RADIATIVE PROPERTIES", "REFLECTANCE"],
        "providers": [
            {"name": "LPCLOUD", "roles": ["producer"]},
            {"name": "NASA EOSDIS", "roles": ["host"]},
        ],
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[_BEGAN[name], None]]},
        },
        "links": [
            {"rel": "self", "href": home, "type": _JSON},
            {"rel": "root", "href": base, "type": _JSON, "title": "LPCLOUD STAC Catalog"},
            {"rel": "parent", "href": base, "type": _JSON, "title": "Provider Catalog"},
            {"rel": "items", "href": f"{home}/items", "type": _GEOJSON, "title": "Collection Items"},
        ],
    }


def collections(base: str) -> dict[str, Any]:
    return {
        "description": "All the collections provided by LPCLOUD",
        "links": [
            {"rel": "self", "href": f"{base}/collections", "type": _JSON, "title": "Provider Collections"},
            {"rel": "root", "href": base, "type": _JSON, "title": "Root Catalog"},
        ],
        "collections": [collection(base, name) for name in BANDS],
    }
