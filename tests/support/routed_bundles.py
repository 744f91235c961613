"""A set of three packs, one of them for infrared, and the bundle of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from edgeclip.archive.answering import Asked
from edgeclip.clip import Backbone
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PARTS_FILE, ROUTER_FILE
from edgeclip.pack_parts import parts_bytes
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import InferenceSettings
from edgeclip_device.pack_router import load_router
from edgeclip_device.router_settings import RouterSettings
from edgeclip_export.checks import Check
from support.tiny_packs import SIZE, random_tensors, write_tiny_pack

NIGHT = {"light": "infrared"}
TASKS = ("day", "hill", "night")
HILL = "packs/hill/1.0.0"


def ignored(check: Check) -> None:
    assert check.name


def random_views(count: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def routed_pack(
    folder: Path, backbone: Backbone, task: str, seed: int, version: str = "1.0.0"
) -> Path:
    """A pack for images such as the drawn ones; the prototypes of each are other ones of them."""
    keys = backbone.embed_images(random_views(4, seed))[1].numpy()
    row = {
        "router_keys": keys / np.linalg.norm(keys, axis=1, keepdims=True),
        "router_scale": np.array([50.0], np.float32),
        "router_threshold": np.array([1.0], np.float32),
        "router_left_out": np.array([0.1, 0.4], np.float32),
    }
    return pack_with_row(folder, backbone, task, row, seed=seed, version=version)


def pack_with_row(
    folder: Path,
    backbone: Backbone,
    task: str,
    row: Mapping[str, NDArray[np.float32]],
    *,
    seed: int,
    version: str = "1.0.0",
) -> Path:
    """A pack of a class matrix alone, with a router row."""
    tensors = random_tensors(seed, columns=3, names=("class_bias",))
    write_tiny_pack(folder, backbone, tensors, version=version)
    (folder / PARTS_FILE).write_bytes(parts_bytes(tensors, []))
    save_file(dict(row), folder / ROUTER_FILE)
    document = json.loads((folder / "pack.json").read_text())
    document["task"] = task
    for file in (ROUTER_FILE, PARTS_FILE):
        document["files"][file] = sha256_file(folder / file)
    (folder / "pack.json").write_text(json.dumps(document))
    return folder


def asked_of(bundle: Path, task: str | None = None) -> Asked:
    return Asked(bundle, task, backend="onnxruntime")


def as_on_a_device(bundle: Path, packs: list[dict[str, str]]) -> Classifier:
    inference = InferenceSettings(bundle=bundle, backend="onnxruntime", threads=1)
    router = load_router(inference, RouterSettings.model_validate({"packs": packs}))
    return Classifier(open_backend(router.packs[router.resident], inference), router)
