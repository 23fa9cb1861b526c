"""Exact figures of cloud cover from its distribution: pairs of a value and how many items have it, by value."""

import math
from collections.abc import Sequence
from itertools import chain, repeat

from api.catalog.statistics import Bin, CloudCover

PERCENTILES = (5, 25, 50, 75, 95)
BIN_WIDTH = 10

Distribution = Sequence[tuple[float, int]]


def cloud_cover(distribution: Distribution, rows: int) -> CloudCover:
    """Figures of a file with so many rows.

    The mean is that of `statistics.fmean`, whatever the order of the items, so it can be checked to the last digit.
    """
    count = sum(items for _, items in distribution)
    nulls = rows - count
    if not count:
        return CloudCover(count=0, nulls=nulls, min=None, mean=None, max=None, percentiles={})
    total = math.fsum(chain.from_iterable(repeat(value, items) for value, items in distribution))
    return CloudCover(
        count=count,
        nulls=nulls,
        min=distribution[0][0],
        mean=total / count,
        max=distribution[-1][0],
        percentiles={f"p{percent}": _nearest_rank(distribution, count, percent) for percent in PERCENTILES},
    )


def histogram(distribution: Distribution) -> list[Bin]:
    """Ten bins from 0 to 100 percent; values outside fall into none."""
    items = [0] * (100 // BIN_WIDTH)
    for value, number in distribution:
        if 0 <= value <= 100:
            items[min(int(value // BIN_WIDTH), len(items) - 1)] += number
    return [Bin(low=i * BIN_WIDTH, high=(i + 1) * BIN_WIDTH, items=number) for i, number in enumerate(items)]


def _nearest_rank(distribution: Distribution, count: int, percent: int) -> float:
    rank = -(-percent * count // 100)  # rounded up, in integers
    seen = 0
    for value, items in distribution:
        seen += items
        if seen >= rank:
            return value
    raise AssertionError("the rank is at most the count")
