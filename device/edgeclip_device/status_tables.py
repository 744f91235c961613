"""What `outbox status` prints."""

from __future__ import annotations

from rich.table import Table

from edgeclip_device.outbox_status import OutboxStatus


def status_table(status: OutboxStatus) -> Table:
    """Return what waits in an outbox."""
    title = f"Outbox, epoch {status.epoch}"
    table = Table(title=title, title_justify="left", show_header=False, min_width=len(title))
    oldest = f", the oldest of {status.oldest_at}" if status.oldest_at else ""
    table.add_row("detections", f"{status.rows}{oldest}")
    table.add_row("snapshots", f"{status.media}, {status.media_bytes / 1e6:.1f} MB")
    table.add_row("open visits", str(status.open_visits))
    for reason, count in status.refused.items():
        table.add_row("answered", f"{count}: {reason}")
    for item in status.dropped:
        table.add_row("dropped", f"{item.count} {item.kind}, last at {item.last_at}")
    return table
