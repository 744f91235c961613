"""What a detection says in words beside its class: as stored, as shown, as a cell of a table."""

from __future__ import annotations

from pydantic import ValidationError

from edgeclip.contract.attribute_answers import AttributeAnswer, Attributes, caption_of


def stored(attributes: Attributes | None) -> str | None:
    """Return what stands in the table of detections; None where nothing is said."""
    return None if attributes is None else attributes.model_dump_json()


def read(text: str | None) -> Attributes | None:
    """Return what `stored` gave; None also of what this version cannot read."""
    if text is None:
        return None
    try:
        return Attributes.model_validate_json(text)
    except ValidationError:
        return None


def caption(class_name: str, attributes: Attributes | None, verdict: str | None) -> str:
    """Return one line such as `leopard, night (unverified: walking)`, or an empty string.

    Where a person says that it was something else, what was asked of it says nothing.

    Args:
        class_name: As the page writes it.
        attributes: Of the detection.
        verdict: right, wrong, other, or None.
    """
    if attributes is None or verdict not in (None, "right"):
        return ""
    line = caption_of(class_name, attributes.answers)
    return "" if line == class_name else line


def answers(attributes: Attributes | None) -> str:
    """Return all answers as text: `time of day=night 0.97|how many=two 0.71 unverified`."""
    return "|".join(map(_answer, attributes.answers)) if attributes else ""


def _answer(answer: AttributeAnswer) -> str:
    doubt = "" if answer.verified else " unverified"
    return f"{answer.group}={answer.option} {answer.probability:.2f}{doubt}"
