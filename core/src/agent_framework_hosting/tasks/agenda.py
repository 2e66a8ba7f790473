"""Which task may be tried next: by time, and in order within each lane. Plain data, no I/O, no clock."""

from __future__ import annotations

import heapq
from itertools import count


class Entry:
    """One task that waits or runs."""

    __slots__ = ("at_head", "due", "follower", "gone", "lane", "running", "task_id")

    def __init__(self, task_id: str, lane: str, due: float) -> None:
        self.task_id = task_id
        self.lane = lane
        self.due = due
        self.follower: Entry | None = None
        self.at_head = False
        self.running = False
        self.gone = False


class Agenda:
    """Hold the tasks that are not done, a few hundred bytes each.

    The first of a lane holds the others back until it is done, also while it waits for its next attempt; lanes do not
    touch each other.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._last_of: dict[str, Entry] = {}
        self._heap: list[tuple[float, int, Entry]] = []
        self._ticket = count()

    def __len__(self) -> int:
        """Return the number of tasks that are not done."""
        return len(self._entries)

    def __contains__(self, task_id: str) -> bool:
        """Whether a task is not done."""
        return task_id in self._entries

    def is_running(self, task_id: str) -> bool:
        """Whether a task was taken and not given back."""
        entry = self._entries.get(task_id)
        return entry is not None and entry.running

    def add(self, task_id: str, lane: str, due: float) -> None:
        """Append a task to its lane; a task that is there already stays where it is."""
        if task_id in self._entries:
            return
        entry = self._entries[task_id] = Entry(task_id, lane, due)
        before = self._last_of.get(lane)
        self._last_of[lane] = entry
        if before is None:
            self._lead(entry)
        else:
            before.follower = entry

    def take(self, now: float) -> Entry | None:
        """Return a task that is due at the head of its lane, as running; None when there is none."""
        while self._heap and (self._heap[0][2].gone or self._heap[0][0] <= now):
            entry = heapq.heappop(self._heap)[2]
            if not entry.gone:
                entry.running = True
                return entry
        return None

    def next_due(self) -> float | None:
        """Return when ``take`` will next have something, or None."""
        while self._heap and self._heap[0][2].gone:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def retry(self, entry: Entry, due: float) -> None:
        """Put a taken task back at the head of its lane."""
        entry.running = False
        entry.due = due
        self._lead(entry)

    def finish(self, entry: Entry) -> None:
        """Forget a taken task and let its lane go on."""
        self._entries.pop(entry.task_id, None)
        self._let_follow(entry)

    def remove(self, task_id: str) -> bool:
        """Forget a waiting task; False when it is not known or is running."""
        entry = self._entries.get(task_id)
        if entry is None or entry.running:
            return False
        entry.gone = True
        del self._entries[task_id]
        if entry.at_head:
            self._let_follow(entry)
        return True

    def task_ids(self) -> list[str]:
        """Return the ids of all tasks that are not done."""
        return list(self._entries)

    def take_out_waiting(self) -> frozenset[str]:
        """Forget all tasks that do not run; return the ids of all there were."""
        known = frozenset(self._entries)
        for task_id in known:
            self.remove(task_id)
        return known

    def _lead(self, entry: Entry) -> None:
        entry.at_head = True
        heapq.heappush(self._heap, (entry.due, next(self._ticket), entry))

    def _let_follow(self, entry: Entry) -> None:
        follower = entry.follower
        while follower is not None and follower.gone:
            follower = follower.follower
        if follower is not None:
            self._lead(follower)
        else:
            del self._last_of[entry.lane]
