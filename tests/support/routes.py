"""All routes that the dashboard's application has, read from the application itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import json, sys
from pathlib import Path
from nicegui import core
from edgeclip_dashboard.application import build_application
from edgeclip_dashboard.config import Credentials, load_settings
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.server import _join

def flat(routes):
    for route in routes:
        if hasattr(route, "path"):
            yield route
        else:  # FastAPI keeps the routes of a router that was included apart
            yield from flat(route.original_router.routes)

folder = Path(sys.argv[1])
settings = load_settings(None, {"store": {"media": str(folder / "media")}})
with open_database(database_url(str(folder / "d.sqlite")), project="demo") as engine:
    app = build_application(_join(settings, Credentials(), engine), lambda: None)
    routes = [(route, False) for route in flat(app.routes)]
    routes += [(route, True) for route in flat(core.app.routes)]
    print(json.dumps([
        [route.path, sorted(getattr(route, "methods", None) or ["GET"]), is_nicegui]
        for route, is_nicegui in routes
    ]))
"""


@dataclass(frozen=True)
class Route:
    """A path, with its parameters in braces, and the methods that it answers."""

    path: str
    methods: tuple[str, ...]
    is_nicegui: bool

    @property
    def is_page(self) -> bool:
        """Whether it is a page of NiceGUI, none of its files."""
        return self.is_nicegui and not self.path.startswith(("/_nicegui", "/favicon"))


def all_routes(folder: Path) -> list[Route]:
    """Return all routes; they are built in a process of their own.

    Args:
        folder: Empty, for its database.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return [
        Route(path, tuple(methods), is_nicegui)
        for path, methods, is_nicegui in json.loads(done.stdout)
    ]
