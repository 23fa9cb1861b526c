"""One run: harvest the month day by day, merge it, verify it, publish it."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from storage import StorageError, Store
from worker import geoparquet, process
from worker.contract import GENERATOR
from worker.contract.columns import SCHEMA_VERSION
from worker.contract.job import RunParams
from worker.contract.result import PROVENANCE_KEY, DayCount, Provenance, RunResult
from worker.days import Day, DayHarvester
from worker.errors import Incomplete, Interrupted
from worker.merge import Merged, merge_days
from worker.progress import Reporter
from worker.publish import Begun, Publisher
from worker.scratch import scratch_folder, sweep
from worker.settings import WorkerSettings
from worker.source.client import Source, open_session, open_source
from worker.source.limiter import Stopped
from worker.stage import Stage, Staged, clear
from worker.verify import verify

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2

T = TypeVar("T")
Documents = dict[str, dict[str, Any]]
"""By the collection's id."""


class Run:
    """What one worker process does. `stop` may be called from another thread."""

    def __init__(self, params: RunParams, settings: WorkerSettings, store: Store, run_id: str) -> None:
        self._params, self._settings, self._store = params, settings, store
        self._publisher = Publisher(store, params, run_id)
        self._session, self._watch = open_session(settings)
        self._stopping = False

    def stop(self) -> None:
        """Stop before publishing; staged days are kept."""
        self._stopping = True
        self._session.stop()

    def execute(self) -> RunResult:
        """Do the whole of it.

        Raises:
            RunError: the run ended without publishing; its exit code says how.
            StorageError: the archive could not be read or written.
            OSError: the disk could not.
        """
        begun = self._heeding(self._publisher.begin)
        result = self._heeding(lambda: self._publisher.finished(begun))
        if result is None:
            result = self._produce(begun)
        else:
            sweep(self._settings.temp_dir)
        self._clear_stage()
        return result

    def _produce(self, begun: Begun) -> RunResult:
        began = datetime.now(UTC)
        days = [day for day in self._params.month.days() if day <= began.date()]
        with (
            scratch_folder(self._settings.temp_dir, self._params.job_id) as folder,
            Reporter(self._store, self._params.job_id, self._watch, days) as reporter,
        ):
            source = self._open_source()
            stage = Stage(self._store, self._params, self._settings.stac_api_url, folder)
            with process.pages_apart():
                staged, documents = self._harvest(days, stage, source, reporter)
            self._check_counted(staged)
            reporter.phase("merging")
            process.give_back()
            path = folder / "data.parquet"
            merged = merge_days(staged, path, pause=self._check_stopping)
            reporter.merged(merged.items)
            provenance = self._provenance(staged, merged, began)
            self._finish(merged, provenance, documents)
            reporter.phase("verifying")
            row_groups = verify(path, items=merged.items, month=self._params.month)
            self._heeding(lambda: self._publisher.check(begun, merged.items))
            reporter.phase("publishing")
            return self._publisher.publish(begun, path, provenance, row_groups=row_groups, now=datetime.now(UTC))

    def _harvest(
        self, days: list[date], stage: Stage, source: Source, reporter: Reporter
    ) -> tuple[list[Staged], Documents]:
        """The items of every day, and meanwhile the documents of their collections."""
        harvester = DayHarvester(
            source.searcher,
            collections=self._params.collections,
            bbox=self._params.bbox,
            threads=self._settings.max_concurrent_per_day,
        )

        def one(day: date) -> Staged:
            self._check_stopping()
            if (kept := stage.load(day)) is not None:
                self._watch.received(0)
                reporter.day_done(day, sum(kept.record.items.values()), reused=True)
                return kept
            begun = stage.begun(day, harvester.slices(day))
            reporter.reused(begun.items)
            parts = begun.done + harvester.harvest(day, begun.missing, begun.keep)
            counted = all(part.counted for part in parts)
            staged = stage.save(Day(day, [part.items for part in parts], counted=counted, since=begun.since))
            reporter.day_done(day, sum(staged.record.items.values()))
            return staged

        side_by_side = self._settings.max_concurrent_days if self._params.parallel else 1
        pool = ThreadPoolExecutor(side_by_side, thread_name_prefix="day")
        beside = ThreadPoolExecutor(1, thread_name_prefix="documents")
        try:
            documents = beside.submit(source.documents)
            staged = self._all([pool.submit(one, day) for day in days])
            return staged, self._all([documents])[0]
        finally:
            self._session.stop()
            source.searcher.close()
            # Without waiting for requests under way: a silent source may hold them for longer than a stop may take.
            pool.shutdown(wait=False, cancel_futures=True)
            beside.shutdown(wait=False)

    def _heeding(self, call: Callable[[], T]) -> T:
        """The call's result, unless the run is asked to stop: a storage that hangs may hold a call for minutes."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="archive")
        try:
            result = self._all([pool.submit(call)])[0]
        finally:
            pool.shutdown(wait=False)
        self._check_stopping()
        return result

    def _all(self, futures: list[Future[T]]) -> list[T]:
        pending = set(futures)
        while pending:
            self._check_stopping()
            done, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            if fault := _fault(done):
                raise fault if not isinstance(fault, Stopped) else Interrupted("the run was asked to stop")
        return [future.result() for future in futures]

    def _open_source(self) -> Source:
        try:
            return open_source(self._settings.stac_api_url, self._params.collections, self._session, self._watch)
        except Stopped:
            raise Interrupted("the run was asked to stop") from None

    def _check_stopping(self) -> None:
        if self._stopping:
            raise Interrupted("the run was asked to stop")

    def _check_counted(self, staged: list[Staged]) -> None:
        if not any(sum(day.record.items.values()) for day in staged) and _matched(staged) is None:
            raise Incomplete(
                f"{self._settings.stac_api_url} gave no items for {self._params.month} and states no count, "
                "so that an empty month cannot be told from a fault"
            )

    def _provenance(self, staged: list[Staged], merged: Merged, began: datetime) -> Provenance:
        anomalies: dict[str, int] = {}
        for day in staged:
            for what, count in day.record.anomalies.items():
                anomalies[what] = anomalies.get(what, 0) + count
        matched = _matched(staged)
        return Provenance(
            year_month=self._params.year_month,
            prefix=self._params.prefix,
            bbox=self._params.bbox,
            collections=self._params.collections,
            items=merged.items,
            matched=matched,
            complete=None if matched is None else matched == merged.items,
            days=[DayCount(day=day.record.day, items=day.record.items) for day in staged],
            anomalies=dict(sorted(anomalies.items())),
            extent=merged.extent,
            first_datetime=merged.first_datetime,
            last_datetime=merged.last_datetime,
            json_columns=merged.json_columns,
            source=self._settings.stac_api_url,
            harvested_at=self._stated(min([began, *(day.record.staged_at for day in staged)])),
            job_id=self._params.job_id,
            schema_version=SCHEMA_VERSION,
            generator=GENERATOR,
        )

    def _finish(self, merged: Merged, provenance: Provenance, documents: Documents) -> None:
        merged.finish(
            geoparquet.metadata(
                geometry_types=merged.geometry_types,
                bbox=list(provenance.extent) if provenance.extent else None,
                collections=documents,
                extra={PROVENANCE_KEY: provenance.to_json().decode()},
            )
        )

    def _stated(self, moment: datetime) -> datetime:
        """The time that is written into the file."""
        epoch = self._settings.source_date_epoch
        return moment if epoch is None else datetime.fromtimestamp(epoch, UTC)

    def _clear_stage(self) -> None:
        try:
            clear(self._store, self._params.stage_id, self._params.month.days())
        except StorageError as error:  # they expire by themselves
            log.warning("staged days could not be removed", extra={"action": "clear_stage", "error": str(error)})


def _matched(staged: list[Staged]) -> int | None:
    counts = [day.record.matched for day in staged]
    return None if None in counts else sum(count for count in counts if count is not None)


def _fault(done: Iterable[Future[T]]) -> BaseException | None:
    """Why the harvest ended early: the first fault that is more than the echo of another."""
    faults = [error for future in done if (error := future.exception())]
    return next((fault for fault in faults if not isinstance(fault, Stopped)), faults[0] if faults else None)
