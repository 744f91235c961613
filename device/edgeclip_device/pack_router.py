"""Which packs answer for a frame: static keys first, then prototypes, else the fallback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from edgeclip.contract.bundle import BundleManifest, read_bundle
from edgeclip.contract.pack import ROUTER_FILE
from edgeclip.contract.routing import RouterRow, choose
from edgeclip.errors import ConfigError, PackError
from edgeclip_device.config import InferenceSettings
from edgeclip_device.heads import shares_a_pass
from edgeclip_device.packs import LoadedPack, load_pack, refuse_unknown_classes
from edgeclip_device.router_settings import RouterSettings

Array = NDArray[np.float32]


@dataclass(frozen=True)
class PackRouter:
    """The packs that share a camera.

    Attributes:
        packs: In the order of the configuration.
        rows: What each says of the frames that it is for.
        ask: One of them, or all whose static keys hold.
        fallback: Index of the pack that answers where none fits.
    """

    packs: tuple[LoadedPack, ...]
    rows: tuple[RouterRow, ...]
    ask: Literal["one", "all"] = "one"
    fallback: int = 0

    @staticmethod
    def of_one(pack: LoadedPack) -> PackRouter:
        """Return the router of a pack that answers for every frame."""
        return PackRouter((pack,), (_row_of_none(pack, {}),))

    @cached_property
    def resident(self) -> int:
        """Index of the pack that stays bound: one whose pass serves the others, if there is any."""
        sharing = [index for index, pack in enumerate(self.packs) if shares_a_pass(pack)]
        return sharing[0] if sharing else 0

    @property
    def names(self) -> str:
        """Task and version of each."""
        return " + ".join(pack.name for pack in self.packs)

    @property
    def targets(self) -> list[str]:
        """Names of all classes that a detection can name, each once."""
        return list(dict.fromkeys(name for pack in self.packs for name in pack.manifest.targets))

    def by_facts(self, facts: Mapping[str, str]) -> list[int] | None:
        """Return the packs that are known before the encoder runs; None where it decides.

        Args:
            facts: What is known of the frame: camera, deployment, light.
        """
        if len(self.packs) == 1:
            return [0]
        if self.ask == "all":
            held = [p for p, row in enumerate(self.rows) if row.holds_for(facts)]
            return held or [self.fallback]
        held = [p for p, row in enumerate(self.rows) if row.static and row.holds_for(facts)]
        return [max(held, key=lambda p: (len(self.rows[p].static), -p))] if held else None

    def by_prototypes(self, base: Array, facts: Mapping[str, str]) -> int:
        """Return the pack that a frame is nearest to, or the fallback.

        Args:
            base: `(E,)` float32 embedding of the whole frame, unit norm.
            facts: What is known of the frame.
        """
        chosen = choose(self.rows, base[None], [facts])[0]
        return self.fallback if chosen is None else chosen


def load_router(
    inference: InferenceSettings,
    router: RouterSettings,
    read: Callable[[Path], BundleManifest] = read_bundle,
) -> PackRouter:
    """Return the packs that the configuration names, with all hashes checked.

    Args:
        inference: The table `[inference]`.
        router: The table `[router]`; without packs the one of `[inference].task` is alone.
        read: Returns a bundle's manifest; `Trust.read` where only signed ones may decide.

    Raises:
        ConfigError: Packs cannot go together, or as for `load_pack`.
        ArtefactError: As for `load_pack`.
    """
    if not router.packs:
        return PackRouter.of_one(load_pack(inference, read))
    manifests: dict[Path, BundleManifest] = {}

    def read_once(folder: Path) -> BundleManifest:
        if folder not in manifests:
            manifests[folder] = read(folder)
        return manifests[folder]

    packs = tuple(
        load_pack(inference.model_copy(update={"task": item.task}), read_once, alone=False)
        for item in router.packs
    )
    refuse_unknown_classes(packs, inference.thresholds)
    rows = tuple(_row(pack, item.static) for pack, item in zip(packs, router.packs, strict=True))
    tasks = [item.task for item in router.packs]
    found = PackRouter(
        packs, rows, router.ask, tasks.index(router.fallback) if router.fallback else 0
    )
    _check(found)
    return found


def _check(router: PackRouter) -> None:
    first = router.packs[0].manifest
    for pack in router.packs[1:]:
        strips = [(m.strip_top_px or 0, m.strip_bottom_px or 0) for m in (first, pack.manifest)]
        if strips[0] != strips[1]:
            raise ConfigError(
                f"[router]: {pack.name} was trained without {strips[1]} px of strips, {first.task}"
                f" without {strips[0]}: packs that share a camera must be cut alike"
            )
    targets = [name for pack in router.packs for name in pack.manifest.targets]
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if router.ask == "all" and twice:
        raise ConfigError(
            f'[router]: with ask = "all" two packs decide on {twice[0]}: ask one, or leave one out'
        )
    for pack, row in zip(router.packs, router.rows, strict=True):
        if router.ask == "one" and not row.static and not shares_a_pass(pack) and row.threshold:
            raise ConfigError(
                f"[router]: {pack.name} reaches into the encoder, so that no prototypes can choose"
                " it: give it camera, deployment or light"
            )


def _row(pack: LoadedPack, static: Mapping[str, str]) -> RouterRow:
    """Return the pack's own row, where its training stored one."""
    if ROUTER_FILE not in pack.manifest.files:
        return _row_of_none(pack, static)
    path = pack.folder / ROUTER_FILE
    try:
        tensors = safetensors.numpy.load_file(path)
        scale, threshold = (float(tensors[f"router_{n}"][0]) for n in ("scale", "threshold"))
        keys = np.asarray(tensors["router_keys"], np.float32)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise PackError(f"{path} holds no router row ({error}): copy the bundle again") from error
    if keys.shape[1:] != (pack.manifest.base.embed_dim,):
        raise PackError(f"{path}: keys {keys.shape} are of another encoder: export it again")
    return RouterRow(pack.manifest.task, keys, scale, threshold, dict(static))


def _row_of_none(pack: LoadedPack, static: Mapping[str, str]) -> RouterRow:
    """Return a row without prototypes: nothing is near it, so that static keys alone choose it."""
    nothing = np.zeros((1, pack.manifest.base.embed_dim), np.float32)
    return RouterRow(pack.manifest.task, nothing, 1.0, 0.0, dict(static))


def light_of(illumination: str) -> str:
    """Return the trainer's word for a frame's light: infrared, or day."""
    return "infrared" if illumination == "ir" else "day"
