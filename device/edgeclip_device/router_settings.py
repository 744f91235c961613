"""Table `[router]` of the configuration: which packs of the bundle share the camera."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from edgeclip.contract.detection import Identifier
from edgeclip.contract.pack import TaskName
from edgeclip.contract.settings import Settings


class RoutedPackSettings(Settings):
    """One entry of `[router].packs`: a pack, and what must hold of a frame for it to be asked."""

    task: TaskName = Field(
        description="Of a pack in the bundle; with no more it has the static keys of its set."
    )
    camera: Identifier | None = Field(None, description="Only on this camera.")
    deployment: Identifier | None = Field(None, description="Only at this deployment.")
    light: Literal["day", "infrared"] | None = Field(None, description="Only in this light.")

    @property
    def static(self) -> dict[str, str]:
        """What must hold of a frame; empty where prototypes decide."""
        known = self.model_dump(exclude={"task"}, exclude_none=True)
        return {key: str(value) for key, value in known.items()}


class RouterSettings(Settings):
    """Table `[router]`: several packs of one bundle before one camera."""

    packs: list[RoutedPackSettings] = Field(
        default_factory=list,
        max_length=8,
        description="Packs that share the camera; none: the one of `[inference].task` alone.",
    )
    ask: Literal["one", "all"] = Field(
        "one", description="Which of them answers for a frame: the fitting one, or all that fit."
    )
    fallback: TaskName | None = Field(
        None, description="With one: who answers where none fits; without it the first pack."
    )

    gate: Literal["learned", "prototypes"] | None = Field(
        None,
        description="With one: who chooses where no keys hold; without it the bundle's learned"
        " gate, or prototypes where it has none.",
    )

    @model_validator(mode="after")
    def _a_gate_chooses_one(self) -> RouterSettings:
        if self.gate == "learned" and self.ask == "all":
            raise ValueError('gate = "learned" chooses, and ask = "all" asks all: leave one out')
        return self

    @model_validator(mode="after")
    def _tasks_are_told_apart(self) -> RouterSettings:
        tasks = [pack.task for pack in self.packs]
        if len(set(tasks)) != len(tasks):
            raise ValueError("a task stands twice in packs")
        if self.fallback is not None and self.fallback not in tasks:
            raise ValueError(f"fallback = {self.fallback} is none of the packs {', '.join(tasks)}")
        return self
