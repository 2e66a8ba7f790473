"""The configuration: can it be read, does every key fit, does the target import, does it make a host."""

from __future__ import annotations

from collections.abc import Iterator

from ...config.values import Problem
from .subject import Finding, Subject, command_in

_UNKNOWN = "A key that is not known does nothing where it was meant to do something; the host does not start."
_UNSET = "Without it the channel cannot prove who it is, or cannot tell who calls; the host does not start."
_WRONG = "The host does not guess what was meant; it does not start."


def check_configuration(subject: Subject) -> Iterator[Finding]:
    """Find files that cannot be read, keys that do not fit, secrets that are not set or stand in plain text."""
    label = subject.config.origin.label
    if subject.config_fault is not None:
        yield Finding("fault", "configuration", subject.config_fault, _WRONG, f"edit {_file_in(subject.config_fault)}")
        return
    if not subject.config_exists:
        yield Finding(
            "warning",
            "configuration",
            f"There is no {label} here.",
            "Target, channels and state then have to be named on the command line or in Python.",
            "agent-host serve app:agent -c responses",
        )
        return
    for problem in subject.problems:
        yield _of(problem)
    for name, options in subject.options.items():
        for place in options.literals:
            yield Finding(
                "warning",
                "secrets",
                f"{label}: [channels.{name}] {place} is a secret in plain text.",
                "Whoever reads the file, a backup or the repository has it.",
                f'{place.partition("[")[0]} = "env:NAME" or "file:PATH", and a new secret',
            )
    if not subject.problems:
        yield Finding("ok", "configuration", f"{label} is valid.")


def _of(problem: Problem) -> Finding:
    is_missing = problem.text.startswith("is required")
    is_unset = is_missing or problem.text.startswith(("the environment variable", "the file"))
    why = _UNSET if is_unset else _UNKNOWN if problem.text.startswith("unknown key") else _WRONG
    place = (
        f"edit {problem.origin}" if not problem.origin.startswith("environment") else f"correct the {problem.origin}"
    )
    advice = problem.text.removeprefix("is required: ").removesuffix(".") if is_missing else place
    do = command_in(problem.text, advice)
    return Finding("fault", "secrets" if is_unset else "configuration", str(problem), why, do)


def _file_in(fault: str) -> str:
    return fault.partition(":")[0]


def check_target(subject: Subject) -> Iterator[Finding]:
    """Find a target that is missing or does not import."""
    spec = subject.config.target
    if subject.target_fault is not None:
        yield Finding(
            "fault",
            "target",
            subject.target_fault,
            "Without its target the host has nothing to serve.",
            f"agent-host serve {spec} --debug",
        )
    elif spec is not None:
        yield Finding("ok", "target", f"{spec} imports ({type(subject.target).__name__}).")
    elif subject.config_exists and subject.config_fault is None:
        yield Finding(
            "warning",
            "target",
            f"{subject.config.origin.label} names no target.",
            '"agent-host serve" then needs one as its argument.',
            'target = "app:agent"',
        )


def check_host(subject: Subject) -> Iterator[Finding]:
    """Find settings that are right one by one and do not work together."""
    for sentence in subject.host_warnings:
        advice = f"edit {subject.config.origin.label}"
        yield Finding("warning", "host", sentence, "A setting does not do what it seems to.", advice)
    if subject.host_fault is not None:
        for line in subject.host_fault.splitlines():
            yield Finding(
                "fault",
                "host",
                line,
                "The host refuses to start like this.",
                command_in(line, f"edit {subject.config.origin.label}"),
            )
    elif subject.host is not None:
        yield Finding("ok", "host", "Target, channels and settings fit together.")
