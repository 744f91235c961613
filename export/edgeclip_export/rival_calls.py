"""Other ways to run a bundle's encoder and head: those that work here, and why others do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import BundleManifest, find_pack
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import ConfigError, EdgeclipError
from edgeclip_export.config import BenchmarkConfig, BundleConfig

EAGER, COMPILED = "torch eager", "torch.compile"
PLAIN = "ONNX Runtime, encoder alone"

Images = NDArray[np.uint8]
Call = Callable[[Images], object]


class Rivals:
    """The other ways, as calls. All are in single precision: half takes minutes on a CPU.

    Args:
        manifest: Of the bundle.
        slots: The pack's tensors, all of them.
        config: Whether to compare; threads; where the encoder is.
        folder: For graphs, while they are used.

    Attributes:
        absent: Why each of the others does not work here, by name.
    """

    def __init__(
        self,
        manifest: BundleManifest,
        slots: Mapping[str, NDArray[np.float32]],
        config: BenchmarkConfig,
        folder: Path,
    ) -> None:
        self.absent: dict[str, str] = {}
        self._makers: dict[str, Callable[[Images], Call]] = {}
        if not config.compare:
            return
        try:
            self._makers = _makers(manifest, slots, config, folder)
        except (EdgeclipError, ImportError) as error:  # a Jetson has no torch, which all need
            names = (EAGER, COMPILED, PLAIN) if config.compiled else (EAGER, PLAIN)
            self.absent = dict.fromkeys(names, _line(error))

    def calls(self, images: Images) -> dict[str, Callable[[], object]]:
        """Return what computes this batch; one that cannot be made is absent from then on."""
        calls: dict[str, Callable[[], object]] = {}
        for name, make in self._makers.items():
            if name in self.absent:
                continue
            try:
                calls[name] = partial(make(images), images)
            except (EdgeclipError, ImportError) as error:
                self.absent[name] = _line(error)
        return calls


def _makers(
    manifest: BundleManifest,
    slots: Mapping[str, NDArray[np.float32]],
    config: BenchmarkConfig,
    folder: Path,
) -> dict[str, Callable[[Images], Call]]:
    """Return variant -> (batch -> call); only what is compiled is made for each batch anew."""
    import torch

    from edgeclip_export import rivals
    from edgeclip_export.encoder import load_encoder

    if manifest.baked:
        raise ConfigError("a pack is baked in: only bundles that bind packs are compared")
    if manifest.graph == "deep":
        raise ConfigError("adapters inside the tower: only heads are compared")
    if config.threads:
        torch.set_num_threads(config.threads)
    pack = read_pack_manifest(config.bundle / find_pack(manifest, None).path)
    names = BundleConfig(
        config.bundle, config.bundle, config.backbone, config.pretrained, overwrite=False
    )
    backbone = load_encoder(pack, names)
    eager = cache(lambda: rivals.torch_eager(backbone, slots))
    plain = cache(lambda: rivals.plain_onnxruntime(backbone, slots, folder, config.threads))
    makers: dict[str, Callable[[Images], Call]] = {
        EAGER: lambda _: eager(),
        PLAIN: lambda _: plain(),
    }
    if config.compiled:
        makers[COMPILED] = lambda images: rivals.torch_compiled(backbone, slots, images)
    return makers


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
