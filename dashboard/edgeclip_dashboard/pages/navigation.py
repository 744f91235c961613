"""The pages that the menu leads to, in its order, with who may see them."""

from __future__ import annotations

from dataclasses import dataclass

from edgeclip_dashboard.identity import Role


@dataclass(frozen=True)
class Entry:
    """One line of the menu; `icon` is a name of the Material icons that NiceGUI brings."""

    path: str
    title: str
    icon: str
    role: Role = "viewer"


NAVIGATION: tuple[Entry, ...] = (Entry("/", "Live", "sensors"),)
