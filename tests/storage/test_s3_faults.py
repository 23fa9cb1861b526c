"""S3 that is away, refuses, answers late or loses its replies."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from proxy import Wire, wire

from storage import AlreadyExists, Changed, NotFound, StorageError, Store, open_store, patience
from storage.patience import Patience
from storage.ranged import RangedFile
from storage.s3 import S3Store

if TYPE_CHECKING:
    from tests.conftest import S3Server

KEY = "hls-data/year=2024/month=01/data.parquet"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"ours" * 50_000)
    return path


@pytest.fixture
def bucket(s3_root: str) -> S3Store:
    store = open_store(s3_root)
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts; nobody waits."""
    seconds: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", seconds.append)
    return seconds


def _calls(store: Store, file: Path) -> dict[str, Callable[[], object]]:
    return {
        "head": lambda: store.head(KEY),
        "get": lambda: store.get(KEY),
        "get_range": lambda: store.get_range(KEY, 0, 10),
        "download": lambda: store.download(KEY, file.with_name("copy")),
        "scan": lambda: list(store.scan()),
        "top_level": store.top_level,
        "put": lambda: store.put(KEY, b"x"),
        "create": lambda: store.create(KEY, b"x"),
        "upload": lambda: store.upload(KEY, file),
        "publish over nothing": lambda: store.publish(KEY, file, expected=None),
        "publish over something": lambda: store.publish(KEY, file, expected='"0"'),
        "delete": lambda: store.delete(KEY),
    }


def _all_fail(store: Store, file: Path, match: str, each: Callable[[], None] = lambda: None) -> None:
    for call in _calls(store, file).values():
        each()
        with pytest.raises(StorageError, match=match) as caught:
            call()
        assert not isinstance(caught.value, (NotFound, AlreadyExists, Changed))
        assert store.uri in str(caught.value)


def _refusing(listener: socket.socket) -> str:
    """The address of a socket that is bound and does not listen: connections are refused."""
    listener.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_is_away(s3_root: str, file: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """Every call fails as the storage's fault and names the address, after it was waited for half a minute at least."""
    waited: list[float] = []

    def gather() -> None:
        waited.append(sum(waits))
        waits.clear()

    with socket.socket() as nobody:
        monkeypatch.setenv("AWS_ENDPOINT_URL", _refusing(nobody))
        _all_fail(open_store(s3_root), file, "Could not connect to the endpoint URL", each=gather)
    gather()
    assert all(30 < seconds < 120 for seconds in waited[1:])


def test_who_is_hurried_waits_for_seconds(s3_root: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's calls end while somebody waits for them, and are tried again before."""
    with socket.socket() as nobody:
        monkeypatch.setenv("AWS_ENDPOINT_URL", _refusing(nobody))
        store = open_store(s3_root, hurried=True)
        began = time.monotonic()
        with pytest.raises(StorageError, match="Could not connect to the endpoint URL"):
            store.get(KEY)
    assert 0.25 < time.monotonic() - began < 5


def test_an_outage_that_many_threads_meet(over_wire: S3Store, line: Wire) -> None:
    """Fifty writers at once wait for a server that is away for three seconds: no quota is used up among them."""
    line.down()
    again = threading.Timer(3, line.up)
    again.start()
    with ThreadPoolExecutor(50) as pool:
        etags = list(pool.map(lambda number: over_wire.put(f"many/{number}", b"x"), range(50)))
    again.join()
    assert len(etags) == 50
    assert len(list(over_wire.scan("many/"))) == 50


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (500, "InternalError"), (409, "ConditionalRequestConflict"), (400, "RequestTimeout")],
)
def test_answers_that_pass(bucket: S3Store, file: Path, waits: list[float], status: int, code: str) -> None:
    """What S3 asks to send again is sent again, the same bytes from the first on."""

    def answer(store: S3Store, request: Any) -> AWSResponse:
        request.body.read(10)
        body = f"<Error><Code>{code}</Code><Message>again</Message></Error>".encode()
        return AWSResponse(request.url, status, HTTPHeaders(), RawReply(body))

    sent = _break(bucket, 3, answer)
    bucket.publish(KEY, file, expected=None)
    assert len(sent) == 4
    assert len(waits) == 3
    assert bucket.get(KEY) == file.read_bytes()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "SignatureDoesNotMatch|403"),
        ("AWS_ACCESS_KEY_ID", "nobody", "InvalidAccessKeyId|403"),
    ],
)
def test_credentials_that_are_wrong(
    s3_root: str, file: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, words: str
) -> None:
    """No call mistakes a refusal for an absent object or a lost race."""
    monkeypatch.setenv(setting, value)
    _all_fail(open_store(s3_root), file, words)


