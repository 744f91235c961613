"""A whole bundle made in code: a real ONNX graph that tells red from green, and a real pack.

The graph has the inputs and outputs of the contract. Its features say how much redder than green
an image is, so that a drawn red blob is the `leopard` and everything else is `blank`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeclip.contract.attributes import (
    ATTRIBUTE_TENSORS_FILE,
    ATTRIBUTES_FILE,
    TEXT_FEATURES,
    PackAttributes,
)
from edgeclip.contract.bundle import (
    MANIFEST_FILE,
    BundleManifest,
    FileRecord,
    Graph,
    Profile,
    Rung,
    Tolerance,
)
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import (
    GOLDEN_FILE,
    PACK_FILE,
    TENSORS_FILE,
    ObservationType,
    PackClass,
    PackManifest,
    Thresholds,
)
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.slots import GRAPH_OUTPUTS, HEAD_OUTPUTS, HEAD_SLOTS, filled_slots
from support.samples import AT, HASH, base, hashed, pack_manifest, preprocess_spec

SIZE = 32
WIDTH = 8
EMBED_DIM = 4
CELLS = 4  # on each side
GRAPH_FILE = f"backbone/{HASH[:12]}/model.cpu.onnx"
GRAPH_FILES: Mapping[Rung, str] = {
    "fp16": f"backbone/{HASH[:12]}/model.trt.onnx",
    "fp16-attn32": f"backbone/{HASH[:12]}/model.trt32attn.onnx",
    "fp32": GRAPH_FILE,
}
"""They compute the same, and differ in their bytes."""
RED = (200, 40, 40)
GREEN = (40, 90, 40)

Float = NDArray[np.float32]


@dataclass(frozen=True)
class TinyPack:
    """What a pack of the tiny encoder says: each class has one column.

    Attributes:
        task: Its name, and its folder's.
        classes: Name and kind; the first is what red means, the second everything else.
        thresholds: `on`, `off` and `peak` of the first class.
        scale: Logit scale; a higher one gives more certain probabilities.
        asked: Groups of attributes of four options together, whose text features are the axes.
    """

    task: str = "leopard"
    classes: Sequence[tuple[str, ObservationType]] = (("leopard", "animal"), ("blank", "blank"))
    thresholds: tuple[float, float, float] = (0.6, 0.4, 0.7)
    scale: float = 20.0
    asked: Sequence[Mapping[str, object]] = ()

    def tensors(self) -> dict[str, Float]:
        """Return the tensors that every pack must have."""
        weights = np.zeros((EMBED_DIM, len(self.classes)), np.float32)
        weights[0, 0] = 1.0
        weights[1, 1] = 1.0
        weights[0, 2:] = -1.0
        return {"class_weights": weights, "logit_scale": np.array([self.scale], np.float32)}


def write_tiny_bundle(
    folder: Path, packs: Sequence[TinyPack] = (TinyPack(),), *, baked: bool = False
) -> Path:
    """Write a bundle with a graph for each rung and these packs, and return its folder.

    Args:
        folder: Is made.
        packs: With golden outputs of the graph.
        baked: The one pack is put into the graphs.
    """
    (folder / GRAPH_FILE).parent.mkdir(parents=True)
    own = filled_slots(packs[0].tensors(), width=WIDTH, embed_dim=EMBED_DIM) if baked else None
    for rung, file in GRAPH_FILES.items():
        onnx.save(tiny_graph(own, f"tiny {rung}"), str(folder / file))
    refs = [write_tiny_pack(folder, pack) for pack in packs]
    files = {
        str(path.relative_to(folder)): FileRecord(
            sha256=sha256_file(path), size_bytes=path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / MANIFEST_FILE).write_text(_bundle_manifest(refs, files, baked=baked).to_json())
    return folder


def write_tiny_pack(bundle: Path, pack: TinyPack) -> PackRef:
    """Write a pack with golden outputs of the bundle's graph, and return where it lies."""
    path = f"packs/{pack.task}/1.0.0"
    folder = bundle / path
    folder.mkdir(parents=True)
    tensors = pack.tensors()
    safetensors.numpy.save_file(tensors, folder / TENSORS_FILE)
    np.savez(folder / GOLDEN_FILE, allow_pickle=False, **_golden(bundle / GRAPH_FILE, tensors))
    _write_asked(folder, pack)
    hashes = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    (folder / PACK_FILE).write_text(_pack_manifest(pack, tensors, hashes).to_json())
    return PackRef(task=pack.task, version="1.0.0", path=path)


def _write_asked(folder: Path, pack: TinyPack) -> None:
    if not pack.asked:
        return
    content = {"weights_sha256": HASH, "logit_scale": 10.0, "groups": list(pack.asked)}
    (folder / ATTRIBUTES_FILE).write_text(PackAttributes.model_validate(content).to_json())
    text = np.eye(EMBED_DIM, dtype=np.float32)
    safetensors.numpy.save_file({TEXT_FEATURES: text}, folder / ATTRIBUTE_TENSORS_FILE)


def solid(color: tuple[int, int, int], count: int = 1, size: int = SIZE) -> NDArray[np.uint8]:
    """Return images of one colour: `(count, size, size, 3)` uint8, RGB."""
    return np.full((count, size, size, 3), color, np.uint8)


