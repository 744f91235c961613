"""What the exported graph costs, as ratios in one run: `python -m benchmarks.export [--vit-b-32]`.

CPU time of one thread, variants interleaved, the least of twelve: on a shared machine the wall time
of the same call varies several times over, this does not. See `docs/bundle-format.md`.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load_file as load_tensors
from safetensors.numpy import save_file as save_tensors
from safetensors.torch import save_file

from edgeclip import clip
from edgeclip.contract.files import write_text
from edgeclip.contract.preprocess import prepare
from edgeclip.contract.slots import filled_slots
from edgeclip_export.fuse import FusedModel
from edgeclip_export.onnx_graph import export_graph
from edgeclip_export.ort_graph import load_onnxruntime
from edgeclip_export.parity import torch_outputs

ROUNDS = 12
RANDOM_VIT = "vit-b-32-random"
RESULTS = Path(__file__).parent / "results"
GOALS = {
    "fused / bare encoder": 1.03,
    "pack as inputs / baked in": 1.03,
    "ONNX Runtime / torch": 0.85,
    "preparing a 1080p frame / inference": 0.15,
    "changing the pack / reloading the graph": 0.01,
}
"""The largest ratio that is good enough for ViT-B/32; a smaller encoder hides less beside it."""

Slots = Mapping[str, NDArray[np.float32]]
VIT_B_32 = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
"""The image tower of ViT-B-32; its text tower is not measured and kept small."""


def least_thread_s(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return each call's least CPU time of this thread, s; the calls take turns."""
    for call in calls.values():
        call()
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.thread_time()
            call()
            least[name] = min(least[name], time.thread_time() - began)
    return least


def bare_graph(fused: onnx.ModelProto) -> onnx.ModelProto:
    """Return the encoder alone: what gives `base_embedding`, without a pack's inputs."""
    extractor = onnx.utils.Extractor(fused)
    return extractor.extract_model(["images"], ["base_embedding"])


def baked_graph(fused: onnx.ModelProto, slots: Slots) -> onnx.ModelProto:
    """Return the graph with a pack's tensors as constants."""
    baked = onnx.ModelProto()
    baked.CopyFrom(fused)
    kept = [port for port in baked.graph.input if port.name not in slots]
    del baked.graph.input[:]
    baked.graph.input.extend(kept)
    baked.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in slots.items()
    )
    return baked


def random_pack(backbone: clip.Backbone) -> dict[str, NDArray[np.float32]]:
    """Return a visual adapter and a head of four columns, of the usual sizes."""
    embed_dim = backbone.base.embed_dim
    shapes = {"va_down": (embed_dim, embed_dim // 4), "va_up": (embed_dim // 4, embed_dim)}
    shapes["class_weights"] = (embed_dim, 4)
    rng = np.random.default_rng(0)
    pack = {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}
    return pack | {name: np.ones(1, np.float32) for name in ("va_ratio", "logit_scale")}


class Runner:
    """A graph in ONNX Runtime on one thread, as a call without arguments."""

    def __init__(self, model: onnx.ModelProto, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.onnx"
        onnx.save_model(model, self.path)
        self._outputs = [port.name for port in model.graph.output]
        self._session = self.open()

    def open(self) -> object:
        """Return a new session, as a device would have to for a graph with another pack."""
        runtime = load_onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        return runtime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    def bound(self, inputs: Mapping[str, NDArray[np.generic]]) -> Callable[[], object]:
        """Return the call that runs the graph on these inputs."""
        run = self._session.run  # type: ignore[attr-defined]  # onnxruntime has no types
        return lambda: run(self._outputs, dict(inputs))


def measure(backbone: clip.Backbone, folder: Path) -> dict[str, float]:
    """Return the least thread time of each variant, s.

    Args:
        backbone: The frozen encoder.
        folder: For graphs and packs while it runs.
    """
    base, size = backbone.base, backbone.preprocess.size
    pack = random_pack(backbone)
    slots = filled_slots(pack, width=base.width, embed_dim=base.embed_dim)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (1, size, size, 3), np.uint8)
    frame = rng.integers(0, 256, (1080, 1920, 3), np.uint8)
    model = export_graph(FusedModel(backbone, "fp32").eval(), size).inlined()
    fused = Runner(model, folder, "fused")
    pack_file = folder / "adapter.safetensors"
    save_tensors(pack, pack_file)
    changed = fused.bound({"images": images, **slots})

    def change_pack() -> object:
        tensors = load_tensors(pack_file)
        return filled_slots(tensors, width=base.width, embed_dim=base.embed_dim)

    return least_thread_s(
        {
            "fused": changed,
            "bare": Runner(bare_graph(model), folder, "bare").bound({"images": images}),
            "baked": Runner(baked_graph(model, slots), folder, "baked").bound({"images": images}),
            "torch": lambda: torch_outputs(backbone, images, slots),
            "prepare": lambda: prepare(frame, backbone.preprocess),
            "change pack": change_pack,
            "reload graph": fused.open,
        }
    )


def ratios(times: Mapping[str, float]) -> dict[str, float]:
    """Return what `GOALS` names."""
    return {
        "fused / bare encoder": times["fused"] / times["bare"],
        "pack as inputs / baked in": times["fused"] / times["baked"],
        "ONNX Runtime / torch": times["fused"] / times["torch"],
        "preparing a 1080p frame / inference": times["prepare"] / times["fused"],
        "changing the pack / reloading the graph": times["change pack"] / times["reload graph"],
    }


def untrained_vit_b_32(folder: Path) -> clip.Backbone:
    """Return ViT-B-32 with random weights: as fast as with real ones."""
    config, weights = (folder / f"{RANDOM_VIT}{end}" for end in (".json", ".safetensors"))
    config.write_text(json.dumps(VIT_B_32))
    model, _ = clip.untrained_model(config, seed=0)
    save_file(model.state_dict(), weights)
    return clip.load_backbone(str(config), str(weights))


def report(encoder: str, times: Mapping[str, float]) -> dict[str, object]:
    """Print the table and return what is written as JSON."""
    found = ratios(times)
    judged = encoder == RANDOM_VIT
    table = Table("ratio", "measured", "goal of ViT-B/32, at most", title=f"export, {encoder}")
    for name, goal in GOALS.items():
        mark = "" if not judged else "✓ " if found[name] <= goal else "✗ "
        table.add_row(name, f"{found[name]:.4f}", f"{mark}{goal}")
    Console().print(table)
    return {
        "encoder": encoder,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {"torch": torch.__version__, "onnxruntime": load_onnxruntime().__version__},
        "thread_ms": {name: 1000 * seconds for name, seconds in times.items()},
        "ratios": found,
    }


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vit-b-32", action="store_true", help="ViT-B-32 with random weights")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)  # only this thread's time is counted
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backbone = untrained_vit_b_32(folder) if chosen.vit_b_32 else clip.load_backbone(clip.DEMO)
        encoder = RANDOM_VIT if chosen.vit_b_32 else clip.DEMO
        content = report(encoder, measure(backbone, folder))
    file = RESULTS / ("export-vit-b-32.json" if chosen.vit_b_32 else "export.json")
    write_text(file, json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
