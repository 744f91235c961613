"""Write a bundle's graphs: a rung of precision each, with one file of weights for all."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import onnx

from edgeclip.contract.bundle import Graph, Profile, Rung
from edgeclip.errors import BackendError, GateError, SetupError
from edgeclip_export.attention import with_single_precision_scores
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.config import BuilderSettings
from edgeclip_export.engine import build_engine
from edgeclip_export.fuse import FusedModel
from edgeclip_export.graph_checks import graph_checks
from edgeclip_export.graph_precision import in_precision
from edgeclip_export.graph_rules import OPSET
from edgeclip_export.onnx_graph import export_graph
from edgeclip_export.progress import SilentProgress
from edgeclip_export.tensorrt_runtime import module_name
from edgeclip_export.weight_file import WEIGHTS_FILE, WeightFile

GRAPH_FILES: dict[Rung, str] = {
    "fp16": "model.trt.onnx",
    "fp16-attn32": "model.trt32attn.onnx",
    "fp32": "model.cpu.onnx",
}
_HASH_CHARS = 12


class GraphWriter:
    """Writes the graphs of one encoder into `backbone/<sha12>/`.

    Args:
        folder: The bundle being made.
        weights_sha256: Of the encoder.
        traced: What becomes the graphs, in double precision.
        checklist: Takes the checks.
    """

    def __init__(
        self,
        folder: Path,
        weights_sha256: str,
        traced: FusedModel,
        checklist: Checklist,
    ) -> None:
        self._bundle, self._traced = folder, traced
        self._checklist = checklist
        self._folder = folder / f"backbone/{weights_sha256[:_HASH_CHARS]}"
        self._folder.mkdir(parents=True)

    def write(self, scratch: Path) -> tuple[list[Graph], Path]:
        """Return the manifest's entries, the fastest rung first, and a graph to judge them by.

        Args:
            scratch: A folder for that graph: the last rung's, with its weights in FP32.

        Raises:
            ConfigError: The encoder cannot be exported.
            GateError: A graph is not what the contract asks for.
        """
        traced = export_graph(self._traced, self._traced.size)
        single = in_precision(traced, "fp32")
        with WeightFile(self._folder / WEIGHTS_FILE) as weights:
            graphs = self._write_half(in_precision(traced, "fp16").stored(weights))
            graphs.append(self._write(single.stored_in_half(weights), "fp32"))
        exact = scratch / GRAPH_FILES["fp32"]
        with WeightFile(scratch / WEIGHTS_FILE) as exact_weights:
            onnx.save_model(single.stored(exact_weights), exact)
        return graphs, exact

    def _write_half(self, model: onnx.ModelProto) -> list[Graph]:
        graphs = [self._write(model, "fp16")]
        scores = with_single_precision_scores(model)
        if scores != model:  # a tower without attention has no such rung
            graphs.append(self._write(scores, "fp16-attn32"))
        return graphs

    def _write(self, model: onnx.ModelProto, rung: Rung) -> Graph:
        path = self._folder / GRAPH_FILES[rung]
        onnx.save_model(model, path)
        for check in graph_checks(path, self._traced.expected(rung)):
            self._checklist.add(check.about(path.name))
        remedy = "this encoder cannot be exported: choose another --backbone"
        self._checklist.require(GateError, remedy)
        return Graph(
            file=path.relative_to(self._bundle).as_posix(),
            weights=(path.parent / WEIGHTS_FILE).relative_to(self._bundle).as_posix(),
            rung=rung,
            runtime=_runtime(rung),
            opset=OPSET,
            nodes=len(model.graph.node),
            inputs=["images", *self._traced.slots],
            outputs=list(self._traced.outputs),
        )


def _runtime(rung: Rung) -> Literal["tensorrt", "onnxruntime"]:
    """Return what a graph was made for; the last rung is TensorRT's as well."""
    return "onnxruntime" if rung == "fp32" else "tensorrt"


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
