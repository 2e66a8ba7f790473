"""What every store must do, as tests to subclass.

class TestMyStore(StoreContract):
    def make_store(self, tmp_path):
        return MyStore(tmp_path)
"""

from __future__ import annotations

from .leases_contract import LeasesContract
from .records_contract import RecordsContract
from .writers_contract import WritersContract


class StoreContract(RecordsContract, WritersContract, LeasesContract):
    """Subclass it and say how to make the store. Tests run on asyncio through anyio's pytest plugin."""
