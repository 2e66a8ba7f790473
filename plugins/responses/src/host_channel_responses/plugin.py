"""The hooks of the Responses channel, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

from pydantic import ValidationError

from agent_framework_hosting import (
    Channel,
    ChannelConfigurationError,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelResponseHook,
    ChannelRunHook,
    ChannelStreamTransformHook,
    hookimpl,
)
from agent_framework_hosting.ports import Store

from .config import ResponsesKeywords, ResponsesOptions
from .own_hooks import response_hook_of, run_hook_of
from .records import Records
from .responses_api import ResponsesApi
from .runs import Runs
from .turns import Turns


class ResponsesChannel(Channel):
    """Serve the OpenAI Responses API at the root and under ``/v1``.

    Keyword arguments are the fields of ``ResponsesOptions``, and what no file can express: ``run_hook`` changes each
    request, ``response_hook`` each answer (streams are then held until the answer is whole), ``stream_transform``
    each update of a stream. Raises ``ChannelConfigurationError`` for an option that cannot work.
    """

    name = "responses"
    path = ""
    Options: ClassVar = ResponsesOptions

    def __init__(
        self,
        *,
        path: str = "",
        run_hook: ChannelRunHook | None = None,
        response_hook: ChannelResponseHook | None = None,
        stream_transform: ChannelStreamTransformHook | None = None,
        **options: Unpack[ResponsesKeywords],
    ) -> None:
        """Check the options; nothing is opened."""
        try:
            self.options = ResponsesOptions.model_validate(options)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            problem = ChannelConfigurationError(f"Channel {self.name!r}: {faults}.")
            raise problem from None
        self.path = path
        self._runs: Runs | None = None
        self.stream_transform = stream_transform
        if run_hook is not None:
            self.run_hook = run_hook_of(run_hook)
        if response_hook is not None:
            self.response_hook = response_hook_of(response_hook)

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        """Add the routes, and end what still runs when the host stops."""
        options = self.options
        turns = Turns(context, options, self._records(context.store), channel=self.name)
        runs = self._runs = Runs(turns, max_log_bytes=options.max_log_bytes, max_held_bytes=options.max_held_log_bytes)
        api = ResponsesApi(options, turns, runs)
        return ChannelContribution(
            routes=api.routes(), on_startup=[runs.fail_left_behind], on_shutdown=[runs.shut_down]
        )

    async def forget(self, identities: Sequence[ChannelIdentity], store: Store) -> None:
        """Remove the stored responses of principals, and the logs of those that ended lately."""
        records = self._records(store)
        for identity in identities:
            await records.forget(identity.native_id)
            if self._runs is not None:
                self._runs.forget_all(identity.native_id)

    def _records(self, store: Store) -> Records:
        options = self.options
        return Records(store, per_principal=options.max_stored_responses, keep_days=options.keep_days)
