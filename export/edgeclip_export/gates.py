"""All parity gates of a bundle, in their order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip.clip import Backbone
from edgeclip.contract.slots import GRAPH_OUTPUTS
from edgeclip.packs import Golden
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.fuse import FusedModel
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.parity import (
    GOLDEN_COSINE_LIMIT,
    Outputs,
    check_images,
    compare,
    difference_checks,
    fused_outputs,
    neutral_check,
    neutral_slots,
    other_slots,
    torch_outputs,
)

HALF_COSINE_LIMIT = 1e-3  # as far as an engine may lie from the golden outputs on a device


def run_gates(
    backbone: Backbone, slots: Outputs, golden: Golden, graph: OrtGraph, checklist: Checklist
) -> dict[str, float]:
    """Compare stored outputs, torch and ONNX Runtime; return what the manifest states of it.

    Args:
        backbone: The frozen encoder, in torch.
        slots: The pack's tensors: what `contract.slots.filled_slots` gave.
        golden: The pack's golden frames and outputs.
        graph: The bundle's FP32 graph.
        checklist: Takes the checks.
    """
    images = check_images(golden.images)
    reference = torch_outputs(backbone, images, slots)
    checklist.add(*golden_checks("golden outputs, torch", golden, reference))
    found = compare(reference, graph.run(images, slots))
    checklist.add(*difference_checks("ONNX Runtime, torch", found, len(images)))
    neutral = _neutral(backbone, slots, images, graph)
    checklist.add(neutral, *_other_sizes(backbone, images, graph))
    half = _half(backbone, slots, images, reference)
    checklist.add(*half)
    return {
        "images": float(len(images)),
        "one_minus_cosine": found.one_minus_cosine,
        "logits": found.logits,
        "probabilities": found.probabilities,
        "neutral": _value(neutral),
        "fp16_one_minus_cosine": _value(half[1]),
        "fp16_logits": _value(half[2]),
    }


def golden_checks(subject: str, golden: Golden, found: Outputs) -> list[Check]:
    """Return whether a pack's stored outputs are those that are computed here.

    Args:
        subject: Who computed, for the start of each line.
        golden: The pack's frames and outputs.
        found: Outputs whose first images are the golden ones.
    """
    stored: Outputs = {name: getattr(golden, name) for name in GRAPH_OUTPUTS}
    count = len(golden.images)
    first = {name: found[name][:count] for name in GRAPH_OUTPUTS}
    return difference_checks(
        subject, compare(stored, first), count, cosine_limit=GOLDEN_COSINE_LIMIT
    )


def _neutral(
    backbone: Backbone, slots: Outputs, images: NDArray[np.uint8], graph: OrtGraph
) -> Check:
    return neutral_check(backbone, images, graph.run(images, neutral_slots(slots)))


def _other_sizes(backbone: Backbone, images: NDArray[np.uint8], graph: OrtGraph) -> list[Check]:
    """All adapters on, with sizes that the export never saw: free dimensions are really free."""
    slots = other_slots(backbone.base.width, backbone.base.embed_dim)
    few = images[-4:]
    found = compare(torch_outputs(backbone, few, slots), graph.run(few, slots))
    return difference_checks("other sizes, all adapters", found, len(few))


def _half(
    backbone: Backbone, slots: Outputs, images: NDArray[np.uint8], reference: Outputs
) -> list[Check]:
    """Run the FP16 tower in torch: what half precision costs, before any TensorRT is at hand."""
    found = compare(reference, fused_outputs(FusedModel(backbone, "fp16").eval(), images, slots))
    subject = "FP16 tower in torch"
    return [
        Check(f"{subject}: outputs are finite", found.is_finite),
        Check.at_most(f"{subject}: 1 - cosine", found.one_minus_cosine, HALF_COSINE_LIMIT),
        Check(f"{subject}: logits", None, found.logits, note="stated, not judged"),
    ]


def _value(check: Check) -> float:
    return float("nan") if check.value is None else check.value
