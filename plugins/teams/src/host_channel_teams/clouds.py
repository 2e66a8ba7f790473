"""Where Microsoft's services are, by cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

CloudName: TypeAlias = Literal["public", "us_government", "us_government_dod", "china"]

_US_METADATA = "https://login.botframework.azure.us/v1/.well-known/openidconfiguration"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: who issues tokens, where ours come from, and which hosts may be talked to.

    A host that begins with ``*.`` stands for every name below it. ``login_tenant`` is for multi-tenant apps.
    """

    issuer: str
    metadata_url: str
    login_url: str
    login_tenant: str
    scope: str
    token_service_url: str
    service_url: str
    service_hosts: tuple[str, ...]
    file_hosts: tuple[str, ...]


CLOUDS: Mapping[CloudName, Cloud] = MappingProxyType({
    "public": Cloud(
        issuer="https://api.botframework.com",
        metadata_url="https://login.botframework.com/v1/.well-known/openidconfiguration",
        login_url="https://login.microsoftonline.com",
        login_tenant="botframework.com",
        scope="https://api.botframework.com/.default",
        token_service_url="https://token.botframework.com",  # noqa: S106 - an address
        service_url="https://smba.trafficmanager.net/teams/",
        service_hosts=("smba.trafficmanager.net", "smba.infra.gcc.teams.microsoft.com"),
        file_hosts=("*.sharepoint.com", "*.onedrive.com", "*.1drv.com"),
    ),
    "us_government": Cloud(
        issuer="https://api.botframework.us",
        metadata_url=_US_METADATA,
        login_url="https://login.microsoftonline.us",
        login_tenant="MicrosoftServices.onmicrosoft.us",
        scope="https://api.botframework.us/.default",
        token_service_url="https://tokengcch.botframework.azure.us",  # noqa: S106 - an address
        service_url="https://smba.infra.gov.teams.microsoft.us/teams/",
        service_hosts=("smba.infra.gov.teams.microsoft.us",),
        file_hosts=("*.sharepoint.us",),
    ),
    "us_government_dod": Cloud(
        issuer="https://api.botframework.us",
        metadata_url=_US_METADATA,
        login_url="https://login.microsoftonline.us",
        login_tenant="MicrosoftServices.onmicrosoft.us",
        scope="https://api.botframework.us/.default",
        token_service_url="https://apidod.botframework.azure.us",  # noqa: S106 - an address
        service_url="https://smba.infra.dod.teams.microsoft.us/teams/",
        service_hosts=("smba.infra.dod.teams.microsoft.us",),
        file_hosts=("*.sharepoint-mil.us",),
    ),
    "china": Cloud(
        issuer="https://api.botframework.azure.cn",
        metadata_url="https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
        login_url="https://login.partner.microsoftonline.cn",
        login_tenant="microsoftservices.partner.onmschina.cn",
        scope="https://api.botframework.azure.cn/.default",
        token_service_url="https://token.botframework.azure.cn",  # noqa: S106 - an address
        service_url="https://teams.botframework.azure.cn/teams/",
        service_hosts=("*.botframework.azure.cn",),
        file_hosts=("*.sharepoint.cn",),
    ),
})  # fmt: skip
