"""One request, one answer: the same for a live host and for a stopped one."""

from __future__ import annotations

import logging

from ..errors import OperationRefused, StoreError
from . import requests as ask
from .answers import Answer, Tables
from .deliveries import Deliveries
from .forget import Forgetting
from .opened import OpenedState
from .people import PeopleView
from .trace import Tracer

logger = logging.getLogger("agent_framework_hosting.operations")

_FOREIGN_RUNNER = (
    "This host's deliveries are carried by a task runner of its own choice, which keeps no table here; use the tools "
    "of that runner."
)
_CHANGES = (
    ask.ReplayDeliveries,
    ask.DropDeliveries,
    ask.PurgeDeliveries,
    ask.ForgetIdentity,
    ask.RevokeLink,
)


class Desk:
    """Answer an operator from the opened state of one host."""

    def __init__(self, state: OpenedState) -> None:
        self._catalog = state.catalog
        self._deliveries = None if state.tasks is None else Deliveries(state.tasks)
        self._tracer = Tracer(state.store, state.journal, self._deliveries)
        self._people = PeopleView(state.people)
        self._forgetting = Forgetting(state, self._people)

    async def answer(self, request: ask.Request) -> Answer:
        """Do what is asked. Raises ``OperationRefused`` with a sentence for what cannot be done."""
        try:
            answer = await self._answer(request)
        except StoreError as error:
            raise OperationRefused(str(error)) from error
        if isinstance(request, _CHANGES):
            logger.info("An operator changed state", extra={"operation": type(request).__struct_config__.tag})
        return answer

    async def _answer(self, request: ask.Request) -> Answer:
        match request:
            case ask.TraceMessage():
                return await self._tracer.trace(request.id)
            case ask.ListTables():
                return Tables(await self._catalog.report())
            case ask.ForgetIdentity():
                return await self._forgetting.forget(request.key)
            case ask.ListIdentities() | ask.ShowIdentity() | ask.ListLinks() | ask.RevokeLink():
                return await self._of_people(request)
            case _:
                return await self._of_deliveries(request)

    async def _of_people(self, request: ask.PeopleRequest) -> Answer:
        match request:
            case ask.ListIdentities():
                return self._people.list(request)
            case ask.ShowIdentity():
                return self._people.show(request.key)
            case ask.ListLinks():
                return self._people.links(request)
            case ask.RevokeLink():
                return await self._people.revoke(request.key)

    async def _of_deliveries(self, request: ask.DeliveryRequest) -> Answer:
        deliveries = self._deliveries
        if deliveries is None:
            raise OperationRefused(_FOREIGN_RUNNER)
        match request:
            case ask.ListDeliveries():
                return await deliveries.list(request)
            case ask.ShowDelivery():
                return await deliveries.show(request.id)
            case ask.ReplayDeliveries():
                return await deliveries.replay(request)
            case ask.DropDeliveries():
                return await deliveries.drop(request)
            case ask.PurgeDeliveries():
                return await deliveries.purge(request)
