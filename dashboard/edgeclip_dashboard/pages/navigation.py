"""The pages that the menu leads to, in its order, with who may see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgeclip_dashboard.identity import Role


@dataclass(frozen=True)
class Entry:
    """One line of the menu; `icon` is a name of the Material icons that NiceGUI brings.

    One that lies `under` another's path is no line: that page leads there.
    """

    path: str
    title: str
    icon: str
    role: Role = "viewer"
    under: str = ""


NAVIGATION: tuple[Entry, ...] = (
    Entry("/", "Live", "sensors"),
    Entry("/map", "Map", "map"),
    Entry("/review", "Review", "rule", "reviewer"),
    Entry("/teach", "Teach", "school", "reviewer", under="/review"),
    Entry("/search", "Search", "search"),
    Entry("/activity", "Activity", "bar_chart"),
    Entry("/devices", "Devices", "router"),
    Entry("/desired", "Desired", "published_with_changes", "reviewer"),
    Entry("/deployments", "Places", "place"),
    Entry("/packs", "Packs", "inventory_2", "admin"),
    Entry("/export", "Export", "download", "reviewer"),
    Entry("/notices", "Notices", "notifications"),
    Entry("/rules", "Rules", "campaign", "admin"),
    Entry("/webhooks", "Webhooks", "webhook", "admin"),
    Entry("/accounts", "Accounts", "group", "admin"),
    Entry("/deeds", "Deeds", "history_edu", "admin"),
    Entry("/malformed", "Malformed messages", "report", "admin", under="/"),
)


def role_for(path: str, entries: Iterable[Entry] = NAVIGATION) -> Role:
    """Return the role that a path of this server needs: that of the entry it lies under.

    The guard asks this for every request; what lies under no entry is a viewer's, and a route
    that needs more of its visitor says so itself.
    """
    above = [entry for entry in entries if is_under(path, entry.path)]
    return max(above, key=lambda entry: len(entry.path)).role if above else "viewer"


def line_of(path: str) -> str:
    """Return the path of the menu's line that a page belongs to; empty: to none."""
    above = [entry for entry in NAVIGATION if is_under(path, entry.path)]
    deepest = max(above, key=lambda entry: len(entry.path), default=None)
    return (deepest.under or deepest.path) if deepest else ""


def is_under(path: str, folder: str) -> bool:
    """Say whether a path is an entry's, or lies below it; `/` has nothing below."""
    return path == folder or (folder != "/" and path.startswith(f"{folder}/"))
