"""What the keys of the archive are: partitions, bindings of datasets, or neither, and then why."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from storage import Stat, Store
from worker.contract import layout
from worker.contract.month import Month, harvestable

MAX_IGNORED = 100
"""Places of the archive that are named when they are passed over; of the others only the number is kept."""


@dataclass
class Listing:
    """The archive as one look at it found it."""

    partitions: dict[tuple[str, Month], Stat] = field(default_factory=dict)
    datasets: dict[str, Stat] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    """Folder (or key) to the reason for which it was passed over."""
    unnamed: int = 0
    """Folders passed over beyond those named."""

    def ignore(self, place: str, reason: str) -> None:
        if place in self.ignored or len(self.ignored) < MAX_IGNORED:
            self.ignored.setdefault(place, reason)
        else:
            self.unnamed += 1

    def ignored_rows(self) -> list[dict[str, str]]:
        rows = [{"key": place, "reason": reason} for place, reason in sorted(self.ignored.items())]
        if self.unnamed:
            rows.append({"key": "", "reason": f"{self.unnamed} more objects are passed over and not named here"})
        return rows


def look(store: Store) -> Listing:
    """Go over every key outside the jobs' folder. Raises `StorageError`."""
    listing = Listing()
    for folder in store.top_level():
        if folder != layout.JOBS_ROOT:
            _sort(store.scan(f"{folder}/"), listing)
    return listing


def _sort(stats: Iterable[Stat], listing: Listing) -> None:
    for stat in stats:
        folder, _, _ = stat.key.rpartition("/")
        try:
            if stat.key == layout.dataset_key(folder):
                listing.datasets[layout.checked_prefix(folder)] = stat
            elif (found := layout.parse_partition_key(stat.key)) is not None:
                prefix, month = found
                harvestable(str(month))
                listing.partitions[layout.checked_prefix(prefix), month] = stat
            else:
                shape = "PREFIX/year=YYYY/month=MM/data.parquet"
                listing.ignore(f"{folder}/", f"holds objects that are not partitions: those are {shape}")
        except ValueError as error:
            listing.ignore(stat.key, str(error))
