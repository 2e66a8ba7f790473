"""What of a request reaches the agent's options: built from a list of what may, never by removing what may not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from .config import ResponsesOptions
from .encoding import Json
from .errors import WireError, invalid
from .parsing import TurnRequest

if TYPE_CHECKING:
    from agent_framework import FunctionTool

logger = logging.getLogger(__name__)

_AGENT_NAMES = {"max_output_tokens": "max_tokens"}


def agent_options(turn: TurnRequest, options: ResponsesOptions, target: object) -> Json | None:
    """Return the run's options, None when there are none. Raises ``WireError`` for a tool the host has itself."""
    chosen: Json = {}
    if turn.tools.tools:
        chosen["tools"] = _function_tools(turn, host_tool_names(target))
        chosen["tool_choice"] = turn.tools.choice
        if turn.tools.parallel is not None:
            chosen["allow_multiple_tool_calls"] = turn.tools.parallel
    if turn.text_format is not None:
        chosen["response_format"] = _response_format(turn.text_format)
    for name, value in turn.options.items():
        if name in options.allow_options:
            chosen[_AGENT_NAMES.get(name, name)] = _limited(name, value, options)
        elif name != "metadata":  # metadata is the caller's own note as well
            _refuse(name, options)
    if turn.instructions:
        if options.allow_instructions:
            chosen["instructions"] = turn.instructions
        else:
            _refuse("instructions", options)
    return chosen or None


def _function_tools(turn: TurnRequest, host_tools: frozenset[str]) -> list[FunctionTool]:
    from agent_framework import FunctionTool  # noqa: PLC0415 - heavy, and only needed for tools of the client

    for index, tool in enumerate(turn.tools.tools):
        if tool.name in host_tools:
            raise invalid(f"The name {tool.name} is taken by a tool of the agent itself.", f"tools[{index}].name")
    return [
        FunctionTool(name=tool.name, description=tool.description, func=None, input_model=tool.parameters)
        for tool in turn.tools.tools
    ]


def _response_format(text_format: Json) -> Json:
    if text_format["type"] == "json_object":
        return {"type": "json_object"}
    schema = {key: value for key, value in text_format.items() if key != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _limited(name: str, value: object, options: ResponsesOptions) -> object:
    if name == "max_output_tokens" and options.max_output_tokens is not None:
        return min(cast("int", value), options.max_output_tokens)
    if name == "reasoning":
        return {key: setting for key, setting in cast("Json", value).items() if setting is not None}
    return value


def _refuse(name: str, options: ResponsesOptions) -> None:
    if options.refuse_options:
        raise WireError(400, f"{name} is not accepted from callers here.", code="unsupported_parameter", param=name)
    logger.debug("Ignored an option that callers may not set: %s", name)


def host_tool_names(target: object) -> frozenset[str]:
    """Return the names of the target's own tools, as far as it tells."""
    names: set[str] = set()
    defaults: object = getattr(target, "default_options", None)
    listed: object = cast("Json", defaults).get("tools") if isinstance(defaults, dict) else None
    groups: list[object] = [listed]
    groups += [getattr(server, "functions", None) for server in cast("list[object]", getattr(target, "mcp_tools", []))]
    for group in groups:
        tools = cast("list[object]", group) if isinstance(group, list | tuple) else []
        for tool in tools:
            name: object = getattr(tool, "name", None)
            if isinstance(name, str):
                names.add(name)
    return frozenset(names)
