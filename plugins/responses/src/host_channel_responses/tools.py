"""Function tools a request declares for its own side to run, and the choice among them. Pure."""

from __future__ import annotations

from typing import cast

import msgspec

from .encoding import Json, encode
from .errors import invalid

MAX_DEPTH = 48


class ClientTool(msgspec.Struct, frozen=True):
    """One function the client runs; ``parameters`` is its JSON schema."""

    name: str
    description: str
    parameters: Json


class ClientTools(msgspec.Struct, frozen=True):
    """The declared tools, the choice as agent-framework understands it, and both as the response repeats them."""

    tools: tuple[ClientTool, ...] = ()
    echo: tuple[Json, ...] = ()
    choice: str | Json | None = None
    choice_echo: str | Json = "auto"
    parallel: bool | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of the declared functions."""
        return frozenset(tool.name for tool in self.tools)


NO_TOOLS = ClientTools()


def parse_tools(fields: Json, *, max_tools: int, max_schema_bytes: int) -> ClientTools:
    """Read ``tools``, ``tool_choice`` and ``parallel_tool_calls``; raises ``WireError`` naming the place.

    Tools that are no functions would name a capability of the host: they are ignored.
    """
    if "tools" not in fields and "tool_choice" not in fields and "parallel_tool_calls" not in fields:
        return NO_TOOLS
    declared = fields.get("tools", [])
    if not isinstance(declared, list):
        raise invalid("tools must be a list.", "tools", code="invalid_type")
    entries = cast("list[object]", declared)
    if len(entries) > max_tools:
        raise invalid(f"tools holds {len(entries)} entries; at most {max_tools} are accepted.", "tools")
    tools: list[ClientTool] = []
    echo: list[Json] = []
    for index, entry in enumerate(entries):
        where = f"tools[{index}]"
        if not isinstance(entry, dict):
            raise invalid(f"{where} must be an object.", where, code="invalid_type")
        given = cast("Json", entry)
        if given.get("type") != "function":
            continue
        tool = _function(given, where, max_schema_bytes)
        if any(tool.name == other.name for other in tools):
            raise invalid(f"The tool {tool.name} is declared twice.", f"{where}.name")
        tools.append(tool)
        echo.append(_function_echo(given))
    parallel = fields.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        raise invalid("parallel_tool_calls must be true or false.", "parallel_tool_calls", code="invalid_type")
    choice, choice_echo = _choice(fields.get("tool_choice", "auto"), {tool.name for tool in tools})
    return ClientTools(tuple(tools), tuple(echo), choice if tools else None, choice_echo, parallel)


def _function(given: Json, where: str, max_schema_bytes: int) -> ClientTool:
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise invalid(f"{where} needs a name.", f"{where}.name", code="missing_required_parameter")
    if len(name) > 128:
        raise invalid(f"{where}.name is longer than 128 characters.", f"{where}.name")
    description = given.get("description")
    schema = given.get("parameters")
    if schema is None:
        schema = dict[str, object](type="object", properties={})
    parameters = checked_schema(schema, f"{where}.parameters", max_schema_bytes)
    return ClientTool(name, description if isinstance(description, str) else "", parameters)


def _function_echo(given: Json) -> Json:
    description = given.get("description")
    return {
        "type": "function",
        "name": given["name"],
        "description": description if isinstance(description, str) else None,
        "parameters": given.get("parameters"),
        "strict": given.get("strict") is not False,
    }


def checked_schema(value: object, where: str, max_bytes: int) -> Json:
    """Return a JSON schema that is an object within the limits of size and depth."""
    if not isinstance(value, dict):
        raise invalid(f"{where} must be a JSON schema object.", where, code="invalid_type")
    if _depth(cast("object", value)) > MAX_DEPTH:
        raise invalid(f"{where} is nested deeper than {MAX_DEPTH} levels.", where)
    if len(encode(cast("object", value))) > max_bytes:
        raise invalid(f"{where} is larger than {max_bytes} bytes.", where)
    return cast("Json", value)


def _depth(value: object, level: int = 0) -> int:
    if level > MAX_DEPTH:
        return level
    if isinstance(value, dict):
        return max((_depth(item, level + 1) for item in cast("Json", value).values()), default=level)
    if isinstance(value, list):
        return max((_depth(item, level + 1) for item in cast("list[object]", value)), default=level)
    return level


def _choice(value: object, names: set[str]) -> tuple[str | Json | None, str | Json]:
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise invalid("tool_choice must be none, auto, required or an object.", "tool_choice")
        return value, value
    if not isinstance(value, dict):
        raise invalid("tool_choice must be a text or an object.", "tool_choice", code="invalid_type")
    asked = cast("Json", value)
    match asked.get("type"):
        case "function":
            name = _declared(asked.get("name"), names, "tool_choice.name")
            return {"mode": "required", "required_function_name": name}, {"type": "function", "name": name}
        case "allowed_tools":
            return _allowed_tools(asked, names)
        case str():  # a choice of a tool the host does not take from callers
            return None, "auto"
        case _:
            raise invalid("tool_choice needs a type.", "tool_choice.type", code="missing_required_parameter")


def _allowed_tools(asked: Json, names: set[str]) -> tuple[Json, Json]:
    mode = asked.get("mode", "auto")
    if mode not in ("auto", "required"):
        raise invalid("tool_choice.mode must be auto or required.", "tool_choice.mode")
    listed = asked.get("tools")
    if not isinstance(listed, list):
        raise invalid("tool_choice.tools must be a list.", "tool_choice.tools", code="invalid_type")
    chosen: list[str] = []
    for index, entry in enumerate(cast("list[object]", listed)):
        where = f"tool_choice.tools[{index}]"
        name = cast("Json", entry).get("name") if isinstance(entry, dict) else None
        chosen.append(_declared(name, names, f"{where}.name"))
    echo: Json = {
        "type": "allowed_tools",
        "mode": mode,
        "tools": [{"type": "function", "name": name} for name in chosen],
    }
    return {"mode": mode, "allowed_tools": chosen}, echo


def _declared(name: object, names: set[str], where: str) -> str:
    if isinstance(name, str) and name in names:
        return name
    raise invalid(f"{where} must name a function declared in tools.", where)
