"""The folder of a run under way, beside the pack to be: what a continued run need not do again.

It holds `run.json`, which says what run this is, and one safetensors file for each finished piece
and for the state of a fit. Each file is written whole or not at all, and carries a hash of itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from edgeclip.config import TrainConfig
from edgeclip.contract.files import write_bytes, write_text
from edgeclip.contract.pack import Base
from edgeclip.contract.plurals import first_of
from edgeclip.contract.settings import Settings
from edgeclip.errors import ConfigError, SetupError
from edgeclip.labels.dataset import Dataset
from edgeclip.splits import Split

log = logging.getLogger(__name__)

RUN_FILE = "run.json"
ROUND, FIT = "logits", "fit"  # what the names of pieces begin with
_NO_MATTER = {
    "out",
    "overwrite",
    "resume",
    "cache",
    "cache_gb",
    "task",
    "version",
    "min_precision",
    "min_recall",
    "attributes",
    "columns",
}  # to fits
_SOFTWARE = ("edgeclip", "numpy", "torch", "open_clip_torch")  # others may round differently
_SHOWN = 3  # differences that an error names

Arrays = Mapping[str, NDArray[np.generic]]


class RunId(Settings):
    """What must be the same for a run to be continued.

    Attributes:
        format: Of the folder.
        configuration: What fits depend on, by name.
        data_sha256: Of the images, their classes and places.
        split_sha256: Of the part of each image.
        encoder_sha256: Of the encoder's weights.
        unlabelled_sha256: Of frames without labels; empty where there are none.
        software: Versions.
    """

    format: Literal[1] = 1
    configuration: dict[str, JsonValue]
    data_sha256: str
    split_sha256: str
    encoder_sha256: str
    unlabelled_sha256: str = ""
    software: dict[str, str]

    @staticmethod
    def of(
        config: TrainConfig, dataset: Dataset, split: Split, encoder: Base, unlabelled: str = ""
    ) -> RunId:
        """Return the id of a training.

        Args:
            config: All of the run.
            dataset: Its images.
            split: Of the images.
            encoder: Frozen.
            unlabelled: Hash of frames without labels; empty where there are none.
        """
        values = config.model_dump(mode="json", exclude=_NO_MATTER)
        recipe = values.pop("recipe")
        return RunId(
            configuration={**values, **recipe},
            data_sha256=dataset.sha256,
            split_sha256=split.sha256(dataset.images),
            encoder_sha256=encoder.weights_sha256,
            unlabelled_sha256=unlabelled,
            software={name: version(name) for name in _SOFTWARE},
        )

    def differences(self, now: RunId) -> list[str]:
        """Return what differs from the run that is asked for now, for a person."""
        found = []
        for ours, theirs in (
            (self.configuration, now.configuration),
            (self.software, now.software),
        ):
            for name in sorted({*ours, *theirs}):
                before, after = ours.get(name), theirs.get(name)
                if before != after:
                    found.append(f"{name} was {before}, is {after}")
        named = {
            "data_sha256": "images, labels or places", "split_sha256": "split",
            "encoder_sha256": "encoder's weights", "unlabelled_sha256": "frames without labels",
        }  # fmt: skip
        for name, what in named.items():
            if getattr(self, name) != getattr(now, name):
                found.append(f"other {what}")
        return found


@dataclass
class Taken:
    """What a continued run did not do again: rounds of a method, and steps of fits."""

    rounds: int = 0
    steps: int = 0


@dataclass
class RunFolder:
    """Files of a run under way.

    Attributes:
        path: The folder.
        encoder_sha256: Of the encoder's weights; part of what pieces are known by.
        clock: Seconds, never going back.
        taken: What was taken over so far.
        resumed: Whether there was something to continue.
    """

    path: Path
    encoder_sha256: str
    clock: Callable[[], float] = time.monotonic
    resumed: bool = False
    taken: Taken = field(default_factory=Taken)

    def get(self, name: str) -> dict[str, NDArray[np.generic]] | None:
        """Return the arrays of a file, or None; a damaged one is left aside and said."""
        file = self._file(name)
        if not file.is_file():
            return None
        try:
            with safe_open(file, framework="numpy") as opened:
                stated = (opened.metadata() or {}).get("sha256")
                arrays = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            self.leave_aside(name, str(error))
            return None
        if stated != _sha256(arrays):
            self.leave_aside(name, "its hash does not match")
            return None
        return arrays

    def put(self, name: str, arrays: Arrays) -> None:
        """Store arrays whole or not at all; where that fails the run goes on without."""
        data = save(
            {key: np.array(value, order="C") for key, value in arrays.items()},
            metadata={"sha256": _sha256(arrays)},
        )
        try:
            write_bytes(self._file(name), data)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): --resume will do it again", self._file(name), error
            )

    def measured(self, name: str, measure: Callable[[], float]) -> float:
        """Return a figure of this run: as it was measured first, or measured now and kept."""
        known = self.get(name)
        if known is not None and name in known:
            return float(known[name])
        figure = measure()
        self.put(name, {name: np.asarray(figure)})
        return figure

    def drop(self, name: str) -> None:
        """Delete a file that is no longer needed; where that fails it goes with the folder."""
        with contextlib.suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def rounds(self) -> int:
        """Return of how many rounds the folder holds the logits."""
        return len(list(self.path.glob(f"{ROUND}-*.safetensors")))

    def leave_aside(self, name: str, reason: str) -> None:
        """Say that a file cannot be used, and why; what it held is computed again."""
        log.warning("%s cannot be used (%s): computed again", self._file(name), reason)

    def remove(self) -> None:
        """Delete the folder: the pack is written, or nothing of it may be used again."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def kept_if_useful(self) -> Iterator[None]:
        """Delete the folder where the block ends in an error before any fit has begun.

        What was refused has nothing to continue. An interruption by hand always keeps the folder.
        """
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            if not any(list(self.path.glob(f"{kind}-*")) for kind in (ROUND, FIT)):
                self.remove()
            raise

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.safetensors"


