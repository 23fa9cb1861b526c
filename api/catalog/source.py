"""Opens Parquet files where they lie, in a directory or in a bucket; a bucket through pyarrow's own file system."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pyarrow.fs
import pyarrow.parquet as pq

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn")


@contextmanager
def parquet_file(uri: str) -> Iterator[pq.ParquetFile]:
    """The file at a path or an `s3://` URI. Raises `pyarrow.ArrowException` or `OSError` where it cannot be read."""
    if uri.startswith("s3://"):
        filesystem, path = bucket_filesystem(), uri.removeprefix("s3://")
    else:
        filesystem, path = pyarrow.fs.LocalFileSystem(), uri
    with filesystem.open_input_file(path) as source, pq.ParquetFile(source) as file:
        yield file


def bucket_filesystem() -> pyarrow.fs.S3FileSystem:
    """A file system with the credentials, region and endpoint that botocore finds now.

    Made for each reading: credentials of a role last hours and the service lasts weeks. pyarrow's own search for
    credentials knows fewer places than botocore's, which the rest of the service uses.

    Raises:
        OSError: there are no credentials, or they could not be fetched.
    """
    # botocore takes a quarter of a second to import, which a service on local files need not pay.
    from botocore.exceptions import BotoCoreError

    from storage.s3 import open_session

    try:
        session = open_session()
        client = session.create_client("s3")
        credentials = session.get_credentials()
        if credentials is None:
            raise OSError("no AWS credentials were found")
        frozen = credentials.get_frozen_credentials()
    except BotoCoreError as error:
        raise OSError(str(error)) from error
    endpoint = urlsplit(client.meta.endpoint_url)
    is_aws = (endpoint.hostname or "").endswith(AWS_DOMAINS)
    return pyarrow.fs.S3FileSystem(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token,
        region=client.meta.region_name,
        scheme=endpoint.scheme,
        endpoint_override=None if is_aws else endpoint.netloc,
    )
