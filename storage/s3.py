"""A bucket as the store: conditional writes by `If-None-Match` and `If-Match`.

The default credentials are found and refreshed by botocore; endpoint and region come from the standard AWS settings.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.loaders import Loader, create_loader
from botocore.session import Session, get_session

from storage.base import AlreadyExists, Changed, NotFound, Stat, StorageError
from storage.patience import WORKER, Patience

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

_MISSING = ("404", "NoSuchKey", "NotFound")
_PRECONDITION = ("412", "PreconditionFailed")
_BEYOND_END = ("416", "InvalidRange")
_CUT = (HTTPClientError, IncompleteReadError)  # in the middle of a body, where botocore does not try again
_READ_ATTEMPTS = 3
_CONNECT_SECONDS = 10
_CONNECTIONS = 64  # kept open; a run has as many threads as requests in flight
_WRITER = "hls-writer"
"""Object metadata with a token of the call that wrote it. A write that succeeded but whose reply was lost is sent
again and then meets its own object: the token tells that from a lost race."""

T = TypeVar("T")


class S3Store:
    """Objects of one bucket."""

    def __init__(self, bucket: str, patience: Patience = WORKER) -> None:
        self.bucket = bucket
        self.uri = f"s3://{bucket}"
        self._client = _make_client(patience)
        self._bucket_seen = False

    def locate(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def head(self, key: str) -> Stat | None:
        try:
            with self._faults(f"look at {key}"):
                reply = self._client.head_object(Bucket=self.bucket, Key=key)
        except NotFound:
            self._insist_on_bucket()
            return None
        return Stat(key, reply["ContentLength"], reply["ETag"], reply["LastModified"])

    def get(self, key: str) -> bytes:
        with self._faults(f"read {key}"):
            return self._read(key, lambda body: body.read())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        with self._faults(f"read {key}"):
            span = f"bytes={start}-{start + length - 1}"
            try:
                return self._read(key, lambda body: body.read(), Range=span)
            except ClientError as error:
                if error.response["Error"]["Code"] in _BEYOND_END:
                    return b""
                raise

    def download(self, key: str, path: Path) -> None:
        with self._faults(f"copy {key} to {path}"), path.open("wb") as file:

            def write(body: "StreamingBody") -> None:
                file.seek(0)
                file.truncate()
                for chunk in body.iter_chunks(1 << 20):
                    file.write(chunk)

            self._read(key, write)

    def scan(self, prefix: str = "") -> Iterator[Stat]:
        with self._faults(f"list {prefix}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield Stat(entry["Key"], entry["Size"], entry["ETag"], entry["LastModified"])

    def top_level(self) -> list[str]:
        with self._faults("list the bucket"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Delimiter="/")
            return [entry["Prefix"].rstrip("/") for page in pages for entry in page.get("CommonPrefixes", [])]

    def put(self, key: str, data: bytes) -> str:
        with self._faults(f"write {key}"):
            return self._client.put_object(Bucket=self.bucket, Key=key, Body=data)["ETag"]

    def upload(self, key: str, path: Path) -> str:
        with self._faults(f"write {key}"), path.open("rb") as file:
            return self._client.put_object(Bucket=self.bucket, Key=key, Body=file)["ETag"]

    def create(self, key: str, data: bytes) -> str:
        return self._conditional(key, data, {"IfNoneMatch": "*"}, AlreadyExists(f"{self.locate(key)} exists already"))

    def publish(self, key: str, path: Path, *, expected: str | None) -> str:
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        refusal = Changed(f"{self.locate(key)} was written by another run since this one began")
        with self._faults(f"write {key}"), path.open("rb") as file:
            return self._conditional(key, file, condition, refusal)

    def delete(self, key: str) -> None:
        with self._faults(f"remove {key}"):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def link(self, key: str, seconds: int) -> str | None:
        with self._faults(f"sign {key}"):
            parameters = {"Bucket": self.bucket, "Key": key}
            return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def _read(self, key: str, consume: "Callable[[StreamingBody], T]", **options: str) -> T:
        """What `consume` makes of the body, from its beginning again where the connection breaks in the middle."""
        for attempt in range(1, _READ_ATTEMPTS + 1):
            body = self._client.get_object(Bucket=self.bucket, Key=key, **options)["Body"]  # type: ignore[arg-type]  # of optional texts
            try:
                return consume(body)
            except _CUT:
                if attempt == _READ_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _conditional(self, key: str, body: bytes | IO[bytes], condition: dict[str, Any], refusal: StorageError) -> str:
        token = secrets.token_hex(8)
        with self._faults(f"write {key}"):
            try:
                reply = self._client.put_object(
                    Bucket=self.bucket, Key=key, Body=body, Metadata={_WRITER: token}, **condition
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if not (code in _PRECONDITION or (code in _MISSING and "IfMatch" in condition)):
                    raise
                if (mine := self._written_by(key, token)) is not None:
                    return mine
                raise refusal from error
        return reply["ETag"]

    def _written_by(self, key: str, token: str) -> str | None:
        with self._faults(f"look at {key}"):
            try:
                reply = self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _MISSING:
                    raise
                self._insist_on_bucket()
                return None
        return reply["ETag"] if reply["Metadata"].get(_WRITER) == token else None

    def _insist_on_bucket(self) -> None:
        """HEAD says 404 for an object and for a bucket alike; without a bucket every object would seem absent."""
        if self._bucket_seen:
            return
        try:
            with self._faults("find the bucket"):
                self._client.head_bucket(Bucket=self.bucket)
        except NotFound as error:
            raise StorageError(f"the bucket of {self.uri} does not exist") from error
        self._bucket_seen = True

    @contextmanager
    def _faults(self, action: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, OSError) as error:
            raise self._translated(action, error) from error

    def _translated(self, action: str, error: Exception) -> StorageError:
        if isinstance(error, ClientError):
            code = error.response["Error"]["Code"]
            if code in _MISSING:
                return NotFound(f"could not {action} in {self.uri}: it does not exist")
            return StorageError(
                f"could not {action} in {self.uri}: {code}: {error.response['Error'].get('Message', '')}"
            )
        return StorageError(f"could not {action} in {self.uri}: {error}")


def _make_client(patience: Patience) -> "S3Client":
    """A client of its own session: a shared one may not be used by several threads while it is being made."""
    try:
        client = open_session().create_client(
            "s3",
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=min(_CONNECT_SECONDS, patience.silent),
                read_timeout=patience.silent,
                max_pool_connections=_CONNECTIONS,
                # Streams a file without reading it twice for a checksum that S3 does not ask for.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                signature_version="s3v4",  # links are signed in the old way otherwise, which new buckets refuse
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise StorageError(f"the AWS settings make no S3 client: {error}") from error
    s3 = cast("S3Client", client)
    patience.serve(s3)
    return s3


def open_session() -> Session:
    """A session of botocore with the standard AWS settings. Raises `BotoCoreError` where they name what is not there."""
    session = get_session()
    session.register_component("data_loader", _descriptions())
    return session


@cache
def _descriptions() -> Loader:
    """What botocore knows of AWS. Each session would read it anew, which takes most of the time that a client takes."""
    return create_loader(get_session().get_config_variable("data_path"))
