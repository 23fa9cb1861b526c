"""What a page became, as bytes between two processes."""

from typing import IO

import pyarrow as pa

from worker.items.arrow import kind_of, schema_of
from worker.items.convert import Converted
from worker.items.moulds import BETWEEN, Moulds

_MOULDS = b"hls:moulds"
_LENGTH = 8

READ, FAILED = b"\x01", b"\x00"
"""How an answer begins: then come the items, or why there are none."""


def packed(converted: Converted, known: int) -> bytes:
    """The items as an Arrow stream, with the texts of their moulds but for the first `known`, which were sent before."""
    schema = schema_of(converted.kind)
    if (moulds := converted.moulds) is not None:
        texts = BETWEEN.join(moulds[number].text for number in range(known, len(moulds)))
        schema = schema.with_metadata({**schema.metadata, _MOULDS: texts})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(converted.items.flatten(), schema=schema))
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def unpacked(message: bytes | memoryview, moulds: Moulds) -> Converted:
    """The inverse. `moulds` takes up what comes: it has to be the same for all messages of one sender, in their order."""
    with pa.ipc.open_stream(message) as reader:
        batch = reader.read_next_batch()
    items, kind = batch.to_struct_array(), kind_of(batch.schema)
    if (texts := batch.schema.metadata.get(_MOULDS)) is None:
        return Converted(items, kind)
    for text in texts.split(BETWEEN) if texts else []:
        moulds.number(text)
    return Converted(items, kind, moulds)


def send(stream: IO[bytes], *parts: bytes) -> None:
    """One message. Raises `OSError` where nobody reads it."""
    stream.write(sum(map(len, parts)).to_bytes(_LENGTH, "little"))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """One message. Raises `EOFError` where none comes, or not all of it."""
    length = int.from_bytes(_exactly(stream, _LENGTH), "little")
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    if len(found := stream.read(length)) < length:
        raise EOFError("the other side is gone")
    return found
