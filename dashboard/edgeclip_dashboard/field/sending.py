"""Packs on their way to devices, in chunks as each device asks for them by its replies."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip.contract.topics import DeviceTopics
from edgeclip_dashboard.field.asking import Asking, Publish
from edgeclip_dashboard.field.deliveries import Delivery, PackShelf
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_field import CommandRow

VALID_S: Final = 7 * 86_400.0  # a slow link, or a device that sleeps most of the time
_CHUNK_BYTES: Final = 32_000
_ASK_AGAIN_S: Final = 10.0  # a device that says nothing may have lost a chunk, or the link
_OPEN: Final = ("sent", "accepted", "receiving")


@dataclass(frozen=True)
class _Turn:
    """What a device had said when it was last served, and when that was (monotonic seconds)."""

    said: tuple[str, int]
    at: float


class PackSending:
    """Serves the devices that take packs in; goes on after a restart where it was.

    Args:
        engine: Of the database: it has what each device said last.
        asking: Signs and sends the command.
        shelf: Has the packs.
        publish: Publishes at QoS 1; False where there is no connection.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        engine: Engine,
        asking: Asking,
        shelf: PackShelf,
        publish: Publish,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self.asking = asking
        self.shelf = shelf
        self._publish = publish
        self._monotonic = monotonic
        self._turns: dict[str, _Turn] = {}

    def send(self, identity: Identity, device_id: str, delivery: Delivery) -> str:
        """Begin to send a pack, and return the command's id.

        Raises:
            DashboardError: See `Asking.ask`; or it does not lie here any more.
        """
        args = {"sha256": delivery.sha256, "size_bytes": delivery.size_bytes}
        with self.shelf.in_use(delivery.sha256):  # until it is written down that it is needed
            return self.asking.ask(identity, device_id, "pack_add", args, VALID_S)

    def go_round(self, goes_on: Callable[[], bool]) -> None:
        """Give each device what it waits for.

        Args:
            goes_on: Whether to; asked before each device.

        Raises:
            SQLAlchemyError: The database cannot be read.
        """
        rows = self._open()
        self._turns = {
            row.command_id: self._turns[row.command_id]
            for row in rows
            if row.command_id in self._turns
        }
        for row in rows:
            if goes_on():
                self._serve(row)

    def _open(self) -> list[CommandRow]:
        query = select(CommandRow).where(
            CommandRow.name == "pack_add",
            CommandRow.dashboard_id == self.asking.author.dashboard_id,
            CommandRow.state.in_(_OPEN),
            CommandRow.not_after > datetime.now(timezone.utc),
        )
        with Session(self._engine) as session:
            return list(session.scalars(query))

    def _serve(self, row: CommandRow) -> None:
        args: dict[str, Any] = json.loads(row.args)
        said = (row.state, _received(row))
        turn, now = self._turns.get(row.command_id), self._monotonic()
        if turn is not None and turn.said == said and now - turn.at < _ASK_AGAIN_S:
            return
        self._turns[row.command_id] = _Turn(said, now)
        if row.state == "receiving" and said[1] < args["size_bytes"]:
            self._send_chunk(row, args["sha256"], said[1])
        elif row.state != "receiving" and turn is not None:  # the first time it was just sent
            self.asking.ask_again(row)

    def _send_chunk(self, row: CommandRow, sha256: str, offset: int) -> None:
        try:
            with self.shelf.path_of(sha256).open("rb") as file:
                file.seek(offset)
                data = file.read(_CHUNK_BYTES)
        except OSError as error:
            why = f"the pack cannot be read here any more ({error.strerror}): upload it again"
            self.asking.give_up(row.command_id, why)
            return
        topics = DeviceTopics(self.asking.author.project, row.device_id)
        self._publish(topics.chunk(sha256, str(offset)), data)


def _received(row: CommandRow) -> int:
    """Return how many bytes a device says to have; 0 where it says nonsense."""
    received = json.loads(row.data).get("received", 0)
    is_number = isinstance(received, int) and not isinstance(received, bool)
    return max(0, received) if is_number else 0
