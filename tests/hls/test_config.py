"""Where the address and the key come from."""

from pathlib import Path

import pytest

from hls.config import DEFAULT_URL, Server, config_path, resolve
from hls.faults import BadConfig


def _file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "config.toml"
    path.write_text(text)
    return {"HLS_CONFIG": str(path)}


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each of the three is used where those before it say nothing."""
    file = _file(tmp_path, 'url = "http://file:1/"\nkey = "of the file"\n')
    assert resolve(None, None, {"HLS_CONFIG": str(tmp_path / "none")}) == Server(DEFAULT_URL, None)
    assert resolve(None, None, file) == Server("http://file:1", "of the file")
    both = {**file, "HLS_KEY": "of the environment", "HLS_URL": "http://environment:1"}
    assert resolve(None, None, both) == Server("http://environment:1", "of the environment")
    assert resolve("http://option:1", "of the option", both) == Server("http://option:1", "of the option")


def test_the_key_of_the_file_goes_to_its_server_only(tmp_path: Path) -> None:
    """With another address the key stays at home, and the service's own variable is no key of a caller."""
    file = _file(tmp_path, 'url = "https://file"\nkey = "of the file"\n')
    assert resolve("https://stranger", None, file).key is None
    assert resolve("https://file/", None, file).key == "of the file"
    assert resolve(None, None, {"HLS_CONFIG": str(tmp_path / "none"), "HLS_API_KEY": "of the service"}).key is None


def test_the_key_is_not_shown() -> None:
    """Whoever prints the server sees where it is."""
    assert repr(Server("http://h", "a secret")) == "Server(url='http://h')"


@pytest.mark.parametrize(
    ("text", "said"),
    [("url = ", "cannot be read"), ('adress = "x"', "adress cannot be used"), ('url = "host:80"', "no address")],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    """The message names the file or the value, and what it should be."""
    with pytest.raises(BadConfig, match=said):
        resolve(None, None, _file(tmp_path, text))


def test_the_file_lies_where_the_system_keeps_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG's folder on Linux, unless HLS_CONFIG names another file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path({}).name == "config.toml"
    assert config_path({}).parent.name == "hls"
    assert config_path({"HLS_CONFIG": "/x/y.toml"}) == Path("/x/y.toml")
