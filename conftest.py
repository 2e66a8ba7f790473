"""What every test of the workspace shares."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run tests marked ``anyio`` on asyncio, which agent-framework is written for."""
    return "asyncio"
