"""Version 4: the newest command of a kind to each device is found without reading all commands.

The way back is the copy that is made of a SQLite file before, or a backup of the server.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the index."""
    op.create_index("newest_commands", "commands", ["name", "device_id", "command_id", "state"])
