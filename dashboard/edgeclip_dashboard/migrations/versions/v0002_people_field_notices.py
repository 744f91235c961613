"""Version 2: people, the field, notices, and what detections are found by.

The way back is the copy that is made of a SQLite file before, or a backup of the server.
"""

from __future__ import annotations

from edgeclip_dashboard.migrations.second import detections, field, notices, people

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add tables and columns; fill the columns from the revisions that are stored."""
    detections.upgrade()
    people.upgrade()
    field.upgrade()
    notices.upgrade()
