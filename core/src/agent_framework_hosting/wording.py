"""Words that many messages share: the name that was meant, and what pydantic found; never a value."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

HINT = 0.6
"""How alike two names are before one is suggested: a swapped, missing or added letter, or one of two words."""
SURE = 0.9
"""How alike they are before that alone decides something: one letter in ten."""

_WORDS: Mapping[str, str] = {
    "string_type": "must be a string.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "float_parsing": "must be a number.",
    "finite_number": "must be a finite number.",
    "list_type": "must be a list.",
    "tuple_type": "must be a list.",
    "set_type": "must be a list.",
    "frozen_set_type": "must be a list.",
    "iterable_type": "must be a list.",
    "dict_type": "must be a table.",
    "mapping_type": "must be a table.",
    "model_type": "must be a table.",
    "model_attributes_type": "must be a table.",
    "dataclass_type": "must be a table.",
    "time_delta_type": 'must be a duration such as "PT30S".',
    "time_delta_parsing": 'must be a duration such as "PT30S".',
    "url_parsing": "must be a URL.",
    "url_type": "must be a URL.",
    "url_syntax_violation": "must be a URL.",
    "url_scheme": "must be a URL beginning with {expected_schemes}.",
    "missing": "is required.",
    "extra_forbidden": "unknown key.",
    "literal_error": "must be {expected}.",
    "enum": "must be {expected}.",
    "greater_than": "must be above {gt}.",
    "greater_than_equal": "must be {ge} or more.",
    "less_than": "must be below {lt}.",
    "less_than_equal": "must be {le} or less.",
    "multiple_of": "must be a multiple of {multiple_of}.",
    "string_too_short": "must have {min_length} characters or more.",
    "string_too_long": "must have {max_length} characters or fewer.",
    "string_pattern_mismatch": "must match the pattern {pattern}.",
    "too_short": "must have {min_length} entries or more.",
    "too_long": "must have {max_length} entries or fewer.",
}


def nearest(name: str, known: Iterable[str], *, alike: float = HINT) -> str | None:
    """Return the known name that was probably meant, written alike or in another case, or None.

    ``alike`` is ``HINT`` or ``SURE``.
    """
    names = sorted(known)
    as_written = difflib.get_close_matches(name, names, n=1, cutoff=alike)
    if as_written:
        return as_written[0]
    folded = {each.casefold(): each for each in names}
    in_any_case = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=alike)
    return folded[in_any_case[0]] if in_any_case else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the sentence that suggests the name that was meant, a space before it, or ``otherwise``."""
    meant = nearest(name, known)
    return otherwise if meant is None else f" Did you mean {meant!r}?"


def check(
    model: type[BaseModel], given: Mapping[str, object], *, known: Collection[str]
) -> tuple[BaseModel | None, list[str]]:
    """Return the checked options, or None and one sentence per fault; ``known`` are the names a wrong one may mean."""
    from pydantic import ValidationError  # noqa: PLC0415 - loaded already by whoever declared the model

    aliases = (field.validation_alias for field in model.model_fields.values())
    named = {*model.model_fields, *(alias for alias in aliases if isinstance(alias, str))}
    strangers = [] if model.model_config.get("extra") == "allow" else [name for name in given if name not in named]
    faults = [f"{name}: unknown option.{did_you_mean(name, known)}" for name in strangers]
    own = {name: value for name, value in given.items() if name not in strangers}
    try:
        checked = model.model_validate(own)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    else:
        return (None if faults else checked), faults
    fields = model.model_fields.items()
    secrets = [text for name, field in fields if _is_secret(field.annotation) for text in _texts(own.get(name))]
    for detail in details:
        shown = _texts(own.get(str(detail["loc"][0]))) if detail["loc"] else ()
        place = ".".join(map(str, detail["loc"])) or "options"
        faults.append(f"{place}: {say(detail, [*secrets, *shown])}")
    return None, list(dict.fromkeys(faults))


def _is_secret(annotation: object) -> bool:
    from pydantic import SecretBytes, SecretStr  # noqa: PLC0415 - as above

    if isinstance(annotation, type) and issubclass(annotation, SecretStr | SecretBytes):
        return True
    return any(map(_is_secret, get_args(annotation)))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a value, those in secrets too."""
    shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value  # type: ignore[attr-defined]
    if isinstance(shown, str):
        yield shown
    elif isinstance(shown, Mapping):
        for item in cast("Mapping[object, object]", shown).values():
            yield from _texts(item)
    elif isinstance(shown, list | tuple | set | frozenset):
        for item in cast("Collection[object]", shown):
            yield from _texts(item)


def say(detail: ErrorDetails, hidden: Iterable[str]) -> str:
    """Return what pydantic found as the end of a sentence; it quotes no value, and no text that holds a hidden one."""
    words = _WORDS.get(detail["type"])
    if words is not None:
        return words.format_map(detail.get("ctx", {}))
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return "is not accepted." if reveals(text, hidden) else f"{' '.join(text.split()).rstrip('.')}."


def reveals(text: str, hidden: Iterable[str]) -> bool:
    """Say whether a text holds six characters in a row of a value that must not be shown, or all of a shorter one."""
    for value in hidden:
        width = min(6, len(value))
        if width and any(value[at : at + width] in text for at in range(len(value) - width + 1)):
            return True
    return False
