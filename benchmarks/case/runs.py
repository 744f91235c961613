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
    """A file a contender and seed, with all numbers of images; written after each run.

    Whatever ends a process, the runs before are there. No two processes run one contender and seed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, draw: Draw, run: Callable[[], Contender]) -> Contender:
        """Return a contender of a draw, from its file or from `run`."""
        known = self.known(name, draw.seed, draw.leopards, draw.test)
        if known is not None:
            return known
        made = run()
        path = self._path(name, draw.seed)
        content = _read(path) or {"test": _order(draw.test), "runs": {}}
        content["runs"][str(draw.leopards)] = _plain(made)
        write_text(path, json.dumps(content) + "\n")
        return made

    def known(self, name: str, seed: int, leopards: int, test: Images) -> Contender | None:
        """Return a contender that was run before, or None.

        Raises:
            SystemExit: It was run on other test images.
        """
        path = self._path(name, seed)
        content = _read(path)
        if content is None or str(leopards) not in content["runs"]:
            return None
        if content["test"] != _order(test):
            raise SystemExit(f"{path} is of other test images: delete it")
        plain = content["runs"][str(leopards)]
        rows = np.asarray(plain.pop("probabilities"), np.float32)
        rows /= rows.sum(axis=1, keepdims=True)
        return Contender(probabilities=rows, **plain)

    def _path(self, name: str, seed: int) -> Path:
        return self._folder / f"{name}-seed{seed}.json"


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
