"""Whether a task of a registry is new or goes on from a known one, and where its pack will lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.pack import version_numbers
from edgeclip.errors import ConfigError
from edgeclip.registry.folder import held_in, place_of
from edgeclip.registry.held import Held
from edgeclip.task_names import is_task_name

FIRST = "1.0.0"


@dataclass(frozen=True)
class Allocation:
    """What a training into a registry is.

    Attributes:
        out: Where the pack will lie.
        version: Its version.
        on: The pack that it stands on, or None.
        said: Why, in a sentence for the person.
    """

    out: Path
    version: str
    on: Path | None
    said: str


def allocate(
    registry: Path, task: str, *, on: Path | None = None, version: str | None = None
) -> Allocation:
    """Return where a task's next pack goes, and what it stands on.

    A task that is known goes on from its newest pack, whose adapters stay bit for bit, where that
    can be built upon; one that reaches into the encoder is followed by a pack of its own, with the
    next major version. So is any pack where a person names a higher major version.

    Args:
        registry: A folder of packs, which may not be there yet.
        task: Of the pack to be.
        on: The pack that a person names to stand on.
        version: What a person names.

    Raises:
        ConfigError: The task is no name, or the version is not above the task's newest.
        PackError: A pack of the registry is damaged.
    """
    _require_name(task)
    held = held_in(registry)
    own = [each for each in held if each.manifest.task == task]
    newest = max(own, key=lambda each: each.order, default=None)
    if newest is None:
        chosen, said = version or FIRST, f"{task} is new here, beside {_tasks(held)}"
        return Allocation(place_of(registry, task, chosen), chosen, on, said)
    major, minor, _ = version_numbers(newest.manifest.version)
    is_new_major = version is not None and version_numbers(version)[0] > major
    goes_on = on is None and newest.manifest.graph == "head" and not is_new_major
    chosen = version or (f"{major}.{minor + 1}.0" if goes_on or on else f"{major + 1}.0.0")
    _require_above(chosen, newest)
    if goes_on:
        said = f"{task} is known: it goes on from {newest.name}"
        return Allocation(place_of(registry, task, chosen), chosen, newest.path, said)
    why = "as asked" if on or is_new_major else f"{newest.name} cannot be built upon"
    return Allocation(place_of(registry, task, chosen), chosen, on, f"{task} is known; {why}")


def _require_name(task: str) -> None:
    """Refuse a name that would be no folder of the registry, or one outside of it."""
    if not is_task_name(task):
        raise ConfigError(
            f"--task {task!r} is no name: write up to 32 letters a-z, digits and -, as big-cat"
        )


def _require_above(version: str, newest: Held) -> None:
    if version_numbers(version) <= version_numbers(newest.manifest.version):
        raise ConfigError(
            f"--version {version} is not above {newest.name}: devices take higher versions only"
        )


def _tasks(held: Sequence[Held]) -> str:
    tasks = sorted({each.manifest.task for each in held})
    return ", ".join(tasks) if tasks else "no other task"
