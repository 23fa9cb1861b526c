"""A client for the service's REST API."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

ENDED = frozenset(("succeeded", "failed", "cancelled"))


class ServiceError(Exception):
    """The service answered with a fault; the message is its own, with every faulty field."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        faults = "".join(f"\n  {fault['field']}: {fault['message']}" for fault in problem.get("errors", []))
        super().__init__(f"{problem.get('title', status)}: {problem.get('detail', '')}{faults}")
        self.status = status
        self.problem = problem


class Client:
    """Calls the service at `url`; `key` is sent where one is given. Times out after `timeout` seconds a call."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 30) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, year_month: str, **wishes: Any) -> dict[str, Any]:
        """Ask for a month; wishes are `bbox`, `collections`, `prefix`, `allowShrink`. The job, new or active already."""
        return self._call("POST", "/jobs", json={"yearMonth": year_month, **wishes})

    def job(self, job_id: str) -> dict[str, Any]:
        return self._call("GET", f"/jobs/{job_id}")

    def partition(self, year_month: str, prefix: str) -> dict[str, Any]:
        """One month of a dataset in depth."""
        return self._call("GET", f"/partitions/{year_month}", params={"prefix": prefix})

    def ready(self) -> bool:
        """Whether the service takes jobs now."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def watch(self, job_id: str, every: float = 0.5) -> Iterator[dict[str, Any]]:
        """The job again and again, until it has ended; the last one is the ended job."""
        while True:
            job = self.job(job_id)
            yield job
            if job["status"] in ENDED:
                return
            time.sleep(every)

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Raises `ServiceError`, or `httpx.TransportError` where the service cannot be reached."""
        reply = self._http.request(method, path, **content)
        body: dict[str, Any] = reply.json()
        if reply.is_error:
            raise ServiceError(reply.status_code, body)
        return body
