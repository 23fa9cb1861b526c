"""How a request about jobs may fail."""

from http import HTTPStatus

from api.errors import Problem


class JobNotFound(Problem):
    """There is no job with this id."""

    status = HTTPStatus.NOT_FOUND
    slug = "job-not-found"


class PartitionBusy(Problem):
    """A different job is active for the same partition."""

    status = HTTPStatus.CONFLICT
    slug = "partition-busy"


class PrefixBound(Problem):
    """The prefix is bound to another box or other collections."""

    status = HTTPStatus.CONFLICT
    slug = "prefix-bound"


class JobEnded(Problem):
    """The job has ended."""

    status = HTTPStatus.CONFLICT
    slug = "job-ended"


class NotRetryable(Problem):
    """Only a failed or cancelled job can be retried."""

    status = HTTPStatus.CONFLICT
    slug = "job-not-retryable"


class KeyReused(Problem):
    """The Idempotency-Key was used for another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "idempotency-key-reused"


class TooManyJobs(Problem):
    """As many jobs are active as the service takes."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "too-many-jobs"
    headers = {"Retry-After": "60"}  # noqa: RUF012  read only


class BadCursor(Problem):
    """The cursor is not one of this service."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "bad-cursor"
