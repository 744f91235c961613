"""Commands: a signed envelope down to a device, and the device's replies.

The signature is Ed25519 (RFC 8032) over a prefix that names the kind, then the exact bytes of the
payload: there is no canonical form to disagree about, and a bundle's signature is no command. A
counter that only grows makes each envelope good for once, whatever the device's clock says.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from edgeclip.contract.detection import DetectionId, Identifier, Message
from edgeclip.contract.signing import PublicKeys, key_id_of, sign_bytes, verify_bytes
from edgeclip.errors import SignatureError

COMMAND_SCHEMA: Final = "edgeclip.command/1"
REPLY_SCHEMA: Final = "edgeclip.reply/1"
MOST_BYTES: Final = 65_536
REPLY_EXPIRY_S: Final = 3600
LARGEST_COUNTER: Final = 2**63 - 1

Role = Literal["viewer", "operator", "admin"]
CommandKind = Literal["command", "desired"]
CommandName = Literal[
    "arm",
    "configure",
    "disarm",
    "logs",
    "pack_add",
    "pack_promote",
    "pack_rollback",
    "ping",
    "reboot",
    "restart",
    "snapshot",
    "thresholds",
]
ReplyState = Literal["accepted", "receiving", "done", "failed", "refused"]

_OPERATOR: Final[frozenset[CommandName]] = frozenset(
    {"arm", "configure", "disarm", "ping", "snapshot", "thresholds"}
)


class Command(Message):
    """What a person asks of one device."""

    schema_: Literal["edgeclip.command/1"] = Field(COMMAND_SCHEMA, alias="schema")
    command_id: DetectionId = Field(description="A UUID; the same one is never done twice.")
    name: CommandName
    args: dict[str, Any] = Field(default_factory=dict)
    project: Identifier
    device_id: Identifier
    issued_at: AwareDatetime
    not_after: AwareDatetime = Field(description="Counts while the device's clock is trusted.")
    counter: int = Field(ge=1, le=LARGEST_COUNTER, description="Grows with each of a key.")

    def to_json(self) -> bytes:
        """Return the command as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()


class Envelope(Message):
    """A command's bytes, and who vouches for them."""

    payload: str = Field(max_length=MOST_BYTES, description="Base64 of the command's JSON.")
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    signature: str = Field(max_length=200, description="Base64 of the 64 bytes of Ed25519.")

    def to_json(self) -> bytes:
        """Return the envelope as compact UTF-8 JSON."""
        return self.model_dump_json().encode()


class Reply(Message):
    """What became of a command; `done`, `failed` and `refused` are final."""

    schema_: Literal["edgeclip.reply/1"] = Field(REPLY_SCHEMA, alias="schema")
    command_id: DetectionId
    name: str = Field(max_length=64)
    device_id: Identifier
    state: ReplyState
    reason: str = Field("", max_length=300)
    data: dict[str, Any] = Field(default_factory=dict)
    at: AwareDatetime | None = Field(description="Null where the clock was not believed.")

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("done", "failed", "refused")

    def to_json(self) -> bytes:
        """Return the reply as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()


def may(role: Role, name: CommandName) -> bool:
    """Say whether a role is enough for a command."""
    return role == "admin" or (role == "operator" and name in _OPERATOR)


def sealed(command: Command, key: Ed25519PrivateKey, kind: CommandKind = "command") -> Envelope:
    """Return a signed command.

    Args:
        command: What is asked.
        key: Of the sender.
        kind: desired for a state that the broker retains, command for all else.
    """
    own = command.to_json()
    return Envelope(
        payload=base64.b64encode(own).decode(),
        key_id=key_id_of(key.public_key()),
        signature=sign_bytes(own, kind, key),
    )


def opened(data: bytes, kind: CommandKind, keys: PublicKeys) -> tuple[Command, str]:
    """Return a command that a known key has signed, and that key's id.

    Args:
        data: An envelope's JSON, of any length.
        kind: What it must be signed as.
        keys: Whose signatures are believed.

    Raises:
        SignatureError: It is no envelope, by no known key, forged, or no command.
    """
    if len(data) > MOST_BYTES:
        raise SignatureError(f"{len(data)} bytes, allowed are {MOST_BYTES}: send less")
    try:
        envelope = Envelope.model_validate_json(data)
        own = base64.b64decode(envelope.payload, validate=True)
    except (ValidationError, ValueError) as error:
        raise SignatureError("it is no signed envelope: send it with a key") from error
    if envelope.key_id not in keys:
        raise SignatureError(
            f"key {envelope.key_id} is not known here: add its public file to [commands]"
        )
    verify_bytes(own, envelope.signature, kind, keys[envelope.key_id])
    try:
        return Command.model_validate_json(own), envelope.key_id
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SignatureError(
            f"it is no command of this version: {where}: {first['msg']}"
        ) from error


def claimed_id(data: bytes) -> tuple[str, str] | None:
    """Return command_id and name of an envelope that nobody vouches for, to answer it.

    Args:
        data: Of any length and content.
    """
    try:
        own = base64.b64decode(Envelope.model_validate_json(data[:MOST_BYTES]).payload)
        command = Command.model_validate_json(own)
    except (ValidationError, ValueError):
        return None
    return command.command_id, command.name


def next_counter(last: int, now: datetime) -> int:
    """Return a counter above the last one: milliseconds since 1970, where they are.

    Args:
        last: The highest that this key has used, or 0.
        now: So that two workstations with one key need not know of each other.
    """
    return max(last + 1, round(now.timestamp() * 1000))


def roles_of(keys: Mapping[Role, PublicKeys]) -> dict[str, Role]:
    """Return the role of each key id; the highest where a key has several."""
    order: tuple[Role, ...] = ("viewer", "operator", "admin")
    return {key_id: role for role in order for key_id in keys.get(role, {})}
