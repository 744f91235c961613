"""Tables of a detection's page: what people said, and each revision as it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.detection_history import RevisionView
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.verdicts import GivenVerdict


def verdicts_table(verdicts: Sequence[GivenVerdict], zone: tzinfo | None) -> None:
    """Build the history of verdicts, by the clock of a zone; the newest, which counts, first."""
    parts.heading("Verdicts")
    if not verdicts:
        ui.label("Nobody has said anything yet.").classes("quiet")
        return
    has_notes = any(given.note for given in verdicts)
    rows = [
        (
            _said(given),
            given.account_name,
            wording.local(given.at, zone),
            str(given.rev),
            *((given.note,) if has_notes else ()),
        )
        for given in verdicts
    ]
    titles = ("verdict", "by", "when", "rev", *(("note",) if has_notes else ()))
    parts.table(titles, rows, "Verdicts, the newest first")


def _said(given: GivenVerdict) -> str:
    if given.class_name is None:
        return given.word
    name = wording.spaced(given.class_name)
    return f"is {name}" if given.word == "other" else f"{given.word}: {name}"


def revisions_table(revisions: Sequence[RevisionView], zone: tzinfo | None) -> None:
    """Build all revisions, by the clock of a zone, the newest first."""
    parts.heading("Revisions")
    titles = (
        "rev", "received", "phase", "kind", "class", "probability", "margin", "frames",
        "others", "latency",
    )  # fmt: skip
    parts.table(
        titles, [_row(revision, zone) for revision in revisions], "Revisions, the newest first"
    )


def _row(revision: RevisionView, zone: tzinfo | None) -> tuple[str, ...]:
    told = revision.detection
    start = (str(revision.rev), wording.local(revision.received_at, zone))
    if told is None:
        return (*start, "cannot be read by this version", *[""] * 7)
    others = [(name, p) for name, p in told.top if name != told.class_name]
    return (
        *start,
        told.phase,
        told.severity,
        wording.spaced(told.failure or told.class_name or ""),
        wording.percent(told.probability),
        "" if told.margin is None else f"{told.margin:.2f}",
        f"{told.votes.agreeing} of {told.votes.frames}" if told.votes else "",
        ", ".join(f"{wording.spaced(name)} {wording.percent(p)}" for name, p in others[:3]),
        f"{told.latency_ms.total:.0f} ms",
    )
