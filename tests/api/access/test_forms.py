"""Forms whose text is no text, on a service that asks for keys, on each database."""

import httpx
import pytest

from tests.api.access.conftest import STATIC

_HALVES = {"unicode_escape": b"\\ud800", "utf-7": b"+2AA-"}
"""Half a character, as each of these character sets writes it."""


def _post(client: httpx.Client, path: str, name: str, charset: str, **headers: str) -> httpx.Response:
    """A form with one field, which holds half a character."""
    part = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    content = part + _HALVES[charset] + b"\r\n--x--\r\n"
    return client.post(path, content=content, headers={"Content-Type": kind, **headers})


@pytest.mark.parametrize("charset", _HALVES)
def test_half_a_character_is_a_wrong_key(client: httpx.Client, charset: str) -> None:
    """401, with the form again."""
    reply = _post(client, "/sign-in", "key", charset)
    assert reply.status_code == 401
    assert "The key is not known" in reply.text


@pytest.mark.parametrize("charset", _HALVES)
def test_half_a_character_is_shown_as_a_question_mark(client: httpx.Client, charset: str) -> None:
    """422 with the form as it was filled in; as a CSRF token it is a wrong one."""
    reply = _post(client, "/ui/submit", "prefix", charset, **{"X-API-Key": STATIC})
    assert reply.status_code == 422
    assert 'value="?"' in reply.text
    client.post("/sign-in", data={"key": STATIC})
    assert _post(client, "/ui/submit", "csrf_token", charset).status_code == 403


@pytest.mark.parametrize("prefix", ["%00", "..", "A", "x" * 5000])
def test_a_prefix_that_names_no_dataset(client: httpx.Client, prefix: str) -> None:
    """The form for it is shown, and the database is not asked what it cannot be asked."""
    reply = client.get(f"/ui/submit?prefix={prefix}", headers={"X-API-Key": STATIC})
    assert reply.status_code == 200
