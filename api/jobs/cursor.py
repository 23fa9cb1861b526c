"""The opaque place in a list of jobs from which the next page goes on."""

import base64
import json
from datetime import UTC, datetime

from api.jobs.errors import BadCursor
from api.jobs.models import Job, is_job_id

Place = tuple[datetime, str]
_LONGEST = 200
"""Twice what one of ours has; what is longer may be nested deeper than it can be read."""
_WRONG = "The cursor is not one of this service. Leave it out to begin with the newest job."


def written(job: Job) -> str:
    """The place behind this job."""
    return base64.urlsafe_b64encode(json.dumps([job.created_at.isoformat(), job.id]).encode()).decode().rstrip("=")


def read(cursor: str) -> Place:
    """Raises `BadCursor`."""
    if len(cursor) > _LONGEST:
        raise BadCursor(_WRONG)
    try:
        at, job_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = datetime.fromisoformat(at).astimezone(UTC), job_id
    except (ValueError, TypeError, OverflowError):
        place = None
    if place is None or not is_job_id(place[1]):
        raise BadCursor(_WRONG)
    return place
