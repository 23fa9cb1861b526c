"""HTTP of the catalogue."""

import logging
from datetime import timedelta
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import RedirectResponse, Response

from api import db
from api.access.callers import Reader, Submitter
from api.access.errors import Forbidden, TooManyRequests
from api.catalog import store, views
from api.catalog.download import BadRange, RangeBeyondTheFile, RangedFile
from api.catalog.schemas import (
    Download,
    PartitionDetailOut,
    PartitionFilter,
    PartitionOut,
    PartitionsOut,
    RefreshOut,
    month_url,
)
from api.catalog.service import CatalogService
from api.catalog.views import PartitionNotFound
from api.db import Transaction
from api.errors import BadRequest, Unauthorized, Unavailable, documented
from worker.contract import layout
from worker.contract.layout import Prefix
from worker.contract.month import YearMonth

PARQUET = "application/vnd.apache.parquet"
LINK_LIFETIME = timedelta(minutes=15)
_LIST = Lock()
"""Lists of months are made and written one after another: each row takes kilobytes until it is text, and many lists at
once would not be done sooner."""

logger = logging.getLogger(__name__)

router = APIRouter(tags=["partitions"], responses=documented(Unauthorized, Forbidden, TooManyRequests, Unavailable))

_DATA: dict[int | str, dict[str, Any]] = {
    200: {"content": {PARQUET: {}}, "description": "The file"},
    206: {
        "content": {PARQUET: {}, "multipart/byteranges": {}},
        "description": "The ranges of the file that were asked for",
    },
    307: {"description": "The file lies in a bucket: a link to it that works for 15 minutes"},
}

DatasetPrefix = Annotated[Prefix, Query()]
Ranges = Annotated[
    str | None,
    Header(alias="Range", description="Bytes of the file, where not all are wanted", examples=["bytes=0-1023"]),
]


@router.get(
    "/partitions",
    operation_id="listPartitions",
    summary="List what the archive holds",
    response_model=PartitionsOut,
    responses=documented(BadRequest),
)
def list_partitions(
    which: Annotated[PartitionFilter, Query()], request: Request, session: Transaction, _: Reader
) -> Response:
    """One row a month, by dataset and month, with totals; from the database, without reading any file.

    A dataset is listed from its first known month (or `from`) to its last (or `to`), missing months included.
    """
    found = views.months(
        session, now=db.now(), prefix=which.prefix, first=which.first, last=which.last, states=which.state
    )
    last, bound = store.last_refresh(session), store.datasets(session, which.prefix)
    with _LIST:
        body = PartitionsOut.of(found, _catalog(request).archive, last, bound).model_dump_json(by_alias=True)
    return Response(body, media_type="application/json")


@router.get(
    "/partitions/{year_month}",
    operation_id="getPartition",
    summary="Show a month in depth",
    responses=documented(BadRequest, PartitionNotFound),
)
def get_partition(
    year_month: YearMonth,
    request: Request,
    session: Transaction,
    _: Reader,
    prefix: DatasetPrefix = layout.DEFAULT_PREFIX,
) -> PartitionDetailOut:
    """The list's row, and counts by day, the histogram of cloud cover, tiles, row groups and what the footer says."""
    archive = _catalog(request).archive
    view, row = views.month(session, prefix, year_month, now=db.now())
    db.let_go(session)
    url = archive.link(row.key, int(LINK_LIFETIME.total_seconds()))
    download = (
        Download(url=url, expires_at=db.now() + LINK_LIFETIME)
        if url
        else Download(url=month_url(prefix, year_month, "/data"), expires_at=None)
    )
    summary = PartitionOut.of(view, archive).model_dump()
    return PartitionDetailOut(**summary, **(row.detail or {}), download=download)


@router.get(
    "/partitions/{year_month}/data",
    operation_id="downloadPartition",
    summary="Download a month's Parquet file",
    response_class=Response,
    responses=_DATA | documented(BadRequest, PartitionNotFound, BadRange, RangeBeyondTheFile),
)
def download_partition(
    year_month: YearMonth,
    request: Request,
    session: Transaction,
    _: Reader,
    prefix: DatasetPrefix = layout.DEFAULT_PREFIX,
    _ranges: Ranges = None,
) -> Response:
    """The file itself from a directory, or a redirection to the bucket, so that large files do not pass through here."""
    archive = _catalog(request).archive
    _view, row = views.month(session, prefix, year_month, now=db.now())
    db.let_go(session)
    if url := archive.link(row.key, int(LINK_LIFETIME.total_seconds())):
        return RedirectResponse(url, status_code=307)
    if archive.head(row.key) is None:
        raise PartitionNotFound(
            f"The file of {year_month} in {prefix} was removed. POST /partitions/refresh brings the catalogue up to date."
        )
    name = f"{prefix.replace('/', '-')}-{year_month}.parquet"
    return RangedFile(archive.locate(row.key), media_type=PARQUET, filename=name)


@router.post("/partitions/refresh", operation_id="refreshPartitions", summary="Look at the archive", status_code=202)
def refresh_partitions(request: Request, session: Transaction, caller: Submitter) -> RefreshOut:
    """Ask for a look at the archive, for files that were written or removed behind the service's back."""
    requested_at = _catalog(request).request_refresh(session)
    logger.info("look asked for", extra={"action": "refresh", "who": caller.actor})
    return RefreshOut(
        requested_at=requested_at,
        message="The archive is looked at within seconds; `refresh` in GET /partitions says when that is done.",
    )


def _catalog(request: Request) -> CatalogService:
    catalog: CatalogService = request.app.state.catalog
    return catalog
