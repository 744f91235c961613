"""The folder of a run over an archive: its plan, its list of images, and a file a finished part.

    plan.json            what run this is: archive, pack, options, how many images
    list.jsonl           every image, in order: a part is a number of consecutive lines
    parts/0000012.jsonl  the records of a part, written whole or not at all

A run that was killed goes on with the parts that are missing, and ends with the same files: what is
computed for a part depends on the part alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edgeclip.archive.records import Record
from edgeclip.archive.stores import ImageStore, Listed
from edgeclip.contract.files import write_bytes, write_text
from edgeclip.contract.formats import fields_of
from edgeclip.contract.plurals import first_of
from edgeclip.errors import ConfigError, DataError, SetupError

PLAN_FILE, LIST_FILE, PARTS = "plan.json", "list.jsonl", "parts"
NEW_LIST_FILE = "list.new.jsonl"  # while an archive is listed
PART_IMAGES = 256  # some seconds of one core: what a run that is killed does again
FORMAT: Final = 3
"""Of the folder: since 2, records say where in an image the decision is; since 3, how far the image
is from what the packs have seen, static keys are compared with each image, and large JPEGs are
decoded smaller."""
_SHOWN = 3
_THRESHOLD = "--box-threshold"  # means something with --boxes alone
_LISTED: Final = TypeAdapter(Listed)


class Plan(BaseModel):
    """What must be the same for a run to be continued.

    Attributes:
        format: Of the folder.
        archive: As it was named.
        answerer: Pack, version and runtime.
        pack_sha256: Of the pack's, set's or bundle's manifest.
        options: What else decides the records.
        part_images: How many a part has; the last has what is left.
        images: How many the list has.
        begun_at: When the run was first begun, aware UTC; what goes on with it may be later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[3] = FORMAT
    archive: str
    answerer: str
    pack_sha256: str
    options: dict[str, str]
    part_images: int = Field(PART_IMAGES, ge=1)
    images: int
    begun_at: AwareDatetime

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.images // self.part_images)

    def images_of(self, part: int) -> int:
        """Return how many images a part has."""
        return min(self.part_images, self.images - part * self.part_images)

    def differences(self, now: Plan) -> list[str]:
        """Return what differs from the run that is asked for now, for a person."""
        found = []
        has_boxes = self.options.get("--boxes") or now.options.get("--boxes")
        for what in ("archive", "answerer", "pack_sha256", "part_images"):
            before, after = getattr(self, what), getattr(now, what)
            if _plain(before) != _plain(after):
                found.append(f"{what} was {before}, is {after}")
        for name in sorted({*self.options, *now.options}):
            before, after = self.options.get(name), now.options.get(name)
            if before != after and (name != _THRESHOLD or has_boxes):
                found.append(f"{name} was {before}, is {after}")
        return found


def _plain(value: object) -> object:
    """Return an archive's name without the slash that a shell puts after a folder."""
    return value.rstrip("/") if isinstance(value, str) else value


class Journal:
    """The files of a run.

    Args:
        folder: With a plan.
        plan: That plan.
        is_earlier: Whether the run was begun before, and is gone on with.
    """

    def __init__(self, folder: Path, plan: Plan, *, is_earlier: bool = False) -> None:
        self._folder, self.plan, self.is_earlier = folder, plan, is_earlier

    def done_images(self) -> int:
        """Return how many images the finished parts have."""
        return self.plan.images - sum(map(self.plan.images_of, self.missing()))

    def missing(self) -> list[int]:
        """Return the numbers of the parts that are not done."""
        done = {path.stem for path in (self._folder / PARTS).glob("*.jsonl")}
        return [part for part in range(self.plan.parts) if f"{part:07d}" not in done]

    def listed(self, parts: Sequence[int]) -> Iterator[tuple[int, list[Listed]]]:
        """Yield the images of parts, which are given in growing order.

        Raises:
            DataError: The list is missing or damaged.
        """
        wanted, path = set(parts), self._folder / LIST_FILE
        try:
            with path.open("rb") as lines:
                for part in range(self.plan.parts):
                    own = list(islice(lines, self.plan.images_of(part)))
                    if len(own) != self.plan.images_of(part):
                        raise ValueError("cut short")
                    if part in wanted:
                        yield part, [_LISTED.validate_json(line) for line in own]
        except (OSError, ValueError) as error:  # pydantic's errors are ValueErrors
            raise DataError(
                f"{path} is missing or damaged: add --overwrite to begin anew, or choose another"
                " --out"
            ) from error

    def images(self) -> Iterator[Listed]:
        """Yield all images of the list; see `listed`."""
        for _, images in self.listed(range(self.plan.parts)):
            yield from images

    def write(self, part: int, records: Sequence[Record]) -> None:
        """Write a finished part, whole or not at all.

        Raises:
            SetupError: The disk is full, or the folder is gone.
        """
        text = "".join(f"{record.model_dump_json()}\n" for record in records)
        try:
            write_bytes(self._part(part), text.encode())
        except OSError as error:
            raise SetupError(
                f"{self._folder} cannot be written ({error.strerror}): make room, then run the"
                " same command again to go on"
            ) from error

    def records(self) -> Iterator[Record]:
        """Yield all records in the order of the list.

        Raises:
            DataError: The list or a part is missing or damaged, or a part is of other images.
        """
        for part, images in self.listed(range(self.plan.parts)):
            yield from self._records_of(part, images)

    def _records_of(self, part: int, images: Sequence[Listed]) -> list[Record]:
        path = self._part(part)
        try:
            found = [Record.model_validate_json(line) for line in path.read_bytes().splitlines()]
            if [record.file for record in found] != [image.name for image in images]:
                raise ValueError("of other images")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} is missing or damaged: delete it, and run the same command again"
            ) from error
        return found

    def _part(self, part: int) -> Path:
        return self._folder / PARTS / f"{part:07d}.jsonl"


