"""The checkpoint storage one run sees: it starts from one checkpoint and remembers the last settled one."""

from __future__ import annotations

from agent_framework import WorkflowCheckpoint
from agent_framework.exceptions import WorkflowCheckpointException


class RunStorage:
    """Hold two checkpoints in memory: the one to restore, and the last one with no message under way.

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
