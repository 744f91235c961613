"""Which packs answer for a frame: static keys first, then a gate, else the fallback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import BundleManifest, find_pack, read_bundle
from edgeclip.contract.gate import read_gate
from edgeclip.contract.router_rows import read_row, row_without_prototypes
from edgeclip.contract.routing import Gate, RouterRow, Shares, by_static_keys, share_out
from edgeclip.contract.static_facts import FRAME_KEYS
from edgeclip.errors import ConfigError
from edgeclip_device.config import InferenceSettings
from edgeclip_device.heads import shares_a_pass
from edgeclip_device.packs import LoadedPack, load_pack, refuse_unknown_classes
from edgeclip_device.router_settings import RoutedPackSettings, RouterSettings
from edgeclip_device.tensor_file import read_tensors

Array = NDArray[np.float32]


@dataclass(frozen=True)
class PackRouter:
    """The packs that share a camera.

    Attributes:
        packs: In the order of the configuration.
        rows: What each says of the frames that it is for.
        ask: One of them, or all whose static keys hold.
        fallback: Index of the pack that answers where none fits.
        gate: Learned, in the order of the packs; None where prototypes choose.
    """

    packs: tuple[LoadedPack, ...]
    rows: tuple[RouterRow, ...]
    ask: Literal["one", "all"] = "one"
    fallback: int = 0
    gate: Gate | None = None

    @staticmethod
    def of_one(pack: LoadedPack) -> PackRouter:
        """Return the router of a pack that answers for every frame."""
        manifest = pack.manifest
        row = row_without_prototypes(manifest.task, manifest.base.embed_dim, {})  # nobody asks it
        return PackRouter((pack,), (row,))

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
        own = by_static_keys(self.rows, facts)
        return None if own is None else [own]

    def by_look(self, base: Array, facts: Mapping[str, str]) -> Shares:
        """Return the packs that the gate or the prototypes choose for a frame, or the fallback.

        Args:
            base: `(E,)` float32 embedding of the whole frame, unit norm.
            facts: What is known of the frame.
        """
        return share_out(self.rows, base[None], [facts], self.gate, self.fallback)[0]


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
    rows = tuple(_row(pack, item) for pack, item in zip(packs, router.packs, strict=True))
    tasks = [item.task for item in router.packs]
    fallback = tasks.index(router.fallback) if router.fallback else 0
    found = PackRouter(packs, rows, router.ask, fallback, _gate(packs, rows, router))
    _check(found)
    return found


def _gate(
    packs: Sequence[LoadedPack], rows: Sequence[RouterRow], router: RouterSettings
) -> Gate | None:
    """Return the bundle's learned gate for these packs, where it is to choose."""
    bundle = packs[0].bundle_manifest
    if router.gate == "learned" and bundle.gate is None:
        raise ConfigError(
            '[router].gate is "learned", and the bundle has none: export a set that was composed'
            " with --gate learned"
        )
    if router.gate == "prototypes" or router.ask == "all" or bundle.gate is None:
        return None
    base = packs[0].manifest.base
    where = packs[0].bundle / bundle.gate
    stored = read_gate(
        where, read_tensors, base_sha256=base.weights_sha256, embed_dim=base.embed_dim
    )
    named = f'{packs[0].bundle} ([router].gate = "prototypes" does without)'
    gate = stored.for_packs(rows, [pack.manifest_sha256 for pack in packs], named)
    if gate.k > 1:
        _refuse_to_mix([pack for pack, row in zip(packs, rows, strict=True) if not row.static])
    return gate


def _refuse_to_mix(packs: Sequence[LoadedPack]) -> None:
    """Refuse packs of other classes where several answer together: only like can be added up."""
    for pack in packs[1:]:
        own, first = (
            (item.manifest.class_names, item.manifest.column_class) for item in (pack, packs[0])
        )
        if own != first:
            raise ConfigError(
                f"[router]: the learned gate mixes packs, and {pack.name} has other classes than"
                f' {packs[0].name}: set gate = "prototypes", or compose with --top-k 1'
            )


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


def _row(pack: LoadedPack, item: RoutedPackSettings) -> RouterRow:
    """Return the pack's own row; without one static keys alone choose it."""
    static = item.static or _keys_of_set(pack)
    return read_row(pack.manifest.task, pack.folder, pack.manifest, static, read_tensors)


def _keys_of_set(pack: LoadedPack) -> Mapping[str, str]:
    """Return what its set said must hold of a frame for the pack to be asked."""
    static = find_pack(pack.bundle_manifest, pack.manifest.task).static
    if unknown := sorted(static.keys() - set(FRAME_KEYS)):
        raise ConfigError(
            f"[router]: {pack.name} was put into its set with {unknown[0]}={static[unknown[0]]},"
            f" which a device does not know of a frame: give its entry {', '.join(FRAME_KEYS[:-1])}"
            f" or {FRAME_KEYS[-1]}"
        )
    return static
