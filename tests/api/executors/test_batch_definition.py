"""The job definition that the Batch executor submits with."""

import pytest

from api.executors.base import ExecutorUnavailable
from tests.api.executors.conftest import params_of
from tests.api.executors.stubbed import NAME, Stubbed


def test_the_newest_revision_is_pinned_and_kept() -> None:
    """The highest active revision of every page is submitted with, and not looked up again at once."""
    stubbed = Stubbed(definition="worker")
    page = {"jobDefinitionName": "worker", "status": "ACTIVE", "type": "container"}
    asked = {"jobDefinitionName": "worker", "status": "ACTIVE"}
    for revisions, more, token in (((9, 10), {"nextToken": "2"}, {}), ((2,), {}, {"nextToken": "2"})):
        found = [{**page, "jobDefinitionArn": f"arn:worker:{n}", "revision": n} for n in revisions]
        stubbed.batch.add_response("describe_job_definitions", {"jobDefinitions": found, **more}, {**asked, **token})
    for _ in range(2):
        stubbed.batch.add_response("submit_job", {"jobName": NAME, "jobId": "id-1"})
    assert [stubbed.executor.submit(params_of("a")).definition for _ in range(2)] == ["arn:worker:10"] * 2
    stubbed.batch.assert_no_pending_responses()


def test_a_definition_that_is_gone_is_looked_up_again() -> None:
    """After Batch refused the revision that was kept, the next submission asks for the newest."""
    stubbed = Stubbed(definition="worker")
    for revision in (1, 2):
        found = {"jobDefinitionName": "worker", "type": "container", "jobDefinitionArn": f"arn:worker:{revision}"}
        stubbed.batch.add_response("describe_job_definitions", {"jobDefinitions": [{**found, "revision": revision}]})
        if revision == 1:
            stubbed.batch.add_client_error("submit_job", "ClientException", "JobDefinition arn:worker:1 is not ACTIVE")
    stubbed.batch.add_response("submit_job", {"jobName": NAME, "jobId": "id-1"})
    with pytest.raises(ExecutorUnavailable):
        stubbed.executor.submit(params_of("a"))
    assert stubbed.executor.submit(params_of("a")).definition == "arn:worker:2"


def test_no_active_definition() -> None:
    """Without an active revision nothing is submitted, and the message says what to do."""
    stubbed = Stubbed(definition="worker")
    stubbed.batch.add_response("describe_job_definitions", {"jobDefinitions": []})
    with pytest.raises(ExecutorUnavailable, match="worker has no active revision: deploy it"):
        stubbed.executor.submit(params_of("a"))
