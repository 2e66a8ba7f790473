"""What a workflow keeps between two turns of a conversation, in checkpoints or, for open questions, in memory."""

from __future__ import annotations

import logging
import uuid
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from agent_framework import Workflow, WorkflowCheckpoint, WorkflowEvent
from agent_framework.exceptions import WorkflowCheckpointException

from .checkpoints import Checkpoints, Scope, label_of
from .instances import Instances
from .questions import Questions
from .turn import TurnInput

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Resumption:
    """A workflow ready for its next turn.

    ``storage`` is None when nothing of the turn is checkpointed; ``storage.restored`` is what it still has to restore.
    ``questions`` are open, in the order they were asked.
    """

    workflow: Workflow
    scope: Scope | None
    storage: RunStorage | None = None
    questions: Questions = field(default_factory=dict[str, WorkflowEvent])


class Memory:
    """Resume conversations. Workflows that wait for an answer and have no checkpoint stay alive, the latest 1000."""

    _ALIVE = 1000

    def __init__(self, instances: Instances, checkpoints: Checkpoints | None) -> None:
        self._instances = instances
        self._sample = instances.sample
        self._label = label_of(instances.sample)
        self._checkpoints = checkpoints
        self._waiting: OrderedDict[Scope, tuple[Workflow, Questions]] = OrderedDict()
        self._opened: weakref.WeakValueDictionary[Scope, Resumption] = weakref.WeakValueDictionary()

    async def resume(self, turn: TurnInput) -> Resumption:
        """Return a workflow for this turn, with what its conversation left."""
        if turn.isolation_key is None or turn.request.session_mode == "disabled":
            return Resumption(self._instances.fresh(), None)
        own = Scope(turn.isolation_key, turn.key)
        start = own if turn.parent is None else Scope(turn.isolation_key, turn.parent)
        storage = await self._storage(own, start)
        waiting = self._waiting.get(start)  # last: between here and its answer nobody else may find it
        if waiting is not None:
            # Alive, it needs nothing restored.
            resumed = Resumption(waiting[0], own, None if storage is None else RunStorage(None), waiting[1])
        else:
            restored = None if storage is None else storage.restored
            questions = {} if restored is None else restored.pending_request_info_events
            resumed = Resumption(self._instances.fresh(), own, storage, questions)
        self._opened[own] = resumed
        return resumed

    def take(self, resumed: Resumption) -> None:
        """Remove a live workflow that is about to be answered, from every thread that asked: it is answered once."""
        alive = [scope for scope, waiting in self._waiting.items() if waiting[0] is resumed.workflow]
        for scope in alive:
            del self._waiting[scope]

    async def keep(self, resumed: Resumption, questions: Questions) -> None:
        """Store what the turn left, unless it was forgotten meanwhile. A failure is logged: the answer stands."""
        scope, storage = resumed.scope, resumed.storage
        if scope is None or self._opened.get(scope) is not resumed:
            return
        settled = None if storage is None else storage.settled
        if not await self._stored(scope, resumed.workflow, settled) and questions:
            self._wait(scope, resumed.workflow, questions)

    async def carry(self, resumed: Resumption) -> None:
        """Leave the questions that a turn did not answer open in its thread as well as where it started from."""
        scope, storage = resumed.scope, resumed.storage
        if scope is None or self._opened.get(scope) is not resumed:
            return
        restored = None if storage is None else storage.restored
        if restored is None:
            self._wait(scope, resumed.workflow, resumed.questions)
        else:
            copied = replace(restored, checkpoint_id=str(uuid.uuid4()))
            await self._stored(scope, resumed.workflow, copied)

    async def forget(self, scope: Scope) -> None:
        """Remove a thread's state, or without a key everything of the person."""
        for known in [*self._opened, *self._waiting]:
            if known.isolation_key == scope.isolation_key and scope.key in (None, known.key):
                self._opened.pop(known, None)
                self._waiting.pop(known, None)
        if self._checkpoints is not None:
            await self._checkpoints.forget(scope, self._label)

    async def _storage(self, own: Scope, start: Scope) -> RunStorage | None:
        if self._checkpoints is None:
            return None
        danger = self._checkpoints.refuses(own) or self._checkpoints.refuses(start)
        if danger is not None:
            logger.warning(
                "This isolation_key (or the thread in it) cannot name a checkpoint directory: %s. The run goes on "
                "without checkpoints; have the identity resolver return another key.",
                danger,
            )
            return None
        found = await self._checkpoints.latest(start, self._label)
        return RunStorage(None if found is None else _usable(found, self._sample))

    def _wait(self, scope: Scope, workflow: Workflow, questions: Questions) -> None:
        self._waiting[scope] = (workflow, questions)
        self._waiting.move_to_end(scope)
        while len(self._waiting) > self._ALIVE:
            self._waiting.popitem(last=False)

    async def _stored(self, scope: Scope, workflow: Workflow, checkpoint: WorkflowCheckpoint | None) -> bool:
        if self._checkpoints is None or checkpoint is None:
            return False
        try:
            await self._checkpoints.keep(scope, label_of(workflow), checkpoint)
        except Exception:
            logger.exception(
                "A workflow's checkpoint could not be stored, so its conversation will not survive a restart. Check "
                "that the place is writable; types of your own in executor state need "
                "agent_framework.register_checkpoint_type.",
                extra={"workflow": workflow.name},
            )
            return False
        return True


