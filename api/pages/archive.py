"""What the archive holds: all of it at a glance, and one month in depth."""

from fastapi import APIRouter, Request, Response

from api import db
from api.access.callers import FormSubmitter, Visitor
from api.catalog import store, views
from api.catalog.routes import DatasetPrefix
from api.catalog.schemas import DatasetOut, LookOut, PartitionDetailOut, PartitionOut, month_url
from api.catalog.service import CatalogService
from api.db import Transaction
from api.jobs import store as jobs
from api.jobs.schemas import JobOut
from api.jobs.states import ENDS, JobState
from api.pages.charts import cloud_chart, days_chart
from api.pages.heat import heat_maps
from api.pages.places import map_of
from api.pages.problems import PageRoute
from api.pages.render import may_submit, month_address, page, see, sign_in_first
from api.pages.snippets import Snippet, snippets
from api.pages.words import STATES, meaning
from worker.contract import layout
from worker.contract.columns import COLUMNS
from worker.contract.month import YearMonth

_ACTIVE = tuple(state for state in JobState if state not in ENDS)
_ACTIVE_SHOWN = 10

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def home(request: Request, session: Transaction, visitor: Visitor) -> Response:
    """Every dataset as a heat map."""
    if visitor is None:
        return sign_in_first(request)
    catalog: CatalogService = request.app.state.catalog
    now = db.now()
    rows = [PartitionOut.of(view, catalog.archive) for view in views.months(session, now=now)]
    active = jobs.newest(session, limit=_ACTIVE_SHOWN, states=_ACTIVE)
    return page(
        request,
        "home.html",
        caller=visitor,
        maps=heat_maps(rows, store.datasets(session), now=now, may_submit=may_submit(visitor)),
        words=STATES,
        active=[JobOut.of(job) for job in active],
        look=LookOut.of(store.last_refresh(session)),
    )


@router.get("/ui/months/{year_month}")
def month(
    year_month: YearMonth,
    request: Request,
    session: Transaction,
    visitor: Visitor,
    prefix: DatasetPrefix = layout.DEFAULT_PREFIX,
) -> Response:
    """One month of a dataset, from the catalogue's statistics."""
    if visitor is None:
        return sign_in_first(request)
    catalog: CatalogService = request.app.state.catalog
    now = db.now()
    view, row = views.month(session, prefix, year_month, now=now)
    summary = PartitionOut.of(view, catalog.archive).model_dump()
    download = {"url": month_url(prefix, year_month, "/data"), "expires_at": None}
    partition = PartitionDetailOut(**summary, **(row.detail or {}), download=download)
    clouds = partition.cloud_cover_histogram
    return page(
        request,
        "month.html",
        caller=visitor,
        month=partition,
        dataset=DatasetOut.of(prefix, store.dataset(session, prefix)),
        words=STATES,
        meaning=meaning(partition, now=now),
        days=days_chart(partition.days) if partition.days_present and partition.days else None,
        clouds=cloud_chart(clouds) if clouds and any(part.items for part in clouds) else None,
        places=map_of(partition.places) if partition.places else None,
        snippets=_snippets(partition),
        here=month_address(prefix, year_month),
    )


def _snippets(partition: PartitionDetailOut) -> list[Snippet]:
    """What was looked at before columns were noted has those of every file of ours, if it is one."""
    if partition.path is None or partition.unreadable:
        return []
    if partition.columns is None:
        is_ours = partition.footer is not None
        return snippets(partition.path, [name for name, _ in COLUMNS] if is_ours else [], is_geoparquet=is_ours)
    return snippets(partition.path, partition.columns, is_geoparquet=bool(partition.geoparquet))


@router.post("/ui/refresh")
def refresh(request: Request, session: Transaction, _: FormSubmitter) -> Response:
    """Ask for a look at the archive."""
    request.app.state.catalog.request_refresh(session)
    return see("/")
