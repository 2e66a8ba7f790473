"""The bot comes and goes: references are kept or closed, and newcomers are welcomed once."""

from __future__ import annotations

from .background import Background
from .feedback import FeedbackBook, from_reaction
from .once import Once
from .parsing import Activity
from .references import ReferenceBook
from .sending import Sender


class Lifecycle:
    """Handle every activity that is no message and no invoke. Edits and deletions start nothing."""

    def __init__(
        self,
        book: ReferenceBook,
        sender: Sender,
        welcomed: Once,
        feedback: FeedbackBook,
        background: Background,
        *,
        welcome: str,
    ) -> None:
        self._book = book
        self._sender = sender
        self._welcomed = welcomed
        self._feedback = feedback
        self._background = background
        self._welcome = welcome

    async def installed(self, activity: Activity) -> None:
        """Handle ``installationUpdate``; an update of the app is no news to anybody."""
        if activity.action == "remove":
            await self._left(activity)
            return
        await self._book.remember(activity.reference)
        if activity.action == "add":
            await self._greet(activity)

    async def members(self, activity: Activity) -> None:
        """Handle ``conversationUpdate``: only the bot itself matters, and people in its personal chat."""
        bot = activity.reference.bot_id
        if bot in activity.removed:
            await self._left(activity)
            return
        await self._book.remember(activity.reference)
        if bot in activity.added or (activity.added and not activity.is_group):
            await self._greet(activity)

    async def reaction(self, activity: Activity) -> None:
        """Keep a reaction as an opinion."""
        if activity.reactions:
            await self._feedback.take(from_reaction(activity))

    async def _greet(self, activity: Activity) -> None:
        if self._welcome and await self._welcomed.first(activity.reference.room, activity.reference.owner):
            self._background.start(self._sender.say(self._welcome, activity.reference))

    async def _left(self, activity: Activity) -> None:
        await self._book.retire(activity.reference, "removed")
        await self._welcomed.forget(activity.reference.room)
