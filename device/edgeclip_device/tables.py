"""The tables of the outbox's database."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = "1"

TABLES: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  priority INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
  retain INTEGER NOT NULL, created_at TEXT NOT NULL, created_boot_ns INTEGER NOT NULL,
  boot_id TEXT NOT NULL, expires_at TEXT, size_bytes INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, reason TEXT, attempts INTEGER NOT NULL DEFAULT 0,
  next_try_ns INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX outbox_next ON outbox (state, priority DESC, seq, size_bytes)",
    """CREATE TABLE media (
  sha256 TEXT PRIMARY KEY, detection_id TEXT NOT NULL, n INTEGER NOT NULL, path TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, kind TEXT NOT NULL, added INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, reason TEXT, attempts INTEGER NOT NULL DEFAULT 0,
  next_try_ns INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX media_next ON media (state, added, size_bytes)",
    """CREATE TABLE dropped (
  kind TEXT PRIMARY KEY, count INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL)""",
    "CREATE TABLE visits (detection_id TEXT PRIMARY KEY, payload BLOB NOT NULL)",
)
"""Of version 1, made together with the file."""

ADDED_TABLES: Final = {
    "commands": """CREATE TABLE commands (
  command_id TEXT PRIMARY KEY, key_id TEXT NOT NULL, counter INTEGER NOT NULL, name TEXT NOT NULL,
  verdict TEXT NOT NULL, args TEXT NOT NULL, target TEXT NOT NULL, not_after TEXT NOT NULL,
  reply BLOB NOT NULL)""",
    "letters": """CREATE TABLE letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL,
  expiry_s INTEGER)""",
    "logbook": """CREATE TABLE logbook (
  n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, boot_id TEXT NOT NULL, boot_ns INTEGER NOT NULL,
  kind TEXT NOT NULL, text TEXT NOT NULL)""",
    "media_parts": """CREATE TABLE media_parts (
  sha256 TEXT NOT NULL, parts INTEGER NOT NULL, part INTEGER NOT NULL,
  PRIMARY KEY (sha256, parts, part)) WITHOUT ROWID""",
    "retained": "CREATE TABLE retained (name TEXT PRIMARY KEY, payload BLOB NOT NULL)"
    " WITHOUT ROWID",
}
"""Made in any file of version 1 that lacks them: software that does not know them is not harmed."""

WAITING: Final = "state IN (2, 4)"
"""What waits for a receipt, or was refused; stands in a query as it does in the index."""

ADDED_COLUMNS: Final = dict.fromkeys(("outbox", "media"), "era INTEGER NOT NULL DEFAULT 0")
ADDED_INDEXES: Final = {
    "outbox_waiting": "CREATE INDEX outbox_waiting ON outbox (state, priority, era, next_try_ns)"
    f" WHERE {WAITING}",
    "media_waiting": "CREATE INDEX media_waiting ON media (state, era, next_try_ns)"
    f" WHERE {WAITING}",
}
"""Likewise, after the columns."""
