"""Settings of the service, from the environment with the prefix `HLS_`."""

import ipaddress
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.contract.job import Destination

ENV_PREFIX = "HLS_"


class StartRefused(Exception):
    """The service cannot start; the message says why and what to do."""


Absolute = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
Seconds = Annotated[float, Field(ge=0)]


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
    executor: Literal["local"] = Field(default="local", description="What runs workers: subprocesses on this machine")
    local_workers: int = Field(default=2, ge=1, le=64, description="Workers that the local executor runs at a time")
    host: str = Field(default="127.0.0.1", description="Address to listen on; any but a loopback address needs a key")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    api_key: SecretStr | None = Field(
        default=None, min_length=16, description="Key that callers must send; without one everybody may call"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged"
    )
    reconcile: bool = Field(
        default=True, description="Reconcile in the API process; false where `python -m api.reconciler` does it"
    )
    reconcile_seconds: Seconds = Field(default=1, gt=0, description="Wait between two passes of the reconciler")
    progress_seconds: Seconds = Field(default=2, description="Least time between two readings of a job's progress")
    lookup_seconds: Seconds = Field(
        default=0, description="How long an unconfirmed submission is looked up by name before it is sent again"
    )
    lost_seconds: Seconds = Field(
        default=600, description="How long the executor may not know a run before its job ends as LOST"
    )
    refresh_seconds: Seconds = Field(
        default=600,
        gt=0,
        description="Wait between two looks at the archive for what was changed behind the service's back",
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        """An empty variable is one that is not set, as in many deployment tools."""
        return {name: value for name, value in given.items() if value != ""}

    @model_validator(mode="after")
    def _key_for_the_world(self) -> Self:
        if self.api_key is None and not _is_loopback(self.host):
            raise ValueError(
                f"the service would listen on {self.host} for everybody who can reach it: set {ENV_PREFIX}API_KEY, "
                f"or set {ENV_PREFIX}HOST to 127.0.0.1"
            )
        return self

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
        """Make the data directory. Raises `StartRefused` where nothing can be written there."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.data_dir):
                pass
        except OSError as error:
            raise StartRefused(
                f"The data directory {self.data_dir} cannot be written ({error.strerror}). "
                f"Make it writable, or set {ENV_PREFIX}DATA_DIR to one that is."
            ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load() -> Settings:
    """Settings from the environment. Raises `StartRefused` with every fault."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [
            f"{ENV_PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
            if fault["loc"]
            else fault["msg"].removeprefix("Value error, ")
            for fault in error.errors()
        ]
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
