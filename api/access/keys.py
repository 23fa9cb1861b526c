"""The key itself: how it is made, written and compared.

A key is `hls_`, its id and a secret of 256 random bits, a form that secret scanners can be told. Only its SHA-256 is
kept: what cannot be guessed needs no slow hash, and a fast one keeps wrong keys cheap to refuse.
"""

import hashlib
import hmac
import re
import secrets

_KEY = re.compile(r"hls_([0-9a-f]{12})_[0-9a-f]{64}")


def new_key() -> tuple[str, str]:
    """The id of a new key, and the key."""
    key_id = secrets.token_hex(6)
    return key_id, f"hls_{key_id}_{secrets.token_hex(32)}"


def id_of(key: str) -> str | None:
    """The id that the key names; None for what has not the form of a key."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def digest(key: str) -> str:
    """What is kept of a key or a session's token."""
    return hashlib.sha256(_bytes(key)).hexdigest()


def signed(token: str, text: str) -> str:
    """A proof of knowing both, from which neither can be computed."""
    return hmac.new(_bytes(token), _bytes(text), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compared in a time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str) -> bytes:
    """Of any text: a form may name a character set that gives halves of characters, which UTF-8 has no bytes for."""
    return text.encode(errors="surrogatepass")
