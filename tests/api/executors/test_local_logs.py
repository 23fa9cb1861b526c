"""The log files of local runs, by page and from their end."""

from datetime import UTC, datetime

import pytest

from tests.api.executors.conftest import LocalLab, ended, params_of


def test_logs_by_page_and_from_the_end(lab: LocalLab) -> None:
    """Pages join to the whole log of both streams, the tail is its end, and a stated time is read."""
    executor = lab.executor()
    executor.submit(params_of("a"))
    log_ref = ended(executor, "a").log_ref
    assert log_ref is not None
    first = executor.logs(log_ref, None, 1)
    second = executor.logs(log_ref, first.next_token, 1)
    assert [line.text for line in first.lines] == ["attempt 1: exit 0"]
    assert second.lines[0].at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert second.next_token is None
    assert executor.logs(log_ref, None, 100).lines == first.lines + second.lines
    assert list(executor.tail(log_ref, 1)) == list(second.lines)


def test_a_long_log_is_read_from_its_end(lab: LocalLab) -> None:
    """The last lines of a log of several blocks, with a last line that has no end yet."""
    folder = lab.state / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "attempt-1.log").write_text("".join(f"line {i} {'x' * 90}\n" for i in range(5000)) + "unfinished")
    executor = lab.executor()
    lines = [line.text.split(" x")[0] for line in executor.tail("a/attempt-1.log", 1500)]
    assert lines == [*(f"line {i}" for i in range(3501, 5000)), "unfinished"]


@pytest.mark.parametrize("log_ref", ["a/attempt-1.log", "../secret", "a/../../secret", "/etc/passwd", "a/spec.json"])
def test_a_log_that_is_none_is_empty(lab: LocalLab, log_ref: str) -> None:
    """No log yet, or a reference that leads elsewhere, is an empty page."""
    (lab.state / "runs" / "a").mkdir(parents=True)
    (lab.state / "secret").write_text("secret")
    executor = lab.executor()
    assert executor.logs(log_ref, None, 10).lines == ()
    assert list(executor.tail(log_ref, 10)) == []


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "", "9" * 30])
def test_a_token_of_somebody_else(lab: LocalLab, token: str) -> None:
    """A token that we did not give is a ValueError that names it."""
    with pytest.raises(ValueError, match="token"):
        lab.executor().logs("a/attempt-1.log", token, 10)


def test_a_line_that_is_nested_too_deep(lab: LocalLab) -> None:
    """It has no stated time, and spoils neither the page nor the tail."""
    folder = lab.state / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "attempt-1.log").write_text('{"time": ' + "[" * 50_000 + "\nnext\n")
    executor = lab.executor()
    assert [line.text for line in executor.logs("a/attempt-1.log", None, 10).lines][1:] == ["next"]
    assert [line.at for line in executor.tail("a/attempt-1.log", 10)] == [None, None]
