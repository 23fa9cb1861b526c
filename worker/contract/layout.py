"""Every key of the archive, relative to its root: a bucket (`s3://bucket`) or a directory (`file:///dir`)."""

import re
from datetime import date, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from worker.contract.bbox import BBox
from worker.contract.collections import COLLECTIONS
from worker.contract.month import Month
from worker.contract.parameters import ABSENT

DEFAULT_PREFIX = "hls-data"
PREFIX_MAX_LENGTH = 128

HIVE_TYPES: dict[str, str] = {"year": "INT", "month": "INT"}
"""Types of the partition columns, in SQL; without them DuckDB guesses `month=01` as text."""

JOBS_ROOT = "_jobs"
"""Stands at the root, outside every dataset, so that no glob over a dataset meets it."""

STAGED_DAY_LIFETIME = timedelta(days=7)
"""How long a staged day may be reused."""

JOBS_LIFETIME = timedelta(days=30)
"""After this the keys below `_jobs/` expire."""

_PARTITION = re.compile(r"(?P<prefix>.+)/year=(?P<year>(?!0000)[0-9]{4})/month=(?P<month>[0-9]{2})/data\.parquet")


def checked_prefix(prefix: str) -> str:
    """The prefix, if it may name a dataset.

    Raises:
        ValueError: empty, too long, other characters than allowed, or a part that leads elsewhere.
    """
    if not prefix:
        raise ValueError(f"the prefix is empty: leave it out for the default, {DEFAULT_PREFIX}")
    if len(prefix) > PREFIX_MAX_LENGTH:
        raise ValueError(f"the prefix has {len(prefix)} characters; at most {PREFIX_MAX_LENGTH} are allowed")
    if not re.fullmatch(r"[a-z0-9._/-]+", prefix):
        raise ValueError(f"the prefix {prefix!r} may hold only lower-case letters, digits, '-', '_', '.' and '/'")
    for part in prefix.split("/"):
        if not part:
            raise ValueError(f"the prefix {prefix!r} has an empty part: no '/' at the ends and no '//'")
        if ".." in part:
            raise ValueError(f"the prefix {prefix!r} may not hold '..'")
        if part.startswith("_"):
            raise ValueError(f"the prefix {prefix!r} has a part that starts with '_': those are the service's own")
        if part[0] in "-.":  # an option on a command line, a hidden directory on a disk
            raise ValueError(f"the prefix {prefix!r} has a part that starts with {part[0]!r}: start it otherwise")
    if prefix == ABSENT:
        raise ValueError(f"the prefix may not be {ABSENT!r}: as a parameter of a run that means that there is none")
    return prefix


Prefix = Annotated[
    str,
    AfterValidator(checked_prefix),
    Field(description="Prefix of the dataset below the archive's root", examples=[DEFAULT_PREFIX]),
]


def default_prefix(bbox: BBox | None, collections: tuple[str, ...] = COLLECTIONS) -> str:
    """The prefix of a request that names none: one for each box and each choice of collections."""
    parts = [DEFAULT_PREFIX]
    if set(collections) != set(COLLECTIONS):
        parts += [collection.lower() for collection in collections]
    if bbox is not None:
        parts += ["bbox", bbox.short_hash]
    return "-".join(parts)


def dataset_key(prefix: str) -> str:
    """Binds the prefix to one box, or none, and one set of collections."""
    return f"{prefix}/_dataset.json"


def partition_key(prefix: str, month: Month) -> str:
    return f"{prefix}/year={month.year:04d}/month={month.month:02d}/data.parquet"


def parse_partition_key(key: str) -> tuple[str, Month] | None:
    """Prefix and month of a partition's key; None for any other key."""
    match = _PARTITION.fullmatch(key)
    if not match or key.startswith(f"{JOBS_ROOT}/") or not 1 <= int(match["month"]) <= 12:
        return None
    return match["prefix"], Month(int(match["year"]), int(match["month"]))


def partition_glob(prefix: str) -> str:
    """Pattern that matches the dataset's partitions and nothing else."""
    return f"{prefix}/year=*/month=*/data.parquet"


def staged_day_key(stage_id: str, day: date) -> str:
    return f"{JOBS_ROOT}/{stage_id}/days/{day.isoformat()}.parquet"


def staged_day_record_key(stage_id: str, day: date) -> str:
    """The staged day's counts and parameters, written after its Parquet file: it marks the day as finished."""
    return f"{JOBS_ROOT}/{stage_id}/days/{day.isoformat()}.json"


def staged_slices_record_key(stage_id: str, day: date) -> str:
    """Which slices of a day are staged while it is not whole yet."""
    return f"{JOBS_ROOT}/{stage_id}/days/{day.isoformat()}.slices.json"


def staged_slice_key(stage_id: str, day: date, name: str) -> str:
    return f"{JOBS_ROOT}/{stage_id}/days/{day.isoformat()}/{name}.parquet"


def progress_key(job_id: str) -> str:
    return f"{JOBS_ROOT}/{job_id}/progress.json"


def decision_key(job_id: str) -> str:
    return f"{JOBS_ROOT}/{job_id}/decision.json"


def result_key(job_id: str) -> str:
    return f"{JOBS_ROOT}/{job_id}/result.json"
