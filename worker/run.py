"""One run: harvest the month day by day, merge it, verify it, publish it."""

import logging
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from storage import StorageError, Store
from worker import geoparquet
from worker.contract import GENERATOR
from worker.contract.columns import SCHEMA_VERSION
from worker.contract.job import RunParams
from worker.contract.result import PROVENANCE_KEY, DayCount, Provenance, RunResult
from worker.days import DayHarvester
from worker.errors import Incomplete, Interrupted
from worker.merge import Merged, merge_days
from worker.progress import Reporter
from worker.publish import Publisher
from worker.settings import WorkerSettings
from worker.source.client import Source, open_session, open_source
from worker.source.limiter import Stopped
from worker.stage import Stage, Staged
from worker.verify import verify

log = logging.getLogger(__name__)


class Run:
    """What one worker process does. `stop` may be called from a signal handler or another thread."""

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
        begun = self._publisher.begin()
        if (result := self._publisher.finished()) is not None:
            return result
        began = self._now()
        source = self._open_source()
        with self._folder() as folder:
            stage = Stage(self._store, self._params, self._settings.stac_api_url, folder)
            days = [day for day in self._params.month.days() if day <= began.date()]
            with Reporter(self._store, self._params.job_id, self._watch, days) as reporter:
                staged = self._harvest(days, stage, source, reporter)
                self._check_counted(staged)
                reporter.phase("merging")
                path = folder / "data.parquet"
                merged = merge_days(staged, path)
                provenance = self._provenance(staged, merged, began)
                self._finish(merged, provenance, source)
                reporter.phase("verifying")
                row_groups = verify(path, items=merged.items, month=self._params.month)
                self._check_stopping()
                reporter.phase("publishing")
                result = self._publisher.publish(begun, path, provenance, row_groups=row_groups, now=self._now())
            self._clear(stage, days)
        return result

    def _harvest(self, days: list[date], stage: Stage, source: Source, reporter: Reporter) -> list[Staged]:
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
            staged = stage.save(harvester.harvest(day))
            reporter.day_done(day, sum(staged.record.items.values()))
            return staged

        side_by_side = self._settings.max_concurrent_days if self._params.parallel else 1
        with ThreadPoolExecutor(side_by_side, thread_name_prefix="day") as pool:
            futures = [pool.submit(one, day) for day in days]
            wait(futures, return_when=FIRST_EXCEPTION)
            if fault := _fault(futures):
                self._session.stop()
                pool.shutdown(cancel_futures=True)
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
            harvested_at=began,
            job_id=self._params.job_id,
            schema_version=SCHEMA_VERSION,
            generator=GENERATOR,
        )

    def _finish(self, merged: Merged, provenance: Provenance, source: Source) -> None:
        merged.finish(
            geoparquet.metadata(
                geometry_types=merged.geometry_types,
                bbox=list(provenance.extent) if provenance.extent else None,
                collections=source.collections,
                extra={PROVENANCE_KEY: provenance.to_json().decode()},
            )
        )

    def _now(self) -> datetime:
        epoch = self._settings.source_date_epoch
        return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        self._settings.temp_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{self._params.job_id}-", dir=self._settings.temp_dir) as folder:
            yield Path(folder)

    def _clear(self, stage: Stage, days: list[date]) -> None:
        try:
            stage.clear(days)
        except StorageError as error:  # they expire by themselves
            log.warning("staged days could not be removed", extra={"action": "clear_stage", "error": str(error)})


def _matched(staged: list[Staged]) -> int | None:
    counts = [day.record.matched for day in staged]
    return None if None in counts else sum(count for count in counts if count is not None)


def _fault(futures: list[Future[Staged]]) -> BaseException | None:
    """Why the harvest ended early: the first fault that is more than the echo of another."""
    faults = [error for future in futures if future.done() and not future.cancelled() and (error := future.exception())]
    return next((fault for fault in faults if not isinstance(fault, Stopped)), faults[0] if faults else None)
