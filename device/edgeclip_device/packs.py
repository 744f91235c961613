"""The bundle and the pack that decide, loaded and checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, find_pack, read_bundle, read_bundled_pack
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import (
    PACK_FILE,
    TENSORS_FILE,
    PackManifest,
    Thresholds,
)
from edgeclip.errors import ConfigError, PackError
from edgeclip_device.config import InferenceSettings, ThresholdSettings
from edgeclip_device.tensor_file import read_tensors

log = logging.getLogger(__name__)

Slots = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LoadedPack:
    """A pack of a bundle, ready to be bound.

    Attributes:
        bundle: The bundle's folder.
        bundle_manifest: What it holds.
        manifest: The pack's classes, thresholds and preprocessing.
        manifest_sha256: Of `pack.json`, for the detections.
        folder: The pack's folder in the bundle.
        slots: A tensor for every slot of the graph; none where the pack is baked into it.
        thresholds: As applied, by class name.
        attributes: What it asks in words beside the class; None where it asks nothing.
    """

    bundle: Path
    bundle_manifest: BundleManifest
    manifest: PackManifest
    manifest_sha256: str
    folder: Path
    slots: Slots
    thresholds: dict[str, Thresholds]
    attributes: AttributeBank | None = None

    @property
    def name(self) -> str:
        """task@version."""
        return f"{self.manifest.task}@{self.manifest.version}"


def named_bundle(settings: InferenceSettings) -> Path:
    """Return the folder that the configuration names.

    Raises:
        ConfigError: It names none.
    """
    if settings.bundle is None:
        raise ConfigError("[inference].bundle is missing: name it there, or with --bundle")
    return settings.bundle


def load_pack(
    settings: InferenceSettings,
    read: Callable[[Path], BundleManifest] = read_bundle,
    *,
    alone: bool = True,
) -> LoadedPack:
    """Return the pack that the configuration names, with all hashes checked.

    Args:
        settings: The table `[inference]`.
        read: Returns a bundle's manifest; `Trust.read` where only signed ones may decide.
        alone: Refuse thresholds of classes that it does not decide on; another pack may.

    Raises:
        ConfigError: No bundle is named, or a threshold cannot be applied.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of it is missing or altered.
        BundleMismatchError: It has no such task, or is for other software.
        PackError: The pack is damaged.
        SignatureError: `read` does not believe the bundle.
    """
    bundle = named_bundle(settings)
    bundle_manifest = read(bundle)
    manifest = read_bundled_pack(bundle, bundle_manifest, settings.task)
    folder = bundle / find_pack(bundle_manifest, settings.task).path
    pack = LoadedPack(
        bundle=bundle,
        bundle_manifest=bundle_manifest,
        manifest=manifest,
        manifest_sha256=sha256_file(folder / PACK_FILE),
        folder=folder,
        slots=slots_to_bind(bundle_manifest, _slots(folder / TENSORS_FILE)),
        thresholds={
            name: _override(name, thresholds, settings.thresholds.get(name))
            for name, thresholds in manifest.thresholds.items()
        },
        attributes=AttributeBank.read(folder, manifest, read_tensors),
    )
    if alone:
        refuse_unknown_classes([pack], settings.thresholds)
    return pack


def refuse_unknown_classes(
    packs: Sequence[LoadedPack], overrides: Mapping[str, ThresholdSettings]
) -> None:
    """Refuse thresholds of classes that no pack decides on.

    Raises:
        ConfigError: There are such.
    """
    targets = list(dict.fromkeys(name for pack in packs for name in pack.manifest.targets))
    if unknown := sorted(set(overrides) - set(targets)):
        raise ConfigError(
            f"[inference.thresholds]: the pack decides on {', '.join(targets)}, not on"
            f" {', '.join(unknown)}"
        )


def _slots(path: Path) -> Slots:
    tensors = read_tensors(path)
    wrong = sorted(name for name, tensor in tensors.items() if tensor.dtype != np.float32)
    if wrong:
        raise PackError(f"{path}: {', '.join(wrong)} are not float32: export the bundle again")
    return tensors


def _override(name: str, ours: Thresholds, override: ThresholdSettings | None) -> Thresholds:
    changes = override.model_dump(exclude_none=True) if override else {}
    if not changes:
        return ours
    final = {**ours.model_dump(), **changes}
    if not final["off"] <= final["on"] <= final["peak"]:
        raise ConfigError(
            f"[inference.thresholds.{name}]: off {final['off']} <= on {final['on']} <= peak"
            f" {final['peak']} does not hold: the pack has {ours.off}, {ours.on}, {ours.peak}"
        )
    log.warning("thresholds of %s: %s in place of the pack's %s", name, final, ours.model_dump())
    return Thresholds(**final)
