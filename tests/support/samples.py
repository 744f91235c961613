"""Valid manifests and messages for tests, each made in one place."""

from __future__ import annotations

from datetime import datetime, timezone

from edgeclip.contract.detection import (
    AppliedThresholds,
    Clock,
    Detection,
    Gate,
    Latency,
    PackUse,
    Time,
    Votes,
)
from edgeclip.contract.pack import Base, PackClass, PackManifest, Thresholds, Training
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.contract.prompt_columns import columns_sha256

AT = datetime(2026, 5, 1, 2, 3, 4, tzinfo=timezone.utc)
HASH = "a" * 64
EPOCH = "018bcfe5-6800-79d7-baa4-4201ea1b234f"


def preprocess_spec(size: int = 32) -> PreprocessSpec:
    """Return a preprocessing with mean and deviation of one half."""
    return PreprocessSpec(size=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def base(width: int = 8, embed_dim: int = 4, size: int = 32) -> Base:
    """Return a small encoder's description."""
    return Base(
        arch="tiny",
        pretrained="tiny.safetensors",
        activation="gelu",
        width=width,
        embed_dim=embed_dim,
        image_size=size,
        params=1000,
        weights_sha256=HASH,
    )


def hashed(manifest: PackManifest) -> PackManifest:
    """Return a manifest with the hash of its own prompts."""
    columns = manifest.prompt_columns
    assert columns is not None
    return manifest.model_copy(update={"prompts_sha256": columns_sha256(columns)})


def pack_manifest() -> PackManifest:
    """Return a pack of two classes, leopard and blank."""
    manifest = PackManifest(
        task="leopard",
        version="1.0.0",
        created_at=AT,
        tool={"edgeclip": "0.1.0"},
        method="visual",
        recipe_sha256=HASH,
        fusion_class="F1",
        graph="head",
        slots={"class_weights": [4, 3], "logit_scale": [1]},
        base=base(),
        preprocess=preprocess_spec(),
        classes=[
            PackClass(name="leopard", observation_type="animal", prompts=["a leopard"]),
            PackClass(name="blank", observation_type="blank", prompts=["grass", "leaves"]),
        ],
        column_class=[0, 1, 1],
        prompts_sha256=HASH,
        thresholds={"leopard": Thresholds(on=0.6, off=0.4, peak=0.7)},
        temperature=1.0,
        training=Training(
            images=10,
            labels_used=10,
            steps=1,
            seed=0,
            trainable_params=1,
            data_sha256=HASH,
            split_sha256=HASH,
        ),
        metrics={},
        files={"adapter.safetensors": HASH, "golden.npz": HASH},
    )
    return hashed(manifest)


def detection(seq: int = 1, rev: int = 0, detection_id: str = EPOCH) -> Detection:
    """Return a leopard's alert."""
    return Detection(
        detection_id=detection_id,
        rev=rev,
        phase="new",
        severity="alert",
        device_id="jetson-1",
        project="demo",
        deployment_id="ridge-2026",
        camera_id="north",
        epoch=EPOCH,
        seq=seq,
        boot_id=EPOCH,
        time=Time(
            started_at=AT,
            best_at=AT,
            ended_at=None,
            boot_ns=1,
            clock=Clock(trusted=True, source="ntp"),
        ),
        class_name="leopard",
        observation_type="animal",
        probability=0.93,
        margin=0.9,
        top=[("leopard", 0.93), ("blank", 0.07)],
        votes=Votes(frames=3, agreeing=3, median=0.9, peak=0.93),
        thresholds=AppliedThresholds(on=0.6, off=0.4, peak=0.7),
        gate=Gate(
            algorithm="mog2",
            changed_pct=3.0,
            blob_pct=2.0,
            boxes=[(0.1, 0.2, 0.3, 0.4)],
            illumination="ir",
            forced=False,
        ),
        pack=PackUse(
            task="leopard",
            version="1.0.0",
            manifest_sha256=HASH,
            base="tiny",
            backend="onnxruntime",
            precision="fp32",
        ),
        media=[],
        latency_ms=Latency(gate=1, infer=20, decide=0.1, total=25),
    )
