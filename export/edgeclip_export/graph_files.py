"""Write a bundle's graphs: FP32 for ONNX Runtime, FP16 tower for TensorRT."""

from __future__ import annotations

from pathlib import Path

import onnx

from edgeclip.clip import Backbone
from edgeclip.contract.bundle import Graph, Profile
from edgeclip.contract.engine_key import Precision
from edgeclip.contract.slots import OUTPUTS_OF, GraphKind
from edgeclip.errors import BackendError, GateError, SetupError
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.config import BuilderSettings
from edgeclip_export.engine import build_engine
from edgeclip_export.fuse import FusedModel
from edgeclip_export.graph_checks import graph_checks
from edgeclip_export.onnx_graph import OPSET, export_graph, inputs_of
from edgeclip_export.progress import SilentProgress
from edgeclip_export.tensorrt_runtime import module_name

CPU_GRAPH = "model.cpu.onnx"
TENSORRT_GRAPH = "model.trt.onnx"
_PRECISIONS: dict[str, Precision] = {CPU_GRAPH: "fp32", TENSORRT_GRAPH: "fp16"}
_HASH_CHARS = 12


def write_graphs(
    folder: Path, backbone: Backbone, graph: GraphKind, checklist: Checklist
) -> list[Graph]:
    """Write both graphs under `backbone/<sha12>/` and check each.

    Args:
        folder: The bundle being made.
        backbone: The frozen encoder.
        graph: Which slots they have.
        checklist: Takes the checks.

    Returns:
        The manifest's entries, the FP32 graph first.

    Raises:
        ConfigError: The encoder cannot be exported.
        GateError: A graph is not what the contract asks for.
    """
    place = f"backbone/{backbone.base.weights_sha256[:_HASH_CHARS]}"
    (folder / place).mkdir(parents=True)
    return [
        _write(folder, f"{place}/{name}", FusedModel(backbone, precision, graph), checklist)
        for name, precision in _PRECISIONS.items()
    ]


def _write(folder: Path, file: str, fused: FusedModel, checklist: Checklist) -> Graph:
    model = export_graph(fused.eval(), fused.size)
    name = file.rsplit("/", 1)[-1]
    for check in graph_checks(model, size=fused.size, layer_norms=fused.layer_norms()):
        checklist.add(check.about(name))
    checklist.require(GateError, "this encoder cannot be exported: choose another --backbone")
    onnx.save_model(model, folder / file)
    return Graph(
        file=file,
        rung=fused.precision,
        runtime="onnxruntime" if fused.precision == "fp32" else "tensorrt",
        opset=OPSET,
        nodes=len(model.graph.node),
        inputs=list(inputs_of(fused.graph)),
        outputs=list(OUTPUTS_OF[fused.graph]),
    )


def builder_check(graph: Path, profiles: dict[str, Profile]) -> Check:
    """Return whether TensorRT-RTX, which builds without a GPU, makes an engine of a graph.

    TensorRT itself needs the GPU and minutes; there `edgeclip-export engine` is the check.

    Args:
        graph: The FP16 graph.
        profiles: The bundle's.
    """
    name = f"{graph.name}: a TensorRT engine can be built"
    try:
        found = module_name()
    except SetupError:
        return Check(name, None, note="not checked here: neither tensorrt nor tensorrt_rtx")
    if found != "tensorrt_rtx":
        return Check(name, None, note="not checked here: `edgeclip-export engine` builds it")
    try:
        engine = build_engine(graph, profiles, BuilderSettings(), SilentProgress())
    except BackendError as error:
        return Check(name, False, note=str(error))
    return Check(name, True, note=f"tensorrt_rtx, {len(engine) / 1e6:.1f} MB, not run")
