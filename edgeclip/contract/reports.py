"""Status and info: what a device says of itself, retained by the broker."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from edgeclip.contract.detection import Epoch, Identifier, Message, Name
from edgeclip.contract.pack import Sha256

STATUS_SCHEMA: Final = "edgeclip.status/1"
INFO_SCHEMA: Final = "edgeclip.info/1"


class Status(Message):
    """Whether a device or the dashboard is there; `offline` is its last will."""

    schema_: Literal["edgeclip.status/1"] = Field(STATUS_SCHEMA, alias="schema")
    state: Literal["online", "stopped", "sleeping", "updating", "offline"]
    since: AwareDatetime | None
    bdseq: int = Field(ge=0, description="Pairs a will with its birth.")
    boot_id: Epoch | None = None
    reason: str | None = None
    next_wake_at: AwareDatetime | None = Field(
        None, description="While sleeping: when work begins again; null where a trigger decides."
    )

    def to_json(self) -> bytes:
        """Return the status as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()


class Info(Message):
    """The birth certificate: what runs on a device."""

    schema_: Literal["edgeclip.info/1"] = Field(INFO_SCHEMA, alias="schema")
    device_id: Identifier
    project: Identifier
    deployment_id: Identifier
    camera_id: Identifier
    edgeclip_version: Name
    pack: Name | None = Field(description="task@version; null until detect has run.")
    backend: Name | None
    precision: Name | None
    rung: int | None = Field(
        None, ge=1, le=4, description="Place on the ladder of precision; 4 is ONNX Runtime."
    )
    degraded_precision: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="The alarm of that name: why it is below rung 1; null: it need not be."
    )
    source: Name | None
    machine: Name
    started_at: AwareDatetime | None
    armed: bool = Field(True, description="Whether frames are classified; see the commands.")
    desired_sha256: Sha256 | None = Field(
        None, description="Of the desired state that detect runs with; null: it has none."
    )
    command_counters: dict[str, int] = Field(
        default_factory=dict, description="Highest counter of a command, by key id."
    )
    module: Name | None = Field(None, description="The board, by its device tree.")
    l4t: Name | None = Field(None, description="NVIDIA's system below JetPack, as 36.4.3.")
    serial_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = Field(
        None, description="First digits of the hash of the board's serial number."
    )
    libraries: dict[str, Name] = Field(
        default_factory=dict, description="Versions of what may run a graph, and of CUDA."
    )
    packs_available: list[Name] = Field(
        default_factory=list, description="All of the bundle's, as task@version."
    )
    config_sha256: Sha256 | None = Field(
        None, description="Of the settings in use, without coordinates."
    )
    capabilities: list[Name] = Field(
        default_factory=list, description="Optional kinds of messages that it sends."
    )

    def to_json(self) -> bytes:
        """Return the info as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()
