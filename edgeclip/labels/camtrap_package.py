"""A Camtrap DP package (folder, datapackage.json or zip): its descriptor and its tables."""

from __future__ import annotations

from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.json_text import Object, objects_in, parse_object
from edgeclip.labels.package_stores import (
    DESCRIPTOR,
    FolderStore,
    Store,
    ZipStore,
    default_unpacked,
    is_inside,
)
from edgeclip.labels.text_tables import TextTable, parse_table

TABLES = ("deployments", "media", "observations")
_PROFILE_PARTS = (
    "profile", "created", "contributors", "project", "spatial", "temporal", "taxonomic",
)  # fmt: skip


class Package:
    """A package's descriptor and tables.

    Attributes:
        descriptor: Of `datapackage.json`; empty where there is none.
        lacks: What a strict validation would miss.
    """

    def __init__(self, source: Path, media: Path | None) -> None:
        """Open a package.

        Args:
            source: Its folder, `datapackage.json`, or zip.
            media: Where media files lie, or None for the package's own place.

        Raises:
            DataError: It is no package, or one that is not safe to open.
        """
        self.source = source
        if source.is_file() and source.suffix.lower() == ".zip":
            self.store: Store = ZipStore(source, media, default_unpacked())
        else:
            self.store = FolderStore(source if source.is_dir() else source.parent, media)
        name = source.name if source.suffix.lower() == ".json" else DESCRIPTOR
        data = self.store.read(name)
        self.descriptor: Object = parse_object(data, f"{source}: {name}") if data else {}
        missing = [part for part in _PROFILE_PARTS if not self.descriptor.get(part)]
        self.lacks: list[str] = missing if data else [f"the whole {name}"]
        self._paths = self._resources()

    def table(self, name: str) -> TextTable | None:
        """Return one of the three tables, or None where the package has none.

        Raises:
            DataError: It is no table, or lies outside the package.
        """
        path = self._paths.get(name, f"{name}.csv")
        if not is_inside(path):
            raise DataError(f"{self.source}: table {name} at {path[:80]!r} is outside the package")
        data = self.store.read(path)
        return None if data is None else parse_table(data, f"{self.source}: {path}")

    def _resources(self) -> dict[str, str]:
        paths: dict[str, str] = {}
        for _, resource in objects_in(self.descriptor, "resources"):
            name, path = resource.get("name"), resource.get("path")
            if isinstance(path, list) and len(path) == 1:
                path = path[0]
            if isinstance(name, str) and isinstance(path, str):
                paths[name] = path
                if name in TABLES and not resource.get("schema"):
                    self.lacks.append(f"schema of {name}")
        return paths


def is_package(path: Path) -> bool:
    """Say whether a folder holds a Camtrap DP package."""
    tables = [path / f"{name}.csv" for name in TABLES]
    return (path / DESCRIPTOR).is_file() or all(table.is_file() for table in tables)