def test_no_credentials(s3_root: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what is missing."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    _all_fail(open_store(s3_root), file, "Unable to locate credentials")


@pytest.mark.usefixtures("s3_root")
def test_a_bucket_that_does_not_exist(file: Path) -> None:
    """Not even `head`, whose 404 is the same for both, takes every object of a missing bucket for absent."""
    _all_fail(open_store("s3://no-such-bucket"), file, "NoSuchBucket|does not exist")


@pytest.mark.parametrize(("setting", "value"), [("AWS_ENDPOINT_URL", "no address"), ("AWS_PROFILE", "no-such-profile")])
def test_settings_that_make_no_client(s3_root: str, monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    """A wrong setting is the storage's fault too, with what is wrong."""
    monkeypatch.setenv(setting, value)
    with pytest.raises(StorageError, match=rf"the AWS settings make no S3 client: .*{value}"):
        open_store(s3_root)


class RawReply(io.BytesIO):
    """A reply's body as botocore reads it."""

    def stream(self, _size: int = 0) -> Iterator[bytes]:
        yield self.read()


def _break(store: S3Store, times: int, how: Callable[[Any, Any], AWSResponse | None]) -> list[str]:
    """Spoil the first PUTs of the store; returns what was sent, with what the server answered."""
    sent: list[str] = []

    def spoil(request: Any, **_: Any) -> AWSResponse | None:
        sent.append(request.method)
        return how(store, request) if len(sent) <= times else None

    answered: Any = spoil  # botocore reads the answer, though its types say that there is none
    store._client.meta.events.register("before-send.s3.PutObject", answered)
    return sent


def _lose_the_reply(store: S3Store, request: Any) -> None:
    reply = store._client._endpoint._send(request)  # type: ignore[attr-defined]
    assert reply.status_code == 200
    request.reset_stream()
    raise ConnectionClosedError(endpoint_url=request.url)


def _lose_the_request(store: S3Store, request: Any) -> None:
    raise EndpointConnectionError(endpoint_url=request.url)


@pytest.mark.parametrize("write", ["create", "publish over nothing", "publish over something"])
def test_a_lost_reply_is_no_lost_race(bucket: S3Store, file: Path, waits: list[float], write: str) -> None:
    """A write that arrived and whose reply was lost is sent again, meets itself, and counts as done."""
    expected = bucket.put(KEY, b"old") if write == "publish over something" else None
    sent = _break(bucket, 1, _lose_the_reply)
    content = file.read_bytes()
    etag = bucket.create(KEY, content) if write == "create" else bucket.publish(KEY, file, expected=expected)
    assert sent == ["PUT", "PUT"]
    assert getattr(bucket.head(KEY), "etag", None) == etag
    assert bucket.get(KEY) == content


def test_a_lost_reply_after_which_another_wrote_is_a_lost_race(bucket: S3Store, file: Path, waits: list[float]) -> None:
    """Between our write, whose reply was lost, and our next attempt another one replaced it: `Changed`."""
    other = open_store(bucket.uri)

    def lose_the_reply_and_the_race(store: S3Store, request: Any) -> None:
        try:
            _lose_the_reply(store, request)
        finally:
            other.put(KEY, b"theirs")

    _break(bucket, 1, lose_the_reply_and_the_race)
    with pytest.raises(Changed):
        bucket.publish(KEY, file, expected=None)
    assert bucket.get(KEY) == b"theirs"


def test_a_short_outage_is_waited_for(bucket: S3Store, file: Path, waits: list[float]) -> None:
    """A server that comes back within the attempts costs time and nothing else."""
    sent = _break(bucket, 5, _lose_the_request)
    bucket.publish(KEY, file, expected=None)
    assert len(sent) == 6
    assert 0 < sum(waits) < 60
    assert bucket.get(KEY) == file.read_bytes()


@pytest.fixture
def line(bucket: S3Store, s3_server: "S3Server") -> Iterator[Wire]:
    """A wire to the S3 server."""
    parts = urlsplit(s3_server.endpoint)
    with wire((str(parts.hostname), int(parts.port or 0))) as opened:
        yield opened


@pytest.fixture
def over_wire(bucket: S3Store, line: Wire, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The bucket, reached over the wire."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{line.address[0]}:{line.address[1]}")
    store = open_store(bucket.uri)
    assert isinstance(store, S3Store)
    return store


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


@pytest.mark.parametrize("call", ["head", "get", "put", "publish over nothing"])
def test_a_server_that_hangs(
    s3_root: str, file: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float], call: str
) -> None:
    """It takes connections and says nothing: the call fails as the storage's fault, in minutes and not in hours."""
    assert patience.WORKER.seconds + 2 * patience.WORKER.silent <= 240
    monkeypatch.setattr(patience, "WORKER", Patience(seconds=0.5, silent=0.05))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        store = open_store(s3_root)
        with pytest.raises(StorageError, match="Read timeout on endpoint URL"):
            _calls(store, file)[call]()
    assert waits
