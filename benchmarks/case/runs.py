"""What contenders said of the test images, kept as files: a run that is known is not repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case.study import Draw, Images
from edgeclip.contenders import Contender
from edgeclip.contract.files import write_text

_DIGITS = 6  # of a probability


class Runs:
    """A file a contender, seed and number of images: whatever ends a process, the rest is there.

    Args:
        folder: Of the files.
        key: Contender -> what decides its runs; kept ones with another key are run again.
    """

    def __init__(self, folder: Path, key: Callable[[str], str]) -> None:
        self._folder = folder
        self._key = key

    def get(self, name: str, draw: Draw, run: Callable[[], Contender]) -> Contender:
        """Return a contender of a draw, from its file or from `run`."""
        known = self.known(name, draw.seed, draw.leopards, draw.test)
        if known is not None and self._is_of_now(name, draw.seed, draw.leopards):
            return known
        made = run()
        content = {"key": self._key(name), "test": _order(draw.test), "run": _plain(made)}
        write_text(self._path(name, draw.seed, draw.leopards), json.dumps(content) + "\n")
        return made

    def known(self, name: str, seed: int, leopards: int, test: Images) -> Contender | None:
        """Return a contender that was run before, or None.

        Raises:
            SystemExit: It was run on other test images.
        """
        path = self._path(name, seed, leopards)
        content = _read(path)
        if content is None:
            return None
        if content["test"] != _order(test):
            raise SystemExit(f"{path} is of other test images: delete it")
        plain = content["run"]
        rows = np.asarray(plain.pop("probabilities"), np.float32)
        rows /= rows.sum(axis=1, keepdims=True)
        return Contender(probabilities=rows, **plain)

    def _is_of_now(self, name: str, seed: int, leopards: int) -> bool:
        content = _read(self._path(name, seed, leopards))
        return content is not None and bool(content["key"] == self._key(name))

    def _path(self, name: str, seed: int, leopards: int) -> Path:
        return self._folder / f"{name}-seed{seed}-{leopards}.json"


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _order(test: Images) -> list[str]:
    return [f"{image.path.parent.name}/{image.path.name}" for image in test]


def _plain(contender: Contender) -> dict[str, Any]:
    return {
        "name": contender.name,
        "probabilities": np.round(contender.probabilities.astype(float), _DIGITS).tolist(),
        "thresholds": dict(contender.thresholds),
        "trainable_params": contender.trainable_params,
        "steps": contender.steps,
        "seconds": round(contender.seconds, 1),
        "note": contender.note,
    }