def run_path(out: Path) -> Path:
    """Return where the run of a pack lies: beside it."""
    return out.with_name(f"{out.name}.run")


def open_run(
    config: TrainConfig, run: RunId, *, clock: Callable[[], float] = time.monotonic
) -> RunFolder:
    """Return the folder of a run: the interrupted one, or a new one in its place.

    Args:
        config: Names the pack's folder to be, and says whether an interrupted run is continued.
        run: What is to be done now.
        clock: Seconds, never going back.

    Raises:
        ConfigError: The folder there is of another run, or none at all.
        SetupError: The folder cannot be made.
    """
    path = run_path(config.out)
    if path.exists() and not (path / RUN_FILE).is_file():
        raise ConfigError(f"{path} is no run of edgeclip train: move it, or choose another --out")
    earlier = _earlier(path) if config.resume else None
    if earlier is not None:
        _require_same(path, earlier, run)
        return RunFolder(path, run.encoder_sha256, clock, resumed=True)
    try:
        if path.exists():
            shutil.rmtree(path)
        write_text(path / RUN_FILE, run.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise SetupError(f"{path} cannot be written ({error.strerror}): check --out") from error
    return RunFolder(path, run.encoder_sha256, clock)


def _earlier(path: Path) -> RunId | None:
    file = path / RUN_FILE
    if not file.is_file():
        log.warning("--resume: no interrupted run at %s: starting from the beginning", path)
        return None
    try:
        return RunId.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        log.warning("--resume: %s is damaged: starting from the beginning", file)
        return None


def _require_same(path: Path, earlier: RunId, now: RunId) -> None:
    found = earlier.differences(now)
    if not found:
        return
    raise ConfigError(
        f"--resume: {path} holds another run ({first_of(found, _SHOWN, '; ')}): run what it was,"
        " or leave --resume out to start from the beginning"
    )


def _sha256(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = np.asarray(arrays[name])
        digest.update(json.dumps([name, value.dtype.str, value.shape]).encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
