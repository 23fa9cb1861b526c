"""Draws the outline of the land that the page shows from the map that the sample catalogue is made of.

`PYTHONPATH=tests/support .venv/bin/python -m land_outline` writes it anew.
"""

from pathlib import Path

import shapely

REPOSITORY = Path(__file__).parents[2]
OUTLINE = REPOSITORY / "api" / "pages" / "static" / "land.svg"
_NORTH = 84  # of the map's first row


def drawn() -> str:
    """An SVG of 360 by 180 degrees, x from 180 W to the east and y from 90 N to the south."""
    rows = (REPOSITORY / "sample" / "land.txt").read_text(encoding="ascii").split()
    cells = [
        shapely.box(x, 90 - _NORTH + y, x + 1, 91 - _NORTH + y)
        for y, row in enumerate(rows)
        for x, mark in enumerate(row)
        if mark == "#"
    ]
    land = shapely.simplify(shapely.union_all(cells), 0.71)  # cuts the corners of the cells
    rings = [ring for part in land.geoms for ring in (part.exterior, *part.interiors)]
    path = "".join(_closed(ring) for ring in rings)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 180" width="1440" height="720">'
        f'<path fill="#8c979d" fill-opacity=".32" fill-rule="evenodd" d="{path}"/></svg>\n'
    )


def _closed(ring: shapely.LinearRing) -> str:
    points = [f"{x:.0f} {y:.0f}" for x, y in list(ring.coords)[:-1]]
    return f"M{'L'.join(points)}z"


if __name__ == "__main__":
    OUTLINE.write_text(drawn(), encoding="ascii")
