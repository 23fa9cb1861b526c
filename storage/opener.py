"""From a URI to the store that serves it."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.base import Store
from storage.local import LocalStore


def open_store(uri: str, *, hurried: bool = False) -> Store:
    """The store at `s3://bucket` or `file:///directory`; nothing is read or made yet.

    A bucket that is away is waited for: for a minute by a worker, for seconds by who is `hurried`.

    Raises:
        ValueError: neither of the two.
        StorageError: the AWS settings make no client.
    """
    parts = urlsplit(uri)
    whole = not parts.query and not parts.fragment
    if whole and parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return LocalStore(Path(unquote(parts.path)))
    if whole and parts.scheme == "s3" and parts.netloc and not parts.path.strip("/"):
        # botocore takes a quarter of a second to import, which a run on local files need not pay.
        from storage.patience import SERVICE, WORKER
        from storage.s3 import S3Store

        return S3Store(parts.netloc, SERVICE if hurried else WORKER)
    raise ValueError(f"{uri!r} is not a root of an archive: write s3://BUCKET or file:///ABSOLUTE/DIRECTORY")
