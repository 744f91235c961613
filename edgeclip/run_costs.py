"""What a training took: seconds and memory, beside its report and apart from it.

They differ from run to run, and a pack and its report do not: they lie in `report/costs.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edgeclip.openings import REPORT_FOLDER
from edgeclip.peak_memory import peak_memory_mb

COSTS_FILE = "costs.json"


class LearningCosts(BaseModel):
    """Wall-clock seconds of what is learned in one training.

    Attributes:
        features_s: Encoding the training and validation images, or finding them in the cache.
        learning_s: All fits and choices, from features to the head that is stored.
        methods_s: By method, of its fits in the rounds alone: features, which all share, and
            judging excepted.
        device: That the encoder ran on; None where an older training does not say.
        resumed: Whether an interrupted run was continued, so that seconds are missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features_s: float
    learning_s: float
    methods_s: Mapping[str, float]
    device: str | None = None
    resumed: bool = False

    @property
    def head_s(self) -> float:
        """From the images that are learned from to a head: what a baseline's seconds are too."""
        return self.features_s + self.learning_s

    def of_run(self, seconds: float) -> RunCosts:
        """Return the costs of the whole training, with the memory of this moment."""
        return RunCosts(**self.model_dump(), seconds=seconds, peak_memory_mb=peak_memory_mb())


class RunCosts(LearningCosts):
    """Wall-clock seconds and memory of one training.

    Attributes:
        seconds: Of all of it: reading labels and images, encoding, fits, the test part and the
            report, up to the writing of the pack.
        peak_memory_mb: The most that the process has held until then.
    """

    seconds: float
    peak_memory_mb: float

    def to_json(self) -> str:
        """Return the file's content."""
        return self.model_dump_json(indent=1) + "\n"


def read_costs(pack: Path) -> RunCosts | None:
    """Return what the training of a pack took, or None where nobody can tell."""
    try:
        return RunCosts.model_validate_json((pack / REPORT_FOLDER / COSTS_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def read_whole_costs(pack: Path) -> RunCosts | None:
    """Return what the training of a pack took, or None where it was of several processes, too."""
    costs = read_costs(pack)
    return None if costs and costs.resumed else costs
