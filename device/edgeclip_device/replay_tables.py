"""What `replay` prints: tables for people, JSON for machines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.table import Table

from edgeclip.contract.pack import utc_text
from edgeclip_device.replay import Replayed, ReplayResult


def replay_json(result: ReplayResult) -> str:
    """Return a replay as indented JSON."""
    document = {
        "clip": result.clip,
        "backend": result.backend,
        "pack": result.pack,
        "state": str(result.state),
        "broker": result.broker,
        "seconds": round(result.seconds, 3),
        "gate": asdict(result.gate),
        "counts": asdict(result.counts),
        "uplink": asdict(result.drain),
        "waiting": {"detections": result.waiting[0], "media": result.waiting[1]},
        "is_delivered": result.is_delivered,
        "hint": result.hint or None,
        "latency_ms": latencies(result),
        "detections": [_replayed(item) for item in result.detections],
    }
    return json.dumps(document, indent=2)


def detections_table(result: ReplayResult) -> Table:
    """Return one line a detection."""
    table = Table(title=f"Detections in {result.clip}", title_justify="left")
    for column in ("class", "probability", "in the clip", "frames", "phase", "receipt"):
        table.add_column(column)
    for item in result.detections:
        detection, votes = item.detection, item.detection.votes
        table.add_row(
            detection.class_name or f"failure: {detection.failure}",
            "-" if detection.probability is None else f"{detection.probability:.3f}",
            f"{item.confirmed_at_s:.1f} s",
            f"{votes.agreeing} of {votes.frames}" if votes else "-",
            f"{detection.phase}, rev {detection.rev}",
            "-" if item.receipt_ms is None else f"after {item.receipt_ms:.0f} ms",
        )
    return table


def summary_table(result: ReplayResult) -> Table:
    """Return what happened to frames, detections and media."""
    gate, counts, drain = result.gate, result.counts, result.drain
    table = Table(title="Replay", title_justify="left", show_header=False)
    table.add_row("pack", f"{result.pack} on {result.backend}")
    gated = (
        f"{gate.gated} gated, {gate.opened} opened by motion, {gate.held} held open,"
        f" {gate.forced} forced"
    )
    gated = gated if result.is_gated else "without a motion gate"
    table.add_row("frames", f"{gate.frames}: {gated}; {counts.classified} classified")
    table.add_row(
        "detections",
        f"{counts.detections}, {counts.revisions} revisions committed; {counts.failures} failures",
    )
    if result.hint:
        table.add_row("", result.hint)
    rows, media = result.waiting
    if result.broker is None:
        table.add_row("sent", f"nothing: no --broker; {rows} revisions lie in {result.state}")
    else:
        table.add_row("sent", f"{drain.sent} ({drain.resent} again), {drain.media_sent} snapshots")
        table.add_row(
            "receipted",
            f"{drain.receipted} and {drain.media_receipted} snapshots; {rows} and {media} wait",
        )
        table.add_row(
            "refused",
            f"{drain.refused_by_broker} by the broker, {drain.refused_by_dashboard} by the"
            " dashboard",
        )
    for name, value in latencies(result).items():
        p50, p95 = value["p50"], value["p95"]
        table.add_row(name, f"p50 {p50:.0f} ms, p95 {p95:.0f} ms" if p50 is not None else "-")
    table.add_row("took", f"{result.seconds:.1f} s")
    return table


def latencies(result: ReplayResult) -> dict[str, dict[str, float | None]]:
    """Return median and 95th percentile, in ms, of what each detection's first revision took."""
    commit = [item.commit_ms for item in result.detections if item.commit_ms is not None]
    receipt = [item.receipt_ms for item in result.detections if item.receipt_ms is not None]
    return {
        "frame to commit": {"p50": _percentile(commit, 0.5), "p95": _percentile(commit, 0.95)},
        "commit to receipt": {"p50": _percentile(receipt, 0.5), "p95": _percentile(receipt, 0.95)},
    }


def _percentile(values: list[float], share: float) -> float | None:
    """Return the nearest-rank percentile, or None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2)


def _replayed(item: Replayed) -> dict[str, Any]:
    return {
        "confirmed_at_s": round(item.confirmed_at_s, 3),
        "read_at": _text(item.read_at),
        "commit_ms": item.commit_ms,
        "receipt_ms": item.receipt_ms,
        "detection": item.detection.model_dump(mode="json", by_alias=True),
    }


def _text(at: datetime | None) -> str | None:
    return utc_text(at) if at else None
