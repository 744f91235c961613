"""Classes that the configuration names, and that packs must have."""

from __future__ import annotations

from collections.abc import Iterable

from edgeclip.errors import ConfigError
from edgeclip_device.config import DeviceSettings
from edgeclip_device.pack_router import PackRouter


def refuse_unknown_classes(router: PackRouter, settings: DeviceSettings) -> None:
    """Refuse packs that lack a class of the configuration.

    Raises:
        ConfigError: Which one, and which there are.
    """
    _refuse(router, "[visits].routine_classes", settings.visits.routine_classes)
    _refuse(router, "[location.classes]", settings.location.classes)


def _refuse(router: PackRouter, where: str, names: Iterable[str]) -> None:
    targets = router.targets
    if unknown := sorted(set(names) - set(targets)):
        raise ConfigError(
            f"{where}: {', '.join(unknown)}: the pack decides on {', '.join(targets)}"
        )
