"""The hooks of the Responses channel, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agent_framework_hosting import (
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelResponseHook,
    ChannelRunHook,
    Store,
    hookimpl,
)

from .config import ResponsesOptions
from .own_hooks import response_hook_of, run_hook_of
from .records import StoredResponses
from .responses_api import ResponsesApi
from .runs import Runs
from .turns import Turns


class ResponsesChannel(Channel[ResponsesOptions]):
    """Serve the OpenAI Responses API at the root and under ``/v1``.

    Keyword arguments are the fields of ``ResponsesOptions`` and a channel's common settings, and what no file can
    express: ``run_hook`` changes each request, ``response_hook`` each answer (streams are then held until the answer is
    whole), ``stream_transform`` each update of a stream. Raises ``ChannelConfigurationError`` for an option that cannot
    work.
    """

    name = "responses"
    path = ""
    Options: ClassVar = ResponsesOptions

    def __init__(
        self,
        options: ResponsesOptions | None = None,
        /,
        *,
        run_hook: ChannelRunHook | None = None,
        response_hook: ChannelResponseHook | None = None,
        **settings: object,
    ) -> None:
        """Check the options; nothing is opened."""
        super().__init__(options, **settings)
        self._runs: Runs | None = None
        if run_hook is not None:
            self.run_hook = run_hook_of(run_hook)
        if response_hook is not None:
            self.response_hook = response_hook_of(response_hook)

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        """Add the routes, and end what still runs when the host stops."""
        options = self.options
        records = StoredResponses(
            context.store, per_principal=options.max_stored_responses, keep_days=options.keep_days
        )
        turns = Turns(context, options, records, channel=self.name)
        runs = self._runs = Runs(turns, max_log_bytes=options.max_log_bytes, max_held_bytes=options.max_held_log_bytes)
        api = ResponsesApi(options, turns, runs)
        return ChannelContribution(
            routes=api.routes(),
            on_startup=[runs.fail_left_behind],
            on_shutdown=[runs.shut_down],
            tables=records.tables,
        )

    async def forget(self, identities: Sequence[ChannelIdentity], store: Store) -> None:  # noqa: ARG002 - the host's
        """Let go of the logs of what ended lately; the records go by themselves."""
        if self._runs is not None:
            for identity in identities:
                self._runs.forget_all(identity.native_id)
