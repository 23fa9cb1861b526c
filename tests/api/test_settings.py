"""Settings, and what they refuse."""

from pathlib import Path

import pytest

from api import settings
from api.settings import Settings, StartRefused, settings_table


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _, _ in settings_table():
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_are_for_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite and files below ./data, the local executor, 127.0.0.1, no key."""
    monkeypatch.chdir(tmp_path)
    made = settings.load()
    assert made.database == f"sqlite:///{tmp_path}/data/hls.sqlite"
    assert made.destination == f"file://{tmp_path}/data/archive"
    assert (made.executor, made.host, made.api_key) == ("local", "127.0.0.1", None)


def test_every_setting_is_described() -> None:
    """The documentation's table has a sentence for each."""
    table = settings_table()
    assert {name for name, _, _ in table} >= {"HLS_DATABASE_URL", "HLS_DATA_DIR", "HLS_API_KEY", "HLS_PORT"}
    assert all(meaning for _, _, meaning in table)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deployment tools leave them."""
    monkeypatch.setenv("HLS_PORT", "")
    monkeypatch.setenv("HLS_API_KEY", "")
    assert (settings.load().port, settings.load().api_key) == (8000, None)


@pytest.mark.parametrize("url", ["postgresql://u:p@h/n", "postgres://u:p@h/n", "postgresql+psycopg://u:p@h/n"])
def test_postgresql_is_spoken_to_by_psycopg(url: str) -> None:
    """However the URL is written."""
    assert Settings(database_url=url).database == "postgresql+psycopg://u:p@h/n"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"HLS_PORT": "eighty"}, "HLS_PORT: "),
        ({"HLS_PORT": "70000"}, "HLS_PORT: "),
        ({"HLS_ARCHIVE": "ftp://x"}, "HLS_ARCHIVE: 'ftp://x' is not a destination: write s3://BUCKET"),
        ({"HLS_DATABASE_URL": "mysql://h/n"}, "HLS_DATABASE_URL: write sqlite:///FILE or postgresql://"),
        ({"HLS_EXECUTOR": "magic"}, "HLS_EXECUTOR: "),
        ({"HLS_API_KEY": "short"}, "HLS_API_KEY: "),
        ({"HLS_HOST": "0.0.0.0"}, "set HLS_API_KEY"),  # noqa: S104  it is refused
        ({"HLS_HOST": "::"}, "set HLS_API_KEY"),
        ({"HLS_HOST": "example.org"}, "set HLS_API_KEY"),
        ({"HLS_EXECUTOR": "batch"}, "set HLS_ARCHIVE to s3://BUCKET"),
    ],
)
def test_faulty_settings_are_named(variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service does not start, and says which variable is wrong and what to write."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartRefused) as refusal:
        settings.load()
    assert message in str(refusal.value)


def test_every_faulty_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once are told at once."""
    monkeypatch.setenv("HLS_PORT", "x")
    monkeypatch.setenv("HLS_LOCAL_WORKERS", "0")
    with pytest.raises(StartRefused, match=r"(?s)HLS_LOCAL_WORKERS.*HLS_PORT|HLS_PORT.*HLS_LOCAL_WORKERS"):
        settings.load()


def test_a_key_opens_the_service_to_others() -> None:
    """With a key any address will do, and the key does not show in the settings' text."""
    made = Settings(host="0.0.0.0", api_key="0123456789abcdef", database_url="postgresql://u:secret@h/n")  # noqa: S104  nothing is bound
    assert "0123456789abcdef" not in repr(made)
    assert "secret" not in repr(made)


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """Below a file, no directory can be made: the message names the directory and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartRefused, match=r"file/data cannot be written.*HLS_DATA_DIR"):
        Settings(data_dir=tmp_path / "file" / "data").prepare_data_dir()


def test_a_service_without_local_parts_needs_no_data_directory(tmp_path: Path) -> None:
    """With Batch, a bucket and PostgreSQL nothing is kept on the machine."""
    (tmp_path / "file").write_text("")
    Settings(
        data_dir=tmp_path / "file" / "data",
        executor="batch",
        archive="s3://bucket",
        database_url="postgresql://h/n",
    ).prepare_data_dir()
