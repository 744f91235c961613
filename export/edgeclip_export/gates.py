"""All gates of a bundle that compare numbers, in their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.clip import Backbone
from edgeclip.contract.slots import GraphKind, graph_of
from edgeclip.packs import Pack
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.differences import (
    GOLDEN,
    PATCH_LIMIT,
    STORED,
    STORED_PATCH_LIMIT,
    Differences,
    Outputs,
    attention_checks,
    compare,
    difference_checks,
    golden_checks,
    golden_features,
    patch_difference,
)
from edgeclip_export.fuse import FusedModel
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.parity import (
    NEUTRAL_LIMIT,
    check_images,
    fused_outputs,
    neutral_difference,
    neutral_slots,
    other_slots,
    torch_outputs,
)
from edgeclip_export.real_frames import enough_note

FEW = 6
"""Of the frames that are compared, where computing them all would take long: four are synthetic."""
SYNTHETIC = 4
HALF_LIMIT = 65504.0  # the largest number of half precision
HALF_COSINE_LIMIT = 1e-3  # as far as an engine may lie from the golden outputs on a device


@dataclass(frozen=True)
class Reference:
    """What a graph is held against.

    Attributes:
        images: `(n, S, S, 3)` uint8: the golden frames, further ones, and four synthetic ones.
        outputs: What torch computes for them with the pack's tensors.
        cells: `patch_scores` of the last `FEW` by the fused module; training has none.
        parity: What was measured so far, for the manifest.
    """

    images: NDArray[np.uint8]
    outputs: Outputs
    cells: NDArray[np.float32]
    parity: dict[str, float]


def encoder_gates(
    backbone: Backbone,
    slots: Outputs,
    fused: FusedModel,
    pack: Pack,
    frames: NDArray[np.uint8] | None,
    checklist: Checklist,
) -> Reference:
    """Compare stored outputs, torch, and torch with the FP16 tower: all that needs no graph.

    Args:
        backbone: The encoder, changed where the pack changes its weights or its projection.
        slots: The pack's tensors: what `contract.pack.filled_for` gave.
        fused: What becomes the FP16 graph.
        pack: With golden frames and outputs.
        frames: `(n, S, S, 3)` uint8: further ones; None for none.
        checklist: Takes the checks.
    """
    golden = pack.golden
    more = golden.images[:0] if frames is None else frames
    images = check_images(np.concatenate([golden.images, more]))
    outputs = torch_outputs(backbone, images, slots)
    features = golden_features(pack.tensors, baked=not fused.slots)
    subject = "golden outputs, torch"
    checklist.add(*golden_checks(subject, golden, outputs, GOLDEN, features=features))
    checklist.add(Check("frames", None, note=enough_note(len(golden.images), len(more))))
    few, kind = images[-FEW:], graph_of(slots)
    exact = fused_outputs(FusedModel(backbone, "fp32", kind).eval(), few, slots)
    half = compare(_last(outputs), fused_outputs(fused, few, slots))
    checklist.add(*_half_checks(half))
    parity = {
        "images": float(len(images)),
        "fp16_one_minus_cosine": half.one_minus_cosine,
        "fp16_logits": half.logits,
    }
    return Reference(images, outputs, exact["patch_scores"], parity)


def graph_gates(
    backbone: Backbone, slots: Outputs, reference: Reference, graph: OrtGraph, checklist: Checklist
) -> dict[str, float]:
    """Compare ONNX Runtime with torch; return all that the manifest states of it.

    No other tensors than its own can be tried on a graph with a pack in it.

    Args:
        backbone: The frozen encoder.
        slots: The pack's tensors: what `contract.pack.filled_for` gave.
        reference: What `encoder_gates` gave.
        graph: All FP32, its weights too.
        checklist: Takes the checks.
    """
    images = reference.images
    outputs = graph.run(images, slots)
    found = compare(reference.outputs, outputs)
    subject = "ONNX Runtime, torch"
    checklist.add(*difference_checks(subject, found, len(images)))
    checklist.add(*attention_checks(subject, reference.outputs, outputs, PATCH_LIMIT))
    cells = patch_difference(reference.cells, outputs["patch_scores"][-FEW:], slots)
    checklist.add(Check.at_most(f"{subject}: patch scores", cells, PATCH_LIMIT))
    parity = reference.parity | {
        "one_minus_cosine": found.one_minus_cosine,
        "logits": found.logits,
        "probabilities": found.probabilities,
        "patch_scores": cells,
    }
    if graph.is_baked:
        return parity
    few = images[-FEW:]
    neutral = neutral_difference(backbone, few, graph.run(few, neutral_slots(slots)))
    checklist.add(Check.at_most("neutral pack = frozen CLIP", neutral, NEUTRAL_LIMIT))
    checklist.add(*_other_sizes(backbone, images, graph, graph_of(slots)))
    return parity | {"neutral": neutral}


def storage_gate(
    slots: Outputs, reference: Reference, graph: OrtGraph, checklist: Checklist
) -> dict[str, float]:
    """Compare the graph as shipped, with FP16 weights, with torch; return it for the manifest.

    Args:
        slots: The pack's tensors: what `contract.pack.filled_for` gave.
        reference: What `encoder_gates` gave.
        graph: The bundle's FP32 graph.
        checklist: Takes the checks.
    """
    outputs = graph.run(reference.images, slots)
    found = compare(reference.outputs, outputs)
    subject = "FP16 weights in ONNX Runtime, torch"
    checklist.add(*difference_checks(subject, found, len(reference.images), STORED))
    checklist.add(*attention_checks(subject, reference.outputs, outputs, STORED_PATCH_LIMIT))
    cells = patch_difference(reference.cells, outputs["patch_scores"][-FEW:], slots)
    checklist.add(Check.at_most(f"{subject}: patch scores", cells, STORED_PATCH_LIMIT))
    return {
        "stored_one_minus_cosine": found.one_minus_cosine,
        "stored_logits": found.logits,
        "stored_probabilities": found.probabilities,
        "stored_patch_scores": cells,
    }


def weight_checks(backbone: Backbone) -> list[Check]:
    """Return whether an encoder's weights are numbers, and such as half precision holds.

    Args:
        backbone: The frozen encoder.
    """
    tower = backbone.tower.state_dict()
    ranges = {  # of a tensor with a NaN both are NaN
        name: [float(end) for end in value.aminmax()]
        for name, value in tower.items()
        if value.is_floating_point()
    }
    wrong = [name for name, ends in ranges.items() if not np.isfinite(ends).all()]
    note = f"{wrong[0]} is not" if wrong else f"{len(ranges)} tensors"
    sound = Check("weights are finite", not wrong, note=note)
    if wrong:
        return [sound]
    low, high = np.min(list(ranges.values())), np.max(list(ranges.values()))
    note = f"from {low:.3g} to {high:.3g}"
    return [
        sound,
        Check.at_most("weights in half precision", float(max(-low, high)), HALF_LIMIT, note),
    ]


def _last(outputs: Outputs) -> Outputs:
    return {name: array[-FEW:] for name, array in outputs.items()}


def _other_sizes(
    backbone: Backbone, images: NDArray[np.uint8], graph: OrtGraph, kind: GraphKind
) -> list[Check]:
    """All adapters on, with sizes that the export never saw: free dimensions are really free."""
    base = backbone.base
    slots = other_slots(base.width, base.embed_dim, base.blocks if kind == "deep" else 0)
    few = images[-SYNTHETIC:]
    wanted, given = torch_outputs(backbone, few, slots), graph.run(few, slots)
    subject = "other sizes, all adapters"
    return [
        *difference_checks(subject, compare(wanted, given), len(few)),
        *attention_checks(subject, wanted, given, PATCH_LIMIT),
    ]


def _half_checks(found: Differences) -> list[Check]:
    """State what half precision costs, before any TensorRT is at hand."""
    subject = "FP16 tower in torch"
    return [
        Check(f"{subject}: outputs are finite", found.is_finite),
        Check.at_most(f"{subject}: 1 - cosine", found.one_minus_cosine, HALF_COSINE_LIMIT),
        Check(f"{subject}: logits", None, found.logits, note="stated, not judged"),
    ]
