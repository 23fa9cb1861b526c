"""What the environment says to a worker; the same names on Batch and on this machine."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

CMR_STAC_LPCLOUD = "https://cmr.earthdata.nasa.gov/stac/LPCLOUD"


class WorkerSettings(BaseSettings):
    """Read once, when the worker starts."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    aws_default_region: str = Field("us-east-1", description="AWS region of the archive's bucket")
    max_concurrent_days: int = Field(
        3, ge=1, le=31, description="Days harvested at the same time when parallel is true"
    )
    max_concurrent_per_day: int = Field(50, ge=1, le=200, description="Requests in flight at most for one day")
    temp_dir: Path = Field(
        Path("/tmp/hls-processing"),  # noqa: S108  the operators' documented default; a run makes its own folder in it
        description="Where a run keeps its files until they are published",
    )
    stac_api_url: str = Field(CMR_STAC_LPCLOUD, description="Landing page of the STAC API to harvest")
    request_timeout: float = Field(
        60, gt=0, description="Seconds that the source may be silent, and a fifth of what a page may take"
    )
    no_progress_timeout: float = Field(3600, gt=0, description="Seconds without a new page after which the run ends")
    retry_wait_max: float = Field(180, gt=0, description="Seconds at most between two tries of a request")
    source_date_epoch: int | None = Field(
        None, description="Unix time to write into the file in place of now, for equal bytes"
    )

    @property
    def max_in_flight(self) -> int:
        """The limiter's ceiling."""
        return self.max_concurrent_days * self.max_concurrent_per_day
