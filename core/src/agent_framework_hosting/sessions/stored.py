"""Read a whole table of a store, page by page."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from ..errors import UnreadableRecord
from ..ports import Store

logger = logging.getLogger(__name__)

RecordT = TypeVar("RecordT")


async def read_all(store: Store, table: str, load: Callable[[str], RecordT]) -> AsyncIterator[RecordT]:
    """Go through the readable records of a table; the others stay where they are and are named in the log."""
    after = ""
    while page := await store.scan(table, after=after):
        for key, text in page:
            try:
                record = load(text)
            except UnreadableRecord as error:
                name = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=6).hexdigest()
                fields = {"table": table, "record": name}
                logger.warning("Record %s of table %r was left aside: %s", name, table, error, extra=fields)
                continue
            yield record
        after = page[-1][0]
