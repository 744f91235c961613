"""Messages between the network thread and the receiving thread: bounded by number and bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """A message as the broker delivered it.

    Attributes:
        topic: Its topic.
        payload: Its bytes.
        acknowledge: Tells the broker that it is stored; without that the broker keeps it.
    """

    topic: str
    payload: bytes
    acknowledge: Callable[[], None]


class Inbox:
    """A queue that refuses what does not fit: the broker keeps it and delivers it again.

    MQTT's own flow control is no bound: mosquitto 2.0.11 was seen to deliver hundreds beyond the
    receive maximum once acknowledgements and publishes cross.

    Args:
        most_messages: Deliveries held at once.
        most_bytes: Their payloads' size together.
    """

    def __init__(self, *, most_messages: int = 20_000, most_bytes: int = 128_000_000) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._deliveries: deque[Delivery] = deque()
        self._bytes = 0
        self._dropped = 0
        self._owed = False
        self._changed = threading.Condition()

    @property
    def dropped(self) -> int:
        """How many deliveries did not fit since the start."""
        return self._dropped

    def ask_again(self) -> bool:
        """Say, once, that there is room again for what did not fit."""
        with self._changed:
            has_room = self._owed and not self._deliveries
            self._owed = self._owed and not has_room
            return has_room

    def __len__(self) -> int:
        return len(self._deliveries)

    def put(self, delivery: Delivery) -> bool:
        """Add a delivery without waiting; False if it does not fit."""
        with self._changed:
            size_bytes = len(delivery.payload)
            is_full = len(self._deliveries) >= self._most_messages
            if is_full or (self._bytes and self._bytes + size_bytes > self._most_bytes):
                self._dropped += 1
                self._owed = True
                return False
            self._deliveries.append(delivery)
            self._bytes += size_bytes
            self._changed.notify()
            return True

    def take(self, most: int, *, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries; waits for the first, at most `wait_s` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._deliveries, timeout=wait_s)
            taken = [self._deliveries.popleft() for _ in range(min(most, len(self._deliveries)))]
            self._bytes -= sum(len(delivery.payload) for delivery in taken)
            return taken
