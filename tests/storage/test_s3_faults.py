"""S3 that is away, refuses, answers late or loses its replies."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from proxy import Wire

from storage import AlreadyExists, Changed, NotFound, StorageError, Store, open_store, patience
from storage.patience import Patience
from storage.s3 import S3Store

KEY = "hls-data/year=2024/month=01/data.parquet"


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
    reply = store._client._endpoint._send(request)  # type: ignore[attr-defined]  # botocore's own
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
