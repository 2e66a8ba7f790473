"""Secrets are references: find where types hold them, and read what ``env:NAME`` and ``file:PATH`` name."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Union, cast, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr

from ..wording import nearest

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELL = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*|\$?\{\{?\s*[A-Za-z_][A-Za-z0-9_.]*\s*\}?\}|%[A-Za-z_][A-Za-z0-9_]*%")
_SCHEMES = ("env", "file")
_LONGEST = 64 * 1024


class UnresolvedReference(Exception):  # noqa: N818 - never leaves this package; reads as the condition it names
    """A reference that leads nowhere; its text names the variable or the path, never a value."""


def resolve_reference(text: str, *, environ: Mapping[str, str], directory: Path) -> str:
    """Return what ``env:NAME`` or ``file:PATH`` names; any other text is the secret itself.

    What was meant as a reference and is none would be a secret that everybody can guess, so it is refused.
    """
    scheme, colon, name = text.partition(":")
    if scheme == "file":
        return _read_secret(name, directory)
    if scheme == "env":
        return _read_variable(name, environ)
    if _SHELL.fullmatch(text) or (colon and nearest(scheme, _SCHEMES)):
        raise UnresolvedReference('looks like a reference and is none; write "env:NAME" or "file:PATH".')
    return text


def _read_variable(name: str, environ: Mapping[str, str]) -> str:
    if not _VARIABLE.fullmatch(name):
        raise UnresolvedReference('names no environment variable; write "env:NAME".')
    if environ.get(name):
        return environ[name]
    if name in environ:
        raise UnresolvedReference(f"the environment variable {name} is empty. Set it: export {name}=...")
    meant = nearest(name, environ)
    hint = f" Did you mean {meant}?" if meant else ""
    raise UnresolvedReference(f"the environment variable {name} is not set.{hint} Set it: export {name}=...")


def _read_secret(name: str, directory: Path) -> str:
    reason = "does not exist"
    path = directory / name
    try:
        path = directory / Path(name).expanduser()
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
        secret = content.decode().removesuffix("\n").removesuffix("\r")
        if secret and len(content) <= _LONGEST:
            return secret
        reason = "is too long for a secret" if secret else "is empty"
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the path or a content that is no text; RuntimeError: no home directory for "~"
        reason = f"cannot be read ({type(error).__name__})"
    raise UnresolvedReference(f"the file {str(path)!r} {reason}. Create it, readable for this user.")


@dataclass(frozen=True)
class SecretReader:
    """Walk plain values along their types and resolve the references where secrets stand.

    Where a value has another shape than its type, a validator of the plugin's may take it all the same (a list of
    keys for a table of them), so every text in it counts as secret when the type holds secrets.
    ``found`` gathers every secret that was read, so that messages can be kept free of them; ``literal`` is told where
    a secret stands in plain text, ``failed`` where a reference leads nowhere.
    """

    resolve: Callable[[str], str]
    literal: Callable[[str], None]
    failed: Callable[[str, str], None]
    found: set[str] = field(default_factory=set[str])

    def read(self, value: object, annotations: Sequence[object], place: str) -> object:
        """Return the value with the secrets at and below ``place`` in it; several types are alternatives."""
        kinds = [arm for annotation in annotations for arm in arms(annotation)]
        if isinstance(value, str):
            return self._secret(value, place) if any(map(_holds_secret, kinds)) else value
        if isinstance(value, Mapping):
            table = cast("Mapping[str, object]", value)
            return {k: self.read(item, _values_of(kinds, k) or kinds, f"{place}.{k}") for k, item in table.items()}
        if isinstance(value, Sequence):
            items = cast("Sequence[object]", value)
            return [self.read(item, _items_of(kinds, n) or kinds, f"{place}[{n}]") for n, item in enumerate(items)]
        return value

    def _secret(self, text: str, place: str) -> str:
        self.found.add(text)
        try:
            secret = self.resolve(text)
        except UnresolvedReference as error:
            self.failed(place, str(error))
            return text
        if secret == text:
            self.literal(place)
        self.found.add(secret)
        return secret


def arms(annotation: object) -> tuple[object, ...]:
    """Return the alternatives of a type, without None, with ``Annotated`` and type aliases opened."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return arms(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(arm for part in get_args(annotation) if part is not type(None) for arm in arms(part))
    alias = None if isinstance(annotation, type) else getattr(annotation, "__value__", None)
    return (annotation,) if alias is None else arms(alias)


def field_types(model: type[BaseModel]) -> dict[str, object]:
    """Return the types of a model's fields by every name a table may use for them."""
    by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    found: dict[str, object] = {}
    for name, info in model.model_fields.items():
        alias = info.validation_alias
        if isinstance(alias, str):
            found[alias] = info.annotation
        if by_name or not isinstance(alias, str):
            found[name] = info.annotation
    return found


def _values_of(kinds: Sequence[object], key: str) -> list[object]:
    found: list[object] = []
    for kind in kinds:
        model = _as_model(kind)
        if model is not None:
            found.append(field_types(model).get(key, object))
        elif _is_generic(kind, Mapping) and len(get_args(kind)) == 2:
            found.append(get_args(kind)[1])
    return found


def _items_of(kinds: Sequence[object], index: int) -> list[object]:
    found: list[object] = []
    for kind in kinds:
        inner = [arg for arg in get_args(kind) if arg is not Ellipsis]
        if inner and _is_generic(kind, Sequence, Set):
            found.append(inner[min(index, len(inner) - 1)])
    return found


def _as_model(kind: object) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _holds_secret(kind: object) -> bool:
    if isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes):
        return True
    return any(_holds_secret(part) for part in get_args(kind))


def _is_generic(kind: object, *bases: type) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, bases)
