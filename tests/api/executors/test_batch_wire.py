"""The Batch executor over HTTP: moto's Batch, and servers that answer badly."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from botocore.config import Config

from api.executors import batch as batch_module
from api.executors.base import ExecutorUnavailable, SubmissionUncertain
from api.executors.batch import BatchExecutor
from tests.api.executors.conftest import MotoBatch, params_of
from worker.contract import compute


def test_a_submission_arrives_as_the_contract_has_it(moto_batch: MotoBatch, batch: BatchExecutor) -> None:
    """Parameters and tag reach the job, which runs with the revision that was pinned although a newer one came."""
    submission = batch.submit(params_of("a"))
    newer = moto_batch.register()
    assert batch.submit(params_of("b")).definition == submission.definition != newer
    [job] = moto_batch.client.describe_jobs(jobs=[submission.ref])["jobs"]
    assert job["parameters"] == params_of("a").to_parameters()
    assert job["tags"] == {compute.JOB_TAG: "a"}
    assert job["jobDefinition"] == submission.definition


def test_doubles_are_found_oldest_first(batch: BatchExecutor) -> None:
    """Batch takes the same name twice, and both are found."""
    refs = [batch.submit(params_of("a")).ref for _ in range(2)]
    assert [status.ref for status in batch.find(compute.job_name("202401", "a"))] == refs


def test_a_queue_that_is_not_there(moto_batch: MotoBatch) -> None:
    """Submitting to a queue that does not exist fails no job: the executor is unavailable until it does."""
    executor = BatchExecutor.connect(queue="absent")
    for call in (executor.check, lambda: executor.submit(params_of("a"))):
        with pytest.raises(ExecutorUnavailable, match="absent"):
            call()
    executor.close()


@pytest.mark.parametrize("silent", [False, True], ids=["hangs up", "is silent"])
def test_a_slow_reply_is_not_asked_for_twice(aws: None, monkeypatch: pytest.MonkeyPatch, silent: bool) -> None:
    """A server that takes the submission and hangs up, or is silent for longer than the executor waits, got it once, and
    the submission is uncertain."""
    monkeypatch.setattr(batch_module, "Config", lambda **given: Config(**given | {"read_timeout": 0.5}))
    with _server(silent=silent) as (address, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
        executor = BatchExecutor.connect(definition="worker:1")
        with pytest.raises(SubmissionUncertain, match="Read timeout" if silent else "Connection was closed"):
            executor.submit(params_of("a"))
        executor.close()
    assert len(requests) == 1
    assert requests[0].startswith(b"POST /v1/submitjob")


def test_what_changes_nothing_is_asked_for_again(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs up is asked three times for what a job does, and what is in the queue."""
    with _server() as (address, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        executor = BatchExecutor.connect(definition="worker:1")
        calls: dict[bytes, Callable[[], object]] = {
            b"/v1/describejobs": lambda: executor.poll(["id"]),
            b"/v1/listjobs": lambda: executor.find("name"),
        }
        for path, call in calls.items():
            requests.clear()
            with pytest.raises(ExecutorUnavailable):
                call()
            assert [request.split()[1] for request in requests] == [path] * 3
        executor.close()


def test_a_server_that_is_not_there(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection sent nothing: the executor is unavailable, and the submission is not uncertain."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        executor = BatchExecutor.connect(definition="worker:1")
        for call in (executor.check, lambda: executor.submit(params_of("a")), lambda: executor.poll(["id"])):
            with pytest.raises(ExecutorUnavailable):
                call()
        executor.close()


@contextmanager
def _server(*, silent: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Takes requests and hangs up without an answer, or keeps the caller waiting."""
    requests: list[bytes] = []
    waiting = ExitStack()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if data := connection.recv(65536):
                requests.append(data)
            waiting.push(connection)
            if not silent:
                waiting.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        waiting.close()
