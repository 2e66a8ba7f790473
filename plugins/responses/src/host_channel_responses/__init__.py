"""The OpenAI Responses API as a channel of host-core."""

from .config import ResponsesOptions
from .plugin import ResponsesChannel

__all__ = ["ResponsesChannel", "ResponsesOptions"]
