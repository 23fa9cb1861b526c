"""Assets and links cast from their moulds again: whole columns at once, with each item's names in their places."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.contract.columns import TEXT, ListOf, Struct, Type
from worker.items.arrow import encode, to_arrow, widen
from worker.items.moulds import ASSETS, CONCEPT, ID, LINKS, NAME, NUMBERS, Moulds, filled, flattened, marked

Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_MARKER = re.compile(f"([{ID}{CONCEPT}])")
_ABSENT = -1


def cast(items: pa.StructArray, kind: Struct, moulds: Moulds, wider: Struct) -> pa.StructArray:
    """Items that were carried as moulds, in the columns of `wider`, which holds what they hold; `kind` is theirs."""
    names = _Names(items.field("id"), items.field(NAME))
    made = {LINKS: _links, ASSETS: _assets}
    known = dict(kind.fields)
    columns = []
    for name, member in wider.fields:
        if name in made:
            columns.append(made[name](items.field(NUMBERS), moulds, member, names))
        elif name in known:
            columns.append(widen(items.field(name), known[name], member))
        else:
            columns.append(pa.nulls(len(items), to_arrow(member)))
    return pa.StructArray.from_arrays(columns, fields=list(to_arrow(wider)))


class _Names:
    """What stands where the markers are, by row."""

    def __init__(self, ids: pa.Array, concepts: pa.Array) -> None:
        self._columns = {ID: ids, CONCEPT: pc.fill_null(concepts, "")}
        self._letters: dict[str, Bytes | None] = {}

    def take(self, rows: Ints) -> "_Names":
        return _Names(*(self[marker].take(pa.array(rows)) for marker in (ID, CONCEPT)))

    def __getitem__(self, marker: str) -> pa.Array:
        return self._columns[marker]

    def width(self, marker: str) -> int | None:
        """Bytes of each name, if all have as many."""
        letters = self._matrix(marker)
        return None if letters is None else letters.shape[1]

    def letters(self, marker: str) -> Bytes:
        """The names as rows of a matrix; only where they have one width."""
        letters = self._matrix(marker)
        assert letters is not None  # noqa: S101  the caller asked for the width
        return letters

    def _matrix(self, marker: str) -> Bytes | None:
        if marker not in self._letters:
            self._letters[marker] = _matrix(self._columns[marker])
        return self._letters[marker]

    def fill(self, value: Any, row: int) -> Any:
        return filled(value, self[ID][row].as_py(), self[CONCEPT][row].as_py())


def _matrix(texts: pa.Array) -> Bytes | None:
    lengths = pc.unique(pc.binary_length(texts))
    if len(lengths) != 1 or not (width := lengths[0].as_py()):
        return None
    first = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset]
    letters = np.frombuffer(texts.buffers()[2], np.uint8)[first : first + width * len(texts)]
    return letters.reshape(len(texts), width)


def _links(numbers: pa.ListArray, moulds: Moulds, kind: Type, names: _Names) -> pa.Array:
    assert isinstance(kind, ListOf)  # noqa: S101  as for `_assets`: a mould is nothing else
    flat, rows = flattened(numbers)
    own = np.array([moulds[number].name is None for number in range(len(moulds))])[flat]
    used, which = np.unique(flat[own], return_inverse=True)
    texts = [moulds[number].value for number in used]
    lengths = np.array([len(links) for links in texts], np.int64)[which]
    firsts = np.cumsum([0, *map(len, texts)])[which]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - firsts, lengths)
    elements = [link for links in texts for link in links]
    values = _column(elements, places, kind.element, names.take(np.repeat(rows[own], lengths)))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _assets(numbers: pa.ListArray, moulds: Moulds, kind: Type, names: _Names) -> pa.Array:
    assert isinstance(kind, Struct)  # noqa: S101  assets have no other kind
    order = {name: place for place, (name, _) in enumerate(kind.fields)}
    flat, rows = flattened(numbers)
    present = np.bincount(flat, minlength=len(moulds)).tolist()
    used = [number for number, count in enumerate(present) if count]
    found = [(order[name], moulds[number].text, number) for number in used if (name := moulds[number].name) is not None]
    found.sort()  # numbered anew, asset by asset, in an order that does not depend on which page came first
    assets = np.array([asset for asset, _, _ in found], np.int16)
    place = np.full(len(moulds), _ABSENT)
    place[[number for _, _, number in found]] = np.arange(len(found))
    which = place[flat]
    rows, which = rows[which != _ABSENT], which[which != _ABSENT]
    by_asset = np.argsort(assets[which], kind="stable")  # of so small numbers this takes one pass
    bounds = np.concatenate([[0], np.cumsum(np.bincount(assets[which], minlength=len(order)))])
    firsts = np.searchsorted(assets, np.arange(len(order) + 1))
    columns = []
    for asset, (_, member) in enumerate(kind.fields):
        mine = by_asset[bounds[asset] : bounds[asset + 1]]
        places = np.full(len(numbers), _ABSENT)
        places[rows[mine]] = which[mine] - firsts[asset]
        values = [moulds[number].value for _, _, number in found[firsts[asset] : firsts[asset + 1]]]
        columns.append(_column(values, places, member, names))
    return pa.StructArray.from_arrays(columns, fields=list(to_arrow(kind)))


def _column(values: Sequence[Any], places: Ints, kind: Type, names: _Names) -> pa.Array:
    """`values[place]` for each place with the row's names in it; null for `_ABSENT`."""
    missing = places == _ABSENT
    if missing.all() or not values:
        return pa.nulls(len(places), to_arrow(kind))
    if not any(map(marked, values)):
        return pa.array([encode(value, kind) for value in values], to_arrow(kind)).take(_indices(places, missing))
    if isinstance(kind, Struct) and all(value is None or isinstance(value, dict) for value in values):
        members = [
            _column([None if value is None else value.get(name) for value in values], places, member, names)
            for name, member in kind.fields
        ]
        nothing = missing | np.array([value is None for value in values])[places]
        mask = pa.array(nothing) if nothing.any() else None
        return pa.StructArray.from_arrays(members, fields=list(to_arrow(kind)), mask=mask)
    if kind == TEXT and all(value is None or isinstance(value, str) for value in values):
        return _texts(values, places, names)
    return pa.array(
        [
            None if place == _ABSENT else encode(names.fill(values[place], row), kind)
            for row, place in enumerate(places)
        ],
        to_arrow(kind),
    )