def tiny_graph(baked: Mapping[str, Float] | None = None, name: str = "tiny") -> onnx.ModelProto:
    """Return the ONNX model: mean colour -> unit features -> logits -> probabilities.

    Args:
        baked: Slots that are constants; else all of them are inputs.
        name: Of the graph.
    """
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "height_width"], ["color"], keepdims=0),
        helper.make_node("MatMul", ["color", "mix"], ["mixed"]),
        helper.make_node("Add", ["mixed", "offset"], ["raw"]),
        helper.make_node("LpNormalization", ["raw"], ["base_embedding"], axis=-1, p=2),
        helper.make_node("MatMul", ["base_embedding", "va_down"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "va_up"], ["change"]),
        helper.make_node("Mul", ["change", "va_ratio"], ["share"]),
        helper.make_node("Add", ["base_embedding", "share"], ["image_features"]),
        helper.make_node("MatMul", ["image_features", "class_weights"], ["cosine"]),
        helper.make_node("Reshape", ["pixels", "in_cells"], ["gridded"]),
        helper.make_node("ReduceMean", ["gridded", "in_a_cell"], ["cell_colors"], keepdims=0),
        helper.make_node("Reshape", ["cell_colors", "in_a_row"], ["colors"]),
        helper.make_node("MatMul", ["colors", "mix"], ["mixed_cells"]),
        helper.make_node("Add", ["mixed_cells", "offset"], ["raw_cells"]),
        helper.make_node("LpNormalization", ["raw_cells"], ["cells"], axis=-1, p=2),
        helper.make_node("MatMul", ["cells", "class_weights"], ["patch_scores"]),
        helper.make_node("Mul", ["cosine", "logit_scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "class_bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["probabilities"], axis=-1),
    ]
    inputs = _inputs()[:1] if baked else _inputs()
    columns = baked["class_weights"].shape[1] if baked else "K"
    graph = helper.make_graph(nodes, name, inputs, _outputs(columns), _constants(baked or {}))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _inputs() -> list[onnx.ValueInfoProto]:
    sizes: dict[str, int | str] = {"1": 1, "D": WIDTH, "E": EMBED_DIM}
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", SIZE, SIZE, 3])
    slots = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [sizes.get(dim, dim) for dim in slot.dims]
        )
        for name, slot in HEAD_SLOTS.items()
    ]
    return [images, *slots]


def _outputs(columns: int | str) -> list[onnx.ValueInfoProto]:
    last = {"image_features": EMBED_DIM, "base_embedding": EMBED_DIM}
    cells = {"patch_scores": [CELLS * CELLS]}
    return [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["B", *cells.get(name, []), last.get(name, columns)]
        )
        for name in HEAD_OUTPUTS
    ]


def _constants(baked: Mapping[str, Float]) -> list[onnx.TensorProto]:
    mix = np.zeros((3, EMBED_DIM), np.float32)
    mix[0, 0], mix[1, 0] = 5 / 255, -5 / 255  # redder than green
    mix[2, 2] = 1 / 255
    offset = np.array([0.0, 0.5, 0.0, 0.1], np.float32)
    axes = np.array([1, 2], np.int64)
    part = SIZE // CELLS
    named: dict[str, NDArray[np.generic]] = {"mix": mix, "offset": offset, "height_width": axes}
    named["in_cells"] = np.array([0, CELLS, part, CELLS, part, 3], np.int64)
    named["in_a_cell"] = np.array([2, 4], np.int64)
    named["in_a_row"] = np.array([0, CELLS * CELLS, 3], np.int64)
    named |= baked
    return [numpy_helper.from_array(array, name) for name, array in named.items()]


def _golden(graph: Path, tensors: dict[str, Float]) -> dict[str, NDArray[np.generic]]:
    images = np.concatenate(
        [solid(color) for color in (RED, GREEN, (0, 0, 0), (255, 255, 255), (90, 60, 40))]
    )
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    slots = filled_slots(tensors, width=WIDTH, embed_dim=EMBED_DIM)
    wanted = {item.name for item in session.get_inputs()}
    feeds = {"images": images, **{name: slots[name] for name in wanted & set(slots)}}
    outputs = session.run(list(GRAPH_OUTPUTS), feeds)
    return {"images": images, **dict(zip(GRAPH_OUTPUTS, outputs, strict=True))}


def _pack_manifest(
    pack: TinyPack, tensors: dict[str, Float], files: dict[str, str]
) -> PackManifest:
    on, off, peak = pack.thresholds
    document = pack_manifest().model_dump(by_alias=True)
    document |= {
        "task": pack.task,
        "base": base(WIDTH, EMBED_DIM, SIZE),
        "preprocess": preprocess_spec(SIZE),
        "slots": {name: list(tensor.shape) for name, tensor in tensors.items()},
        "classes": [
            PackClass(name=name, observation_type=kind, prompts=[f"a {name}"])
            for name, kind in pack.classes
        ],
        "column_class": list(range(len(pack.classes))),
        "thresholds": {pack.classes[0][0]: Thresholds(on=on, off=off, peak=peak)},
        "files": files,
    }
    return hashed(PackManifest.model_validate(document))


def _bundle_manifest(
    refs: list[PackRef], files: dict[str, FileRecord], *, baked: bool
) -> BundleManifest:
    graphs = [
        Graph(
            file=file,
            rung=rung,
            runtime="onnxruntime" if rung == "fp32" else "tensorrt",
            opset=18,
            nodes=21,
            inputs=["images"] if baked else ["images", *HEAD_SLOTS],
            outputs=list(HEAD_OUTPUTS),
        )
        for rung, file in GRAPH_FILES.items()
    ]
    return BundleManifest(
        created_at=AT,
        tool={"edgeclip": "0.1.0"},
        base=base(WIDTH, EMBED_DIM, SIZE),
        preprocess=preprocess_spec(SIZE),
        graphs=graphs,
        profiles={"B": Profile(min=1, opt=2, max=4)},
        baked=baked,
        packs=refs,
        tolerance=Tolerance(one_minus_cosine=1e-3, mean_one_minus_cosine=2e-4, probability=0.02),
        parity={},
        files=files,
    )