def open_journal(
    folder: Path,
    store: ImageStore,
    plan: Plan,
    accept: Callable[[Iterator[Listed]], None] = lambda _: None,
    *,
    anew: bool = False,
) -> Journal:
    """Return a run's files: those of the interrupted one, or new ones with a new list.

    Args:
        folder: Where they lie.
        store: Is listed where the run is new.
        plan: Of the run that is asked for; its number of images is filled in.
        accept: Looks at the images, and raises where they cannot be worked on.
        anew: Replace an earlier run, once the archive is listed and accepted.

    Raises:
        ConfigError: The folder holds another run.
        DataError: The archive cannot be listed.
        SetupError: The folder cannot be written.
        EdgeclipError: Whatever `accept` raises.
    """
    earlier = None if anew else _earlier(folder)
    if earlier is not None:
        if found := earlier.differences(plan):
            raise ConfigError(
                f"{folder} holds another run ({first_of(found, _SHOWN, '; ')}): run what it was,"
                " choose another --out, or add --overwrite"
            )
        journal = Journal(folder, earlier, is_earlier=True)
        accept(journal.images())
        return journal
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        images = _write_list(folder / NEW_LIST_FILE, store)
    except OSError as error:
        raise _not_written(folder, error) from error
    accept(_read_list(folder / NEW_LIST_FILE))
    return _begun(folder, plan.model_copy(update={"images": images}))


def _begun(folder: Path, plan: Plan) -> Journal:
    """Let the run of the new list take the place of an earlier one."""
    try:
        (folder / PLAN_FILE).unlink(missing_ok=True)  # from here on an earlier run is none
        for left in (folder / PARTS).iterdir():
            left.unlink()
        (folder / NEW_LIST_FILE).replace(folder / LIST_FILE)
        write_text(folder / PLAN_FILE, plan.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise _not_written(folder, error) from error
    return Journal(folder, plan)


def _not_written(folder: Path, error: OSError) -> SetupError:
    return SetupError(f"{folder} cannot be written ({error.strerror}): check --out")


def _read_list(path: Path) -> Iterator[Listed]:
    with path.open("rb") as lines:
        yield from map(_LISTED.validate_json, lines)


def _write_list(path: Path, store: ImageStore) -> int:
    """Write the list; it counts once the plan is there. Return how many images it has."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for listed in store.images():
            file.write(json.dumps(asdict(listed), ensure_ascii=True) + "\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def _earlier(folder: Path) -> Plan | None:
    path = folder / PLAN_FILE
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
        found = _format_of(content)
        if found is not None and 0 < found < FORMAT:
            raise ConfigError(
                f"{folder} holds a run of an earlier version (format {found}, this one writes"
                f" {FORMAT}), whose records lack what is told now: choose another --out, or add"
                " --overwrite to begin anew"
            )
        return Plan.model_validate_json(content)
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{path} is no plan of this software: add --overwrite") from error


def _format_of(plan: bytes) -> int | None:
    """Return what a plan says of its format; None where it says nothing that can be read."""
    found = fields_of(plan).get("format")
    return found if type(found) is int else None  # of JSON's true, too, there is no format