def _texts(values: Sequence[str | None], places: Ints, names: "_Names") -> pa.Array:
    """Texts put together of what stands between the markers and of the names, a column at a time."""
    missing = (places == _ABSENT) | np.array([value is None for value in values])[places]
    patterns = [_MARKER.split(value) for value in values if value is not None]
    if alike := _alike(patterns, names):
        numbers = np.cumsum([value is not None for value in values]) - 1
        return _printed(alike, numbers[places[~missing]], missing, names)
    split = [_MARKER.split(value or "") for value in values]
    indices = _indices(places, missing)
    parts: list[pa.Array] = []
    for at in range(max(map(len, split))):
        found = [pieces[at] if at < len(pieces) else "" for pieces in split]
        parts.append(pa.array(found).take(indices) if at % 2 == 0 else _named(found, places, names))
    return pc.binary_join_element_wise(*parts, "", null_handling="emit_null")


def _named(markers: list[str], places: Ints, names: "_Names") -> pa.Array:
    if len(set(markers)) == 1:
        return names[markers[0]]
    column: pa.Array | str = ""
    for marker in (ID, CONCEPT):
        if marker in markers:
            here = np.array([found == marker for found in markers])[places]
            column = pc.if_else(pa.array(here), names[marker], column)
    return column


@dataclass(frozen=True)
class _Print:
    """Texts of one length with the names in the same places, to be printed as rows of a matrix."""

    plates: Bytes
    spans: list[tuple[int, str]]


def _alike(patterns: list[list[str]], names: "_Names") -> _Print | None:
    """The patterns, if rows made of any of them have names of equal length in equal places."""
    markers = patterns[0][1::2]
    blanks = {marker: names.width(marker) for marker in markers}
    if None in blanks.values() or any(pattern[1::2] != markers for pattern in patterns):
        return None
    rows, spans = [], []
    for pattern in patterns:
        row = b""
        places = []
        for at, piece in enumerate(pattern):
            if at % 2:
                places.append((len(row), piece))
                row += bytes(blanks[piece] or 0)
            else:
                row += piece.encode()
        rows.append(row)
        spans.append(places)
    if any(len(row) != len(rows[0]) for row in rows) or any(each != spans[0] for each in spans):
        return None
    return _Print(np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1), spans[0])


def _printed(form: _Print, plates: Ints, missing: Flags, names: "_Names") -> pa.Array:
    matrix = np.broadcast_to(form.plates[0], (len(plates), form.plates.shape[1])).copy()
    if len(form.plates) > 1:
        np.take(form.plates, plates, axis=0, out=matrix)
    for start, marker in form.spans:
        letters = names.letters(marker)
        matrix[:, start : start + letters.shape[1]] = letters[~missing] if missing.any() else letters
    offsets = np.zeros(len(missing) + 1, np.int32)
    np.cumsum(~missing * form.plates.shape[1], out=offsets[1:])
    valid = pc.invert(pa.array(missing)).buffers()[1] if missing.any() else None
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(matrix)]
    return pa.Array.from_buffers(pa.string(), len(missing), buffers, int(missing.sum()))


def _indices(places: Ints, missing: Flags) -> pa.Array:
    return pa.array(places, mask=missing) if missing.any() else pa.array(places)
