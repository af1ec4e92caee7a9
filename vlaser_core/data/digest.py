"""What a set holds, as one number: equal for equal records, truths and pictures, in whatever order and files they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from pydantic import TypeAdapter

from vlaser_core.data.source import Sample
from vlaser_core.data.truth import SceneTruth

_TRUTH = TypeAdapter(SceneTruth)


def sample_digest(sample: Sample) -> bytes:
    """SHA-256 of a record, its truth and its pictures' encoded bytes."""
    whole = hashlib.sha256(json.dumps(sample.record.to_json(), sort_keys=True, ensure_ascii=False).encode())
    if sample.truth is not None:
        whole.update(b"truth" + hashlib.sha256(_TRUTH.dump_json(sample.truth)).digest())
    for picture in sample.pictures:
        whole.update(b"picture" + hashlib.sha256(picture.data).digest())
    return whole.digest()


def set_digest(digests: Iterable[bytes]) -> str:
    """SHA-256 (hexadecimal) over the samples' digests, sorted."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
