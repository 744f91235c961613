"""Static keys that no image of an archive can answer to: a word that was mistyped, or not given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeclip.archive.records import Record
from edgeclip.contract.routing import RouterRow
from edgeclip.contract.static_facts import LIGHT, LIGHTS, PLACES


@dataclass
class AskedKeys:
    """What packs ask of images, beside what images say.

    Attributes:
        rows: One a pack.
        given: What a person says of all images.
        any_read: Whether an image could be read.
        any_placed: Whether the place of one is known.
    """

    rows: Sequence[RouterRow]
    given: Mapping[str, str]
    any_read: bool = False
    any_placed: bool = False

    def saw(self, record: Record) -> None:
        """Take note of an image."""
        if record.failure is None:
            self.any_read = True
            self.any_placed |= bool(record.location)

    def notes(self) -> list[str]:
        """Return a line for each key and pack that no image could be of."""
        return [*self._without_value(), *self._impossible()] if self.any_read else []

    def _without_value(self) -> Iterator[str]:
        known = {LIGHT, *self.given, *(PLACES if self.any_placed else ())}
        for row in self.rows:
            for key, value in row.static.items():
                if key not in known:
                    yield (
                        f"no image has a value of {key}, and {row.name} asks for {key}={value}: say"
                        f" it by --fact {key}={value} where it holds of all images, or combine the"
                        " packs again with the key that is meant"
                    )

    def _impossible(self) -> Iterator[str]:
        for row in self.rows:
            if row.static.get(LIGHT, LIGHTS[0]) not in LIGHTS:
                yield (
                    f"no image is of {LIGHT}={row.static[LIGHT]}, which {row.name} asks for:"
                    f" {LIGHT} is {' or '.join(LIGHTS)}: combine the packs again"
                )
