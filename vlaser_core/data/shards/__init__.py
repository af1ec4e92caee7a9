"""Records and pictures on disk: one pair of Parquet files a unit, written whole or not at all, read by row.

    <set>/manifest.json                        what is being built: sources, seed, stages
    <set>/records/<source>/<unit>.parquet      records with their truth; its metadata holds the unit's counts
    <set>/pictures/<source>/<unit>.parquet     the unit's pictures, each once, by name
    <set>/dropped.parquet                      records left out afterwards (duplicates, beyond the target), by unit and row
    <set>/index.json                           which units make up the set; there when the set is complete

May import vlaser_core.data and pyarrow; knows no source, no stage and no Ray.
"""

from vlaser_core.data.shards.index import Index, IndexedUnit
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.data.shards.writer import UnitReport, UnitWriter

__all__ = ["Index", "IndexedUnit", "RecordSet", "UnitReport", "UnitWriter"]
