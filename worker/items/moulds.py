"""Texts that are alike in all items but for the item's own names in them, kept once for all of them.

Of the 12 kB of an item, 11 are its assets and links, and there little differs from one item to the next once the item's
id and that of its CMR record (its concept) are taken out: what is left is a mould. Items are carried as the numbers of
their moulds, in a twentieth of the memory, until they are written; `worker.items.cast` fills the names in again.

The markers are control characters, which no JSON text may hold as they are, so each filling is exactly reversible.
"""

import base64
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from worker.contract.columns import ListOf, Struct, Type
from worker.items.types import NULL, infer, merge_all

ID, CONCEPT = "\x00", "\x01"
NUMBERS, NAME = "_moulds", "_concept"
"""Columns that stand for assets and links: the numbers of an item's moulds, and its concept."""

LINKS, ASSETS = "links", "assets"

BETWEEN = b"\x02"
"""Stands between moulds, of which none holds it."""
_LEVEL = 1


@dataclass(frozen=True)
class Mould:
    """An asset, or all the links of an item, with markers in the texts where names belong."""

    text: bytes
    name: str | None
    """Of the asset; None for links."""
    value: Any
    kind: Type

    @classmethod
    @lru_cache(10_000)
    def of(cls, text: bytes) -> "Mould":
        """From the bytes of an item: a list of links, or an asset without its first quote and its last brace.

        Raises:
            ValueError: it is neither, as it stands.
        """
        escaped = text.replace(ID.encode(), rb"\u0000").replace(CONCEPT.encode(), rb"\u0001")
        if escaped.startswith(b"["):
            links = orjson.loads(escaped)
            if not all(isinstance(link, dict) for link in links) or _marked_keys(links):
                raise ValueError("these are no links")
            return cls(text, None, links, infer(links))
        asset = orjson.loads(b'{"' + escaped + b"}}")
        ((name, value), *more) = asset.items()
        if more or not value or not isinstance(value, dict) or _marked_keys(asset):
            raise ValueError("this is no asset")
        return cls(text, name, value, infer(value))


class Moulds:
    """Numbered moulds. Safe to use from several threads: there are only ever more of them."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._moulds: list[Mould] = []
        self._known_places: dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.int64]]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._moulds)

    def __getitem__(self, number: int) -> Mould:
        return self._moulds[number]

    @property
    def numbers(self) -> dict[bytes, int]:
        """Text to number, for look-ups only."""
        return self._numbers

    def number(self, text: bytes) -> int:
        """The number of the mould of this text. Raises `ValueError` where it can be none."""
        if (known := self._numbers.get(text)) is not None:
            return known
        with self._lock:
            if (known := self._numbers.get(text)) is not None:
                return known
            self._moulds.append(Mould.of(text))
            # Last, because readers take no lock: a number that can be found has its mould.
            self._numbers[text] = len(self._moulds) - 1
            return len(self._moulds) - 1

    def kind(self) -> Struct:
        """The columns `links` and `assets` that hold what these moulds do."""
        links: list[Type] = [ListOf(NULL), *{mould.kind for mould in self._moulds if mould.name is None}]
        found: dict[str, set[Type]] = {}
        for mould in self._moulds:
            if mould.name is not None:
                found.setdefault(mould.name, set()).add(mould.kind)
        assets = Struct(tuple((name, merge_all(kinds)) for name, kinds in sorted(found.items())))
        return Struct(((LINKS, merge_all(links)), (ASSETS, assets)))

    def taken_from(self, other: "Moulds", numbers: Iterable[int]) -> "np.ndarray[Any, np.dtype[np.int32]]":
        """Take these moulds of another; the array gives by the number there the number here."""
        places = np.zeros(len(other), np.int32)
        moulds, known = other._moulds, self._numbers
        for number in numbers:
            text = moulds[number].text
            places[number] = known[text] if text in known else self.number(text)
        return places

    def having(self, numbers: pa.ListArray, names: tuple[str, ...]) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Which of the items have which of these assets: one row an item, one column a name."""
        flat, rows = flattened(numbers)
        place = self._places(names)[flat]
        found = np.zeros((len(numbers), len(names)), np.bool_)
        found[rows[place >= 0], place[place >= 0]] = True
        return found

    def _places(self, names: tuple[str, ...]) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """By number, which of the names is that of the mould's asset; -1 where none is."""
        known = self._known_places.get(names)
        if known is None or len(known) < len(self._moulds):
            places = {name: place for place, name in enumerate(names)}
            known = np.array([places.get(mould.name or "", -1) for mould in list(self._moulds)], np.int64)
            self._known_places[names] = known
        return known

    def packed(self) -> bytes:
        """The texts, to be kept with a file that has these numbers."""
        whole = BETWEEN.join(mould.text for mould in self._moulds)
        sized = len(whole).to_bytes(8, "little")
        return base64.b64encode(sized + pa.Codec("zstd", compression_level=_LEVEL).compress(whole, asbytes=True))

    def unpacked(self, packed: bytes) -> "np.ndarray[Any, np.dtype[np.int32]]":
        """The numbers here of the moulds that were packed."""
        raw = base64.b64decode(packed)
        whole = pa.Codec("zstd").decompress(raw[8:], int.from_bytes(raw[:8], "little"), asbytes=True)
        texts = whole.split(BETWEEN) if whole else []
        return np.array([self.number(text) for text in texts], np.int32)


def flattened(
    numbers: pa.ListArray,
) -> tuple["np.ndarray[Any, np.dtype[np.int32]]", "np.ndarray[Any, np.dtype[np.int64]]"]:
    """All the numbers of a column, and the row of each."""
    lengths = numbers.value_lengths().to_numpy(zero_copy_only=False)
    return numbers.flatten().to_numpy(zero_copy_only=False), np.repeat(np.arange(len(numbers)), lengths)


def renumbered(numbers: pa.ListArray, places: "np.ndarray[Any, np.dtype[np.int32]]") -> pa.ListArray:
    """The same lists with `places[number]` for each number."""
    flat, _ = flattened(numbers)
    offsets = np.concatenate([[0], np.cumsum(numbers.value_lengths().to_numpy(zero_copy_only=False))])
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(places[flat]))


def filled(value: Any, item: str, concept: str | None) -> Any:
    """The value with the names of an item in the place of the markers."""
    if isinstance(value, str):
        return value.replace(ID, item).replace(CONCEPT, concept or "")
    if isinstance(value, dict):
        return {name: filled(member, item, concept) for name, member in value.items()}
    return [filled(element, item, concept) for element in value] if isinstance(value, list) else value


def marked(value: Any) -> bool:
    """Whether there is a marker in it."""
    if isinstance(value, str):
        return ID in value or CONCEPT in value
    if isinstance(value, dict):
        return any(map(marked, value.values()))
    return isinstance(value, list) and any(map(marked, value))


def _marked_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return any(marked(name) or _marked_keys(member) for name, member in value.items())
    return isinstance(value, list) and any(map(_marked_keys, value))
