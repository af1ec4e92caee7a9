"""What can still be read of a damaged MCAP, written anew with its index.

A file whose recorder was killed has no end; one from a bad disk has chunks that fail their checksum. Everything whole is
kept in order; what was lost is counted, and the damaged file is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Header, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import Writer

from vlaser_core.errors import InputError
from vlaser_ros.bags.files import CHUNK

LARGEST_RECORD = 2**30  # bytes; a longer one is a damaged length


@dataclass
class Repaired:
    """messages: kept. chunks_lost: failed their checksum. orphans: messages of a topic whose definition is gone.
    bytes_lost: at the end, from where the file stops making sense. reason: why it stopped, empty when it was whole."""

    messages: int = 0
    chunks_lost: int = 0
    orphans: int = 0
    bytes_lost: int = 0
    reason: str = ""

    @property
    def whole(self) -> bool:
        return not (self.chunks_lost or self.orphans or self.reason)


def repair(file: Path, out: Path) -> Repaired:
    """Copy what is whole from `file` to `out`, which must not exist. Raises InputError for what is no MCAP, or holds nothing."""
    if not file.is_file():
        raise InputError(f"there is no file at {file}")
    if out.exists():
        raise InputError(f"{out} exists already; a recording is never overwritten")
    found = Repaired()
    schemas, channels = {}, {}
    for record in _records(file, Repaired()):
        # Also from the summary at the end: a definition whose own chunk is damaged stands there again.
        (schemas if isinstance(record, Schema) else channels if isinstance(record, Channel) else {}).setdefault(getattr(record, "id", 0), record)
    if not channels:
        raise InputError(f"{file}: nothing in it can be read")
    with out.open("xb") as stream:
        writer = Writer(stream, chunk_size=CHUNK)
        writer.start(profile=_profile(file), library="vlaser_ros repair")
        own: dict[int, int] = {}
        types: dict[int, int] = {}
        for record in _records(file, found):
            if isinstance(record, Message):
                if record.channel_id not in own:
                    channel = channels.get(record.channel_id)
                    schema = schemas.get(channel.schema_id) if channel else None
                    if schema is None:
                        found.orphans += 1
                        continue
                    if schema.id not in types:
                        types[schema.id] = writer.register_schema(schema.name, schema.encoding, schema.data)
                    own[channel.id] = writer.register_channel(channel.topic, channel.message_encoding, types[schema.id], channel.metadata)
                writer.add_message(own[record.channel_id], record.log_time, record.data, record.publish_time, record.sequence)
                found.messages += 1
            elif isinstance(record, Metadata):
                writer.add_metadata(record.name, record.metadata)
        writer.finish()
    if not found.messages:
        out.unlink()
        raise InputError(f"{file}: no message in it can be read")
    return found


def _profile(file: Path) -> str:
    with file.open("rb") as stream:
        first = next(iter(StreamReader(stream).records))
    return first.profile if isinstance(first, Header) else "ros2"


def _records(file: Path, found: Repaired) -> Iterator[McapRecord]:
    """Records of the file, chunks unpacked, until it stops making sense; `found` is told what was passed over."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        records = iter(StreamReader(stream, emit_chunks=True, record_size_limit=LARGEST_RECORD).records)
        whole = 0
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except (McapError, EOFError, ValueError, KeyError, OverflowError, MemoryError) as error:
                if not whole:
                    raise InputError(f"{file} is no MCAP file: {error or type(error).__name__}") from error
                found.bytes_lost, found.reason = size - whole, str(error) or "it ends in the middle of a record"
                return
            whole = stream.tell()
            if not isinstance(record, Chunk):
                yield record
                continue
            try:
                inner = breakup_chunk(record, validate_crc=True)
            except Exception:  # decompressors raise their own types for damaged data; the chunk is counted as lost
                found.chunks_lost += 1
                continue
            yield from inner
