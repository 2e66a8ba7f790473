"""Error texts that may be kept: short, and without what could be a secret."""

from __future__ import annotations

import re

from ..records import replace_surrogates

_LONGEST = 200
_SECRETS = re.compile(
    r"""
    \b(?P<server>[a-z][a-z0-9+.-]*://)(?:[^\s/@'"]*@)?(?P<host>[^\s/?#'"<>]*)[^\s'"<>]*
    | \b(?P<name>[\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|authorization|bearer|cookie|signature)[\w-]*
        ["']?\s*[:=]?\s*(?:bearer\s+|basic\s+)?)(?:"[^"]*"|'[^']*'|[^\s,;&)\]}]+)
    | [A-Za-z0-9_\-+/=.:~%]{24,}
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redacted_error(error: BaseException) -> str:
    """Return the error's type and a short form of its text.

    Of a URL only scheme and host stay; values named like secrets and words of 24 or more characters become ``***``.
    """
    name = type(error).__name__
    text = _SECRETS.sub(_masked, " ".join(replace_surrogates(str(error)).split())[: _LONGEST * 10])
    if not text:
        return name
    return f"{name}: {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}"


def _masked(found: re.Match[str]) -> str:
    if found["server"]:
        return f"{found['server']}{found['host']}/***"
    return f"{found['name'] or ''}***"
