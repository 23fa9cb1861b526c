"""What a failed call to AWS means: whether it arrived, and whether to try again.

Codes: Batch API Reference, "Common Errors" and the errors of SubmitJob. A fault of the deployment (credentials, queue,
job definition) is not the job's: it makes the executor unavailable, and the job waits until it is mended.
"""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  botocore's own
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from api.executors.base import (
    ExecutorError,
    ExecutorUnavailable,
    SubmissionRefused,
    SubmissionUncertain,
    Throttled,
)

AWS_FAULTS = (ClientError, BotoCoreError, ResponseParserError)

_THROTTLING = {
    "LimitExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_ACCESS = {
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "UnrecognizedClientException",
}
_UNKNOWN_OUTCOME = {"InternalFailure", "RequestTimeout", "RequestTimeoutException", "ServerException"}
_BEFORE_SENDING = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
_IN_THE_MIDDLE = (HTTPClientError, ConnectionError, IncompleteReadError, ResponseParserError)
_DEPLOYMENT = re.compile(r"job ?(queue|definition)", re.IGNORECASE)


def submission_fault(error: Exception) -> ExecutorError:
    """What a failed SubmitJob means for the submission."""
    if isinstance(error, ClientError):
        return _answered(error)
    if isinstance(error, ParamValidationError):
        return SubmissionRefused(f"the submission is not valid: {error}")
    if isinstance(error, _IN_THE_MIDDLE) and not isinstance(error, _BEFORE_SENDING):
        return SubmissionUncertain(f"Batch's answer to the submission did not arrive: {error}")
    return unavailable("submit the job", error)


def unavailable(action: str, error: Exception) -> ExecutorUnavailable:
    """What any other failed call means: nothing is known now."""
    return ExecutorUnavailable(f"could not {action}: {_said(error)}")


def code_of(error: Exception) -> str:
    """AWS's code of an error; empty where it is none of AWS's own."""
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""


def _answered(error: ClientError) -> ExecutorError:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLING or status == 429:
        return Throttled(f"Batch asks to be called less often: {_said(error)}")
    if code in _UNKNOWN_OUTCOME or status >= 500:
        return SubmissionUncertain(f"Batch failed while it took the submission: {_said(error)}")
    if code in _ACCESS or status != 400 or _DEPLOYMENT.search(_said(error)):
        return unavailable("submit the job", error)
    return SubmissionRefused(_said(error))


def _said(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    return f"{code_of(error)}: {error.response.get('Error', {}).get('Message', '')}".removesuffix(": ")