def _usable(checkpoint: WorkflowCheckpoint, workflow: Workflow) -> WorkflowCheckpoint | None:
    if checkpoint.graph_signature_hash != workflow.graph_signature_hash:
        reason = "the workflow's graph has changed since"
    elif not (checkpoint.state or checkpoint.pending_request_info_events):
        reason = "it is empty"
    else:
        return checkpoint
    logger.warning(
        "A workflow checkpoint restored nothing: %s. The run starts afresh.", reason, extra={"workflow": workflow.name}
    )
    return None


class RunStorage:
    """Be the storage one run sees: in memory, the checkpoint to restore and the last one with no message under way.

    Only a settled checkpoint can be continued from: one taken in the middle of a run would repeat what its executors
    have already done, or fail again where it failed.
    """

    def __init__(self, restored: WorkflowCheckpoint | None) -> None:
        self.restored = restored
        self.settled: WorkflowCheckpoint | None = None

    async def save(self, checkpoint: WorkflowCheckpoint) -> str:
        """Remember a settled checkpoint."""
        if not any(checkpoint.messages.values()):
            self.settled = checkpoint
        return checkpoint.checkpoint_id

    async def load(self, checkpoint_id: str) -> WorkflowCheckpoint:
        """Return one of the two."""
        for held in self._held():
            if held.checkpoint_id == checkpoint_id:
                return held
        raise WorkflowCheckpointException(f"No checkpoint found with ID {checkpoint_id}")

    async def list_checkpoints(self, *, workflow_name: str) -> list[WorkflowCheckpoint]:
        """Return those of a workflow."""
        return [held for held in self._held() if held.workflow_name == workflow_name]

    async def list_checkpoint_ids(self, *, workflow_name: str) -> list[str]:
        """Return the ids of those of a workflow."""
        return [held.checkpoint_id for held in await self.list_checkpoints(workflow_name=workflow_name)]

    async def get_latest(self, *, workflow_name: str) -> WorkflowCheckpoint | None:
        """Return the newest of a workflow."""
        held = await self.list_checkpoints(workflow_name=workflow_name)
        return held[-1] if held else None

    async def delete(self, checkpoint_id: str) -> bool:  # noqa: ARG002 - the signature is agent-framework's
        """Refuse: both are needed until the run ends."""
        return False

    def _held(self) -> list[WorkflowCheckpoint]:
        return [held for held in (self.restored, self.settled) if held is not None]
