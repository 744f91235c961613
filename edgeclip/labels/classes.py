"""Labels -> class names: what a person asked for, blank's synonyms, and what is no class."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from edgeclip.contract.pack import ObservationType
from edgeclip.errors import ConfigError, DataError

BLANK = "blank"
_BLANKS = {
    "empty", "blank", "none", "nothing", "false trigger", "misfire", "no animal", "no cv result",
    "vide",
}  # fmt: skip
_UNKNOWN = {"unknown", "unidentified", "unlabelled", "unlabeled", "unclassified", "?"}
_HUMAN = {"human", "humans", "person", "people", "homo sapiens", "man", "woman", "hunter"}
_VEHICLE = {
    "vehicle", "car", "truck", "motorcycle", "motorbike", "bicycle", "bike", "boat", "van", "bus",
    "tractor", "jeep",
}  # fmt: skip


def normal(label: str) -> str:
    """Return a label for comparison: lower case, `_` and `-` as space, single spaces."""
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())


def is_blank_label(label: str) -> bool:
    """Say whether a label means that no animal is there."""
    return normal(label) in _BLANKS


def is_no_class(label: str) -> bool:
    """Say whether a label means that nobody knows what is there."""
    return normal(label) in _UNKNOWN


def observation_type(class_name: str) -> ObservationType:
    """Return what kind of observation a class is, by its name."""
    name = normal(class_name)
    if name in _BLANKS:
        return "blank"
    if name in _HUMAN:
        return "human"
    return "vehicle" if name in _VEHICLE else "animal"


def parse_class_options(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return class name -> labels from options such as `spotted cat=jaguar,ocelot`.

    A name alone stands for the label of the same name. Blank's synonyms become `blank`.

    Raises:
        ConfigError: An option is empty, or a label stands in two classes.
    """
    classes: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for option in options:
        name, equals, listed = option.partition("=")
        name = BLANK if is_blank_label(name) else " ".join(name.split())
        labels = tuple(
            part.strip() for part in (listed if equals else name).split(",") if part.strip()
        )
        if not name or not labels:
            raise ConfigError(f"--class {option!r} names no class: write 'name=label,label'")
        for label in labels:
            if owner.setdefault(normal(label), name) != name:
                raise ConfigError(f"--class: {label!r} stands in {owner[normal(label)]} and {name}")
        classes[name] = classes.get(name, ()) + labels
    return classes


class ClassMap:
    """Which class a label belongs to.

    Attributes:
        left_out: Labels without a class, with their counts.
    """

    def __init__(self, classes: Mapping[str, Sequence[str]], labels: Iterable[str]) -> None:
        """Build the map for the labels of a source.

        Raises:
            ConfigError: A label that was asked for does not occur in the source.
        """
        counts = Counter(labels)
        found = {normal(label) for label in counts}
        self._by_label = {normal(x): name for name, given in classes.items() for x in given}
        for name, given in classes.items():
            self._check_asked(name, given, found)
        self._asked = bool(classes)
        self._spelling: dict[str, str] = {}
        for label, _ in counts.most_common():  # Jaguar and jaguar are one class
            self._spelling.setdefault(normal(label), " ".join(label.split())[:64])
        self.left_out = {
            label: count for label, count in sorted(counts.items()) if self.class_of(label) is None
        }

    def class_of(self, label: str) -> str | None:
        """Return the class of a label, or None if it is left out."""
        key = normal(label)
        if self._asked:
            asked = self._by_label.get(key)
            return asked or (BLANK if key in _BLANKS and BLANK in self._by_label.values() else None)
        if key in _UNKNOWN:
            return None
        return BLANK if key in _BLANKS else self._spelling.get(key)

    @staticmethod
    def _check_asked(name: str, given: Sequence[str], found: set[str]) -> None:
        if any(normal(label) in found for label in given):
            return
        if name == BLANK and found & _BLANKS:
            return
        near = difflib.get_close_matches(normal(given[0]), sorted(found), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"labels: {', '.join(sorted(found))}"
        raise ConfigError(f"--class {name}: no label {', '.join(given)} in the data: {hint[:300]}")


def require_targets(targets: Sequence[str], names: Collection[str]) -> None:
    """Check that what is to be alerted on are classes of the data.

    Raises:
        ConfigError: One is none; the message names the class that may be meant.
    """
    unknown = next((target for target in targets if target not in names), None)
    if unknown is None:
        return
    several = [part.strip() for part in unknown.split(",")]
    near = difflib.get_close_matches(unknown, sorted(names), n=1)
    hint = f"did you mean {near[0]}?" if near else f"classes are {', '.join(sorted(names))}"
    if len(several) > 1 and set(several) <= set(names):
        hint = f"repeat the option: {' '.join(f'--target {part}' for part in several)}"
    raise ConfigError(f"--target {unknown} is no class of the data: {hint}")


def empty_target_doubt(targets: Iterable[str]) -> str | None:
    """Return what to say where an image without an animal raises an alert, else None."""
    empty = [name for name in targets if observation_type(name) == "blank"]
    if not empty:
        return None
    return (
        f"target {empty[0]}: a device alerts on each image without an animal: leave --target"
        f" {empty[0]} out unless that is meant"
    )


def require_two_classes(names: Sequence[str]) -> None:
    """Check that there is something to tell apart.

    Raises:
        DataError: Fewer than two classes.
    """
    if len(names) < 2:
        only = ", ".join(names) or "none"
        raise DataError(
            f"at least two classes are needed, found {only}: add images of another, e.g. blank"
        )
