"""What the demo measured, as a table, and whether it is what was expected."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from edgeclip.wording import decimal

TARGET = "leopard"


@dataclass
class Watched:
    """One clip that the device watched.

    Attributes:
        expected: How many detections its truth asks for.
        replay: What `edgeclip-device replay --json` printed.
        on_page: Detections that the page got, by id.
        to_page_s: From reading the confirming frame to the page, for each detection.
    """

    name: str
    expected: int
    replay: dict[str, Any]
    on_page: set[str]
    to_page_s: list[float]

    def problems(self) -> list[str]:
        """Return what differs from the truth, one sentence each."""
        found = []
        classes = [row["detection"]["class_name"] for row in self.replay["detections"]]
        if classes != [TARGET] * self.expected:
            found.append(f"{self.name}: expected {self.expected} {TARGET}, detected {classes}")
        committed = {row["detection"]["detection_id"] for row in self.replay["detections"]}
        if committed != self.on_page:
            found.append(f"{self.name}: the page shows {len(self.on_page)} of {len(committed)}")
        if not self.replay["is_delivered"]:
            found.append(f"{self.name}: not everything was receipted")
        if self.replay["counts"]["failures"]:
            found.append(f"{self.name}: {self.replay['counts']['failures']} frames failed")
        return found


@dataclass
class Result:
    """All that the demo's table shows.

    Attributes:
        metrics: Of the training, as `edgeclip train --json` names them.
        parity: Largest differences at export, from the bundle's manifest.
    """

    metrics: dict[str, float]
    parity: dict[str, float]
    clips: list[Watched] = field(default_factory=list)
    broker: str = ""
    seconds: float = 0.0

    def problems(self) -> list[str]:
        """Return what differs from what was expected; nothing where all is well."""
        found = [problem for clip in self.clips for problem in clip.problems()]
        if not self._score("adapter", "f1") > self._score("zero-shot", "f1"):
            found.append("the adapter is not better than zero-shot on held-out places")
        return found

    def _score(self, which: str, name: str) -> float:
        """Return a figure; nan for one that a training leaves out, as it is not defined."""
        return self.metrics.get(f"test/{which}/{TARGET}/{name}", math.nan)

    def table(self) -> Table:
        """Return the closing table."""
        table = Table(title="From images to the page", show_header=False)
        for which, name in (("zero-shot", "zero-shot CLIP"), ("adapter", "with the adapter")):
            scores = ("precision", "recall", "f1")
            text = ", ".join(f"{score} {decimal(self._score(which, score))}" for score in scores)
            table.add_row(f"{TARGET} on held-out places, {name}", text)
        table.add_row("export parity, torch to ONNX Runtime", self._parity())
        for clip in self.clips:
            table.add_section()
            for title, text in _rows(clip):
                table.add_row(title, text)
        table.add_section()
        table.add_row("broker", self.broker)
        table.add_row("the whole demo", f"{self.seconds:.0f} s")
        return table

    def _parity(self) -> str:
        names = ("one_minus_cosine", "logits", "probabilities")
        return ", ".join(f"{name} {self.parity[name]:.1e}" for name in names)


def _rows(clip: Watched) -> list[tuple[str, str]]:
    gate, counts = clip.replay["gate"], clip.replay["counts"]
    gated = f"{gate['gated']} held back by the motion gate"
    found = f"{clip.expected} expected, {counts['detections']} detected"
    rows = [
        (
            f"{clip.name}: frames",
            f"{gate['frames']} seen, {gated}, {counts['classified']} classified",
        ),
        (f"{clip.name}: detections", f"{found}, {len(clip.on_page)} on the page"),
    ]
    if clip.to_page_s:
        text = ", ".join(f"{seconds * 1000:.0f} ms" for seconds in clip.to_page_s)
        rows.append((f"{clip.name}: from frame to page", text))
    return rows
