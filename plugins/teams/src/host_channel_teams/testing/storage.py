"""OneDrive and SharePoint, as far as bots see them: files to fetch, places to store."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response


@dataclass(slots=True)
class Storage:
    """Files by name. ``asked`` keeps the method and the Authorization header of every request."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[tuple[str, str, str | None]] = field(default_factory=list[tuple[str, str, str | None]])
    redirect: str | None = None

    async def serve(self, http: Request) -> Response:
        """Serve one file."""
        name = http.path_params["name"]
        self.asked.append((http.method, name, http.headers.get("authorization")))
        if self.redirect is not None:
            return Response(status_code=302, headers={"Location": self.redirect})
        if http.method == "PUT":
            self.files[name] = await http.body()
            return Response(status_code=201)
        return Response(self.files[name]) if name in self.files else Response(status_code=404)
