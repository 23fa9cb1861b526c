"""Settings of the service, from the environment with the prefix `HLS_`."""

import ipaddress
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.contract import compute
from worker.contract.faults import faults_of
from worker.contract.job import Destination

ENV_PREFIX = "HLS_"
MAX_PAGE_SIZE = 500
MAX_LOG_LINES = 10_000
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept; longer than a load balancer keeps its own, which otherwise sends a request into a
connection that is being closed and answers 502."""


class StartRefused(Exception):
    """The service cannot start; the message says why and what to do."""


Absolute = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(BaseSettings):
    """Every setting of the service. Local workers also inherit the worker's own settings from the environment."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True)

    data_dir: Absolute = Field(default=Path("data"), description="Where the local database, archive and runs are kept")
    database_url: str = Field(
        default="",
        repr=False,
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; the default is SQLite in the data directory",
    )
    archive: Destination | None = Field(
        default=None,
        description="Root of the archive, `s3://BUCKET` or `file:///DIRECTORY`; the default is `archive` in the data directory",
    )
    executor: Literal["local", "batch"] = Field(
        default="local", description="What runs workers: `local`, subprocesses on this machine, or `batch`, AWS Batch"
    )
    local_workers: int = Field(default=2, ge=1, le=64, description="Workers that the local executor runs at a time")
    batch_queue: str = Field(default=compute.JOB_QUEUE, description="Batch's job queue, by name or ARN")
    batch_job_definition: str = Field(
        default=compute.JOB_DEFINITION,
        description="Batch's job definition; the newest active revision, unless one is named",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; any but a loopback address needs a key")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    api_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="The operator's key, with every right; without it, and without keys of their own for callers, "
        "everybody may call",
    )
    public_reads: bool = Field(default=False, description="Whether everybody may read, without a key")
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Requests a minute of each key, and of each address without one; "
        "the default is 600 where keys are asked for, and no limit otherwise",
    )
    wrong_keys_per_minute: int = Field(
        default=20, ge=1, description="Wrong keys a minute from one address, after which it has to wait"
    )
    max_body_bytes: int = Field(default=65_536, ge=1024, description="Largest body of a request, in bytes")
    max_page_size: int = Field(
        default=MAX_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Most jobs of one page of the list"
    )
    max_log_lines: int = Field(
        default=MAX_LOG_LINES, ge=1, le=MAX_LOG_LINES, description="Most lines of one page of a job's log"
    )
    max_log_reads: int = Field(
        default=8, ge=1, description="Logs that are read from the executor at a time; more are told to come again"
    )
    query_seconds: float = Field(default=10, gt=0, description="Longest time that one query of the database may take")
    max_active_jobs: int = Field(
        default=1000,
        ge=1,
        description="Jobs that have not ended, beyond which no new ones are taken; one reconciler follows 10,000",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged"
    )
    reconcile: bool = Field(
        default=True, description="Reconcile in the API process; false where `python -m api.reconciler` does it"
    )
    reconcile_seconds: float = Field(
        default=2, gt=0, description="Wait between two passes of the reconciler, in seconds"
    )
    progress_seconds: float | None = Field(
        default=None,
        ge=0,
        description="Least time between two readings of a job's progress; the default is 2 locally and 30 with Batch",
    )
    lookup_seconds: float | None = Field(
        default=None,
        ge=0,
        description="How long an unconfirmed submission is looked up by name before it is sent again; "
        "the default is 0 locally and 120 with Batch, whose lists lag",
    )
    lost_seconds: float = Field(
        default=600, ge=0, description="How long the executor may not know a run before its job ends as LOST"
    )
    refresh_seconds: float = Field(
        default=600, gt=0, description="Wait between two looks at the archive for what was changed behind our back"
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        """An empty variable is one that is not set, as in many deployment tools."""
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")):
            raise ValueError("write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        return url

    @model_validator(mode="after")
    def _key_for_the_world(self) -> Self:
        if self.api_key is None and not is_loopback(self.host):
            raise ValueError(
                f"the service would listen on {self.host} for everybody who can reach it: set {ENV_PREFIX}API_KEY, "
                f"or set {ENV_PREFIX}HOST to 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _bucket_for_batch(self) -> Self:
        if self.executor == "batch" and not self.destination.startswith("s3://"):
            raise ValueError(f"AWS Batch writes to a bucket: set {ENV_PREFIX}ARCHIVE to s3://BUCKET")
        return self

    @property
    def needs_data_dir(self) -> bool:
        """Whether anything of the service's lies in the data directory."""
        return self.executor == "local" or self.archive is None or not self.database_url

    @property
    def database(self) -> str:
        url = self.database_url or f"sqlite:///{self.data_dir / 'hls.sqlite'}"
        for plain in ("postgresql://", "postgres://"):
            if url.startswith(plain):
                return f"postgresql+psycopg://{url.removeprefix(plain)}"
        return url

    @property
    def destination(self) -> str:
        return self.archive or (self.data_dir / "archive").as_uri()

    def prepare_data_dir(self) -> None:
        """Make the data directory, if it is needed. Raises `StartRefused` where nothing can be written there."""
        if not self.needs_data_dir:
            return
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.data_dir):
                pass
        except OSError as error:
            raise StartRefused(
                f"The data directory {self.data_dir} cannot be written ({error.strerror}). "
                f"Make it writable, or set {ENV_PREFIX}DATA_DIR to one that is."
            ) from error


def is_loopback(host: str) -> bool:
    """Whether the name or address can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load() -> Settings:
    """Settings from the environment. Raises `StartRefused` with every fault."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"{ENV_PREFIX}{name.upper()}: {message}" if name else message for name, message in faults_of(error)]
        raise StartRefused("The settings have faults.\n" + "\n".join(f"  {fault}" for fault in faults)) from None


def settings_table() -> list[tuple[str, str, str]]:
    """Name, default and meaning of every setting, for the documentation."""
    return [
        (
            f"{ENV_PREFIX}{name.upper()}",
            "" if field.default in (None, "") else str(field.default),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
