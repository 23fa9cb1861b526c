"""The calls that the client makes. A test looks each of them up in `/openapi.json`, so that the two cannot drift."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One call: its method, its path with `{names}`, the fields of its query and of its JSON body, and what it gives."""

    id: str
    method: str
    path: str
    answer: str
    """Name of the model that is answered with 2xx; empty where only the status counts."""
    query: frozenset[str] = frozenset()
    body: frozenset[str] = frozenset()


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


READY = Operation("ready", "GET", "/readyz", "")
SUBMIT_JOB = Operation(
    "submitJob", "POST", "/jobs", "JobOut", body=_names("yearMonth bbox collections prefix allowShrink")
)
LIST_JOBS = Operation("listJobs", "GET", "/jobs", "JobsOut", query=_names("status yearMonth prefix limit cursor"))
GET_JOB = Operation("getJob", "GET", "/jobs/{job_id}", "JobOut")
LIST_EVENTS = Operation("listJobEvents", "GET", "/jobs/{job_id}/events", "EventsOut")
READ_LOGS = Operation("readJobLogs", "GET", "/jobs/{job_id}/logs", "LogsOut", query=_names("token limit"))
CANCEL_JOB = Operation("cancelJob", "POST", "/jobs/{job_id}/cancel", "JobOut")
RETRY_JOB = Operation("retryJob", "POST", "/jobs/{job_id}/retry", "JobOut")
LIST_PARTITIONS = Operation(
    "listPartitions", "GET", "/partitions", "PartitionsOut", query=_names("prefix from to state")
)
GET_PARTITION = Operation(
    "getPartition", "GET", "/partitions/{year_month}", "PartitionDetailOut", query=_names("prefix")
)
REFRESH = Operation("refreshPartitions", "POST", "/partitions/refresh", "RefreshOut")
CREATE_KEY = Operation("createKey", "POST", "/keys", "NewKeyOut", body=_names("name scope expiresAt"))
LIST_KEYS = Operation("listKeys", "GET", "/keys", "KeysOut")
REVOKE_KEY = Operation("revokeKey", "DELETE", "/keys/{key_id}", "KeyOut")

OPERATIONS = tuple(value for value in list(globals().values()) if isinstance(value, Operation))
