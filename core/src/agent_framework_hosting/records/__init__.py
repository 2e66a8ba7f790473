"""What is kept, declared as data: each table's form, how long it is kept, and whose it is."""

from ..model.table import ASIDE, BY_KEY, KEPT, AnyTable, Codec, Expiry, Table, key_of
from .catalog import Catalog, TableReport
from .people import KEY_SEPARATOR, Names
from .records import Migration, RecordCodec, Records, replace_surrogates

__all__ = [
    "ASIDE",
    "AnyTable",
    "BY_KEY",
    "KEPT",
    "KEY_SEPARATOR",
    "Catalog",
    "Codec",
    "Expiry",
    "Migration",
    "Names",
    "RecordCodec",
    "Records",
    "Table",
    "TableReport",
    "key_of",
    "replace_surrogates",
]
