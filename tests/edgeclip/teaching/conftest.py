"""Drawn elephants, which the trained pack does not know, and how they are taught to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.teaching.request import TeachRequest, check_teaching
from edgeclip.teaching.teach import TeachResult, teach
from edgeclip.trainer import TrainResult
from support.drawn_images import draw, save
from support.tiny_packs import TinyEncoder

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
Teacher = Callable[..., TeachResult]


@pytest.fixture(scope="session")
def elephants(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five frames of elephants at five places."""
    folder = tmp_path_factory.mktemp("elephants")
    return [save(folder / f"e{n}.png", draw("elephant", 900 + n, background=n)) for n in range(5)]


@pytest.fixture(scope="session")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames of the same places without one."""
    folder = tmp_path_factory.mktemp("without")
    for n in range(24):
        label = ("leopard", "zebra", "blank")[n % 3]
        save(folder / f"{label}{n}.png", draw(label, 700 + n, background=n % 6))
    return folder


@pytest.fixture(scope="session")
def run_teaching(encoder: TinyEncoder, trained: tuple[Path, TrainResult]) -> Teacher:
    """Teach `elephant`, to the trained pack unless `on` is None."""

    def run(out: Path, images: list[Path], **fields: object) -> TeachResult:
        usual: dict[str, object] = {
            "images": tuple(images),
            "name": "elephant",
            "on": trained[0],
            "backbone": str(encoder.config),
            "pretrained": str(encoder.weights),
            "out": out,
        }
        request = TeachRequest.model_validate(usual | fields)
        check_teaching(request)
        return teach(request, created_at=AT)

    return run


@pytest.fixture(scope="session")
def teach_three(
    run_teaching: Teacher,
    elephants: list[Path],
    without: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[Path, TeachResult]]:
    """Teach `elephant` from three frames beside those without one; return the pack, too."""

    def run(**fields: object) -> tuple[Path, TeachResult]:
        out = tmp_path_factory.mktemp("taught") / "pack"
        return out, run_teaching(out, elephants[:3], others=(without,), **fields)

    return run
