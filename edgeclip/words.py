"""Words -> text features, a line of JSON each way: what a dashboard searches with.

The first line that is written names the encoder; then each line that is read is answered by one:

    {"id": 1, "text": "a leopard at night"}  ->  {"id": 1, "features": base64 of float32, (E,)}

A line that cannot be answered gives `error` in place of `features`. The end of the input ends it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from edgeclip.clip import Backbone
from edgeclip.contract.pack import Base

MOST_LETTERS = 200  # CLIP reads 77 tokens and cuts the rest in silence
_TEMPLATES = ("{}", "a photo of {}", "a camera trap photo of {}")
"""The mean of a few sentences is steadier than one of them."""

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_LETTERS)
]


class Question(BaseModel):
    """A line that is read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: int
    text: Text


def greeting(base: Base) -> str:
    """Return the first line: which encoder answers."""
    facts = base.model_dump(include={"arch", "pretrained", "weights_sha256", "embed_dim"})
    return json.dumps({"encoder": facts})


def answers(backbone: Backbone, lines: Iterable[str]) -> Iterator[str]:
    """Yield a line for each that is read, except for empty ones.

    Args:
        backbone: Its text tower answers.
        lines: JSON, one question a line.
    """
    for line in lines:
        if line.strip():
            yield json.dumps(_answer(backbone, line))


def text_features(backbone: Backbone, text: str) -> NDArray[np.float32]:
    """Return the `(E,)` unit features of a few words, float32."""
    sentences = [template.format(text) for template in _TEMPLATES]
    return np.asarray(backbone.embed_prompts([sentences])[0].numpy(), np.float32)


def _answer(backbone: Backbone, line: str) -> dict[str, Any]:
    try:
        question = Question.model_validate_json(line)
    except ValidationError as error:
        return {"id": None, "error": error.errors()[0]["msg"]}
    features = text_features(backbone, question.text).astype("<f4")
    return {"id": question.id, "features": base64.b64encode(features.tobytes()).decode()}
