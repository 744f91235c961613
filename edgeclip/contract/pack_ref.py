"""Where a pack lies in a bundle, and what its set said must hold of an image."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from edgeclip.contract.pack import Part, TaskName, Version


class PackRef(Part):
    """Where a pack lies; everything else about it stands in its own `pack.json`."""

    task: TaskName
    version: Version
    path: str
    static: dict[str, str] = Field(
        default_factory=dict,
        description="What must hold of an image, as the set had it; absent: the gate decides.",
    )

    @model_serializer(mode="wrap")
    def _without_absent_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what software that knows no keys here would refuse."""
        told: dict[str, Any] = handler(self)
        return {name: value for name, value in told.items() if name != "static" or value}
