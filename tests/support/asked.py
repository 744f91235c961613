"""Two questions with text features along the axes, so that every answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.attributes import PackAttributes
from support.samples import HASH, pack_manifest

MEASURED = {
    "images": 40, "places": 3, "accuracy": 0.95, "commonest": 0.5, "told": 0.9,
    "told_accuracy": 0.97, "calibration_error": 0.03,
}  # fmt: skip


def asked_groups(
    *, temperature: float = 1.0, verified: bool = False, last: str = "two"
) -> list[dict[str, Any]]:
    """Return day or night of the frame, and one or two animals of the crop."""
    words = {} if last == "none" else {"value": "2", "caption": "two animals"}
    return [
        {
            "name": "time of day",
            "field": "observationTags",
            "view": "frame",
            "temperature": temperature,
            "verified": verified,
            "measured": MEASURED if verified else None,
            "options": [
                {"name": "day", "value": "timeOfDay:day", "prompts": ["by day"]},
                {"name": "night", "value": "timeOfDay:night", "prompts": ["at night"]},
            ],
        },
        {
            "name": "how many",
            "field": "count",
            "options": [
                {"name": "one", "caption": "", "value": "1", "prompts": ["one animal"]},
                {"name": last, "prompts": ["two animals"], **words},
            ],
        },
    ]


def asked_bank(
    *, temperature: float = 1.0, verified: bool = False, last: str = "two"
) -> AttributeBank:
    """Return these questions for an encoder of four dimensions; only the first may be verified."""
    groups = asked_groups(temperature=temperature, verified=verified, last=last)
    content = {"weights_sha256": HASH, "logit_scale": 10.0, "groups": groups}
    asked = PackAttributes.model_validate(content)
    return AttributeBank.of(
        asked, {"text_features": np.eye(4, dtype=np.float32)}, pack_manifest().base
    )
