"""What ``agent-host doctor`` looks at: one check a function, each returning findings."""

from __future__ import annotations

from collections.abc import Sequence

from .access import check_access
from .channels import check_channels, check_health
from .configuration import check_configuration, check_host, check_target
from .findings import Finding
from .installation import check_dependencies, check_import_name, check_plugins
from .subject import Subject
from .surroundings import check_isolation_headers, check_port, check_state

_CHECKS = (
    check_import_name,
    check_dependencies,
    check_plugins,
    check_configuration,
    check_channels,
    check_target,
    check_host,
    check_access,
    check_isolation_headers,
    check_state,
    check_port,
    check_health,
)


def examine(subject: Subject) -> Sequence[Finding]:
    """Run every check, in the order in which faults should be mended."""
    return [finding for check in _CHECKS for finding in check(subject)]
