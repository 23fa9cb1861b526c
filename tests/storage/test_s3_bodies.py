"""Bodies of S3's replies that break off on their way."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from proxy import Wire

from storage import StorageError
from storage.ranged import RangedFile
from storage.s3 import S3Store

KEY = "hls-data/year=2024/month=01/data.parquet"


def _downloaded(store: S3Store, length: int, path: Path) -> bytes:
    store.download(KEY, path)
    return path.read_bytes()


READS: dict[str, Callable[[S3Store, int, Path], bytes]] = {
    "get": lambda store, *_: store.get(KEY),
    "get_range": lambda store, length, _: store.get_range(KEY, 0, length),
    "download": _downloaded,
}
_HEADERS = 2000  # bytes at most that stand before a body


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_body_that_breaks_off_is_read_again(
    bucket: S3Store,
    over_wire: S3Store,
    line: Wire,
    file: Path,
    tmp_path: Path,
    read: Callable[[S3Store, int, Path], bytes],
    share: float,
) -> None:
    """The connection breaks in the middle of two bodies, where botocore does not try again: what came of them leaves
    no trace."""
    content = file.read_bytes()
    bucket.put(KEY, content)
    line.allowances = [_HEADERS + int(share * len(content))] * 2
    assert read(over_wire, len(content), tmp_path / "copy") == content
    assert line.allowances == []


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_body_that_breaks_off_each_time(
    bucket: S3Store,
    over_wire: S3Store,
    line: Wire,
    file: Path,
    tmp_path: Path,
    read: Callable[[S3Store, int, Path], bytes],
) -> None:
    """It is the storage's fault, said as such; half a body is never given for a whole one."""
    content = file.read_bytes()
    bucket.put(KEY, content)
    line.allowances = [_HEADERS + len(content) // 2] * 100
    with pytest.raises(
        StorageError, match=r"could not (read|copy) hls-data/.* in s3://.*(IncompleteRead|bytes expected)"
    ):
        read(over_wire, len(content), tmp_path / "copy")


def test_a_footer_that_breaks_off_is_read_again(
    bucket: S3Store, over_wire: S3Store, line: Wire, tmp_path: Path
) -> None:
    """A Parquet footer, read in ranges, is that of the file."""
    path = tmp_path / "made.parquet"
    pq.write_table(pa.table({f"column {number}": [number] for number in range(500)}), path)
    bucket.upload(KEY, path)
    stat = bucket.head(KEY)
    assert stat is not None
    line.allowances = [_HEADERS + 10_000] * 2
    with RangedFile(over_wire, stat) as file:
        assert pq.read_metadata(file).equals(pq.read_metadata(path))
    assert line.allowances == []
