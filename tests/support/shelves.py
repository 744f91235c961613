"""A shelf with versions of a pack, and what sends them to a device."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.commands import CommandName
from edgeclip.contract.signing import make_key, read_private_key
from edgeclip_dashboard.field.asking import Asking, Author
from edgeclip_dashboard.field.clearing import OnShelf, read_shelf, remove_pack
from edgeclip_dashboard.field.deliveries import Delivery, PackShelf
from edgeclip_dashboard.field.sending import PackSending
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.messages_field import ReplyMessage
from edgeclip_dashboard.models_people import Deed
from support.reports_of_a_device import DEVICE, reply

if TYPE_CHECKING:
    from dashboard.conftest import Desk

ADMIN = Identity("ana", "admin")
VERSIONS = ("1.1.0", "1.2.0")


@dataclass
class Shelved:
    """A store and a shelf with two versions of a pack, and what sends them."""

    desk: Desk
    shelf: PackShelf
    sending: PackSending
    packs: dict[str, Delivery]

    def send(self, version: str, state: str | None = None, **data: Any) -> str:
        """Send a version to the device, which answers in the given state, if it does."""
        command_id = self.sending.send(ADMIN, DEVICE, self.packs[version])
        if state is not None:
            self.answer(command_id, state, **data)
        return command_id

    def answer(self, command_id: str, state: str, reason: str = "", **data: Any) -> None:
        """Let the device answer."""
        self.desk.commit(ReplyMessage(reply(command_id, state, reason=reason, data=data)))

    def found(self, now: datetime | None = None) -> dict[str, OnShelf]:
        return {one.kept.packs[0].split("@")[1]: one for one in self.found_all(now)}

    def found_all(self, now: datetime | None = None) -> tuple[OnShelf, ...]:
        """Return what lies here, with why it stays."""
        with Session(self.desk.engine) as session:
            return read_shelf(session, self.shelf, now or datetime.now(timezone.utc))

    def reasons(self, now: datetime | None = None) -> tuple[str, ...]:
        """Return why each version stays."""
        found = self.found(now)
        return tuple(found[version].reason for version in VERSIONS)

    def remove(self, version: str, identity: Identity = ADMIN) -> None:
        now = datetime.now(timezone.utc)
        sha256 = self.packs[version].sha256
        remove_pack(self.desk.engine, self.shelf, identity, sha256, now)

    def is_here(self, version: str) -> bool:
        return self.shelf.path_of(self.packs[version].sha256).exists()

    def deeds(self) -> list[tuple[str, str, str]]:
        with Session(self.desk.engine) as session:
            rows = session.scalars(select(Deed).where(Deed.deed == "pack removed"))
            return [(row.account_name, row.deed, row.subject) for row in rows]

    def ask(self, name: CommandName, state: str | None = None, **more: Any) -> str:
        """Ask something of the device, which answers in the given state, if it does."""
        args = more.pop("args", {})
        command_id = self.sending.asking.ask(ADMIN, DEVICE, name, args)
        if state is not None:
            self.answer(command_id, state, **more)
        return command_id


def shelve(desk: Desk, folder: Path, delivered: Mapping[str, Path]) -> Shelved:
    """Return a shelf in a folder with deliveries, as uploads leave it."""
    make_key(folder / "key")
    author = Author("demo", "dashboard", read_private_key(folder / "key"))
    asking = Asking(desk.engine, author, lambda *_: True, lambda: None)
    shelf = PackShelf(folder / "packs", 10_000_000)
    packs = {}
    for version, path in delivered.items():
        place = shelf.place_for_upload()
        shutil.copyfile(path, place)
        packs[version] = shelf.take_in(place)
    return Shelved(desk, shelf, PackSending(desk.engine, asking, shelf, lambda *_: True), packs)
