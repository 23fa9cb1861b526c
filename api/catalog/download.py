"""A file of the archive, whole or in ranges."""

from http import HTTPStatus

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from api.errors import Problem, problem_reply


class BadRange(Problem):
    """The `Range` header is none."""

    status = HTTPStatus.BAD_REQUEST
    slug = "bad-range"


class RangeBeyondTheFile(Problem):
    """The file has not the range that was asked for."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    slug = "range-beyond-the-file"

    def __init__(self, detail: str, *, content_range: str) -> None:
        super().__init__(detail)
        self.headers = {"Content-Range": content_range}


class RangedFile(FileResponse):
    """Starlette's, whose words for a range that cannot be served are made problems."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem: Problem | None = None

        async def watched(message: Message) -> None:
            nonlocal problem
            if message["type"] == "http.response.start":
                problem = _problem(message)
            if problem is None:
                await send(message)

        await super().__call__(scope, receive, watched)
        if problem is not None:
            await problem_reply(problem)(scope, receive, send)


def _problem(start: Message) -> Problem | None:
    if start["status"] == BadRange.status:
        return BadRange(
            "The Range header cannot be read. Write it as bytes=FIRST-LAST, or leave it out for the whole file."
        )
    if start["status"] == RangeBeyondTheFile.status:
        whole = Headers(raw=start["headers"])["content-range"]
        return RangeBeyondTheFile(
            f"The file has not these bytes; it has {whole.rpartition('/')[2]}.", content_range=whole
        )
    return None
