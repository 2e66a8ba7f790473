"""Error texts that may be kept: short, and without what could be a secret."""

from __future__ import annotations

import re

_LONGEST = 200
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@'\"]*@)?([^\s/?#'\"<>]*)[^\s'\"<>]*", re.IGNORECASE)
_NAMED = re.compile(
    r"\b([\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|authorization|bearer|cookie|signature)[\w-]*"
    r"(?:\"|')?\s*[:=]?\s*(?:bearer\s+|basic\s+)?)(?:\"[^\"]*\"|'[^']*'|[^\s,;&)\]}]+)",
    re.IGNORECASE,
)
_LONG_WORD = re.compile(r"[A-Za-z0-9_\-+/=.:~%]{24,}")


def redacted_error(error: BaseException) -> str:
    """Return the error's type and a short form of its text.

    Of a URL only scheme and host stay; values named like secrets and words of 24 or more characters become ``***``.
    """
    name = type(error).__name__
    text = " ".join(str(error).split())[: _LONGEST * 10]
    for pattern, kept in ((_URL, r"\1\2/***"), (_NAMED, r"\1***")):
        text = pattern.sub(kept, text)
    text = _LONG_WORD.sub(lambda word: word[0] if word[0].endswith("/***") else "***", text)
    if not text:
        return name
    return f"{name}: {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}"
