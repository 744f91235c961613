from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.evaluating import EvaluationRequest, evaluate_pack
from edgeclip.labels.reading import ReadingOptions
from edgeclip.progress import Bars
from edgeclip.trainer import TrainResult
from support.drawn_images import DrawnSet, write_set
from support.tiny_packs import TinyEncoder


def _request(pack: Path, data: Path, encoder: TinyEncoder) -> EvaluationRequest:
    return EvaluationRequest(
        pack, ReadingOptions(data=data), str(encoder.config), str(encoder.weights)
    )


def test_a_pack_is_measured_at_other_places(
    trained: tuple[Path, TrainResult], encoder: TinyEncoder, tmp_path: Path
) -> None:
    drawn = DrawnSet({"elephant": 1, "leopard": 2, "blank": 2}, locations=3)
    table = write_set(tmp_path, drawn)
    result, names = evaluate_pack(_request(trained[0], table, encoder), bars=Bars(quiet=True))
    assert names == ["leopard", "zebra", "blank"]
    assert result.images == 24  # the elephants are no class of the pack
    assert result.targets["leopard"].recall > 0.9
    on = trained[1].manifest.thresholds["leopard"].on
    assert result.targets["leopard"].threshold == on


def test_images_of_other_classes_alone_are_refused(
    trained: tuple[Path, TrainResult], encoder: TinyEncoder, tmp_path: Path
) -> None:
    table = write_set(tmp_path, DrawnSet({"elephant": 1}, locations=1))
    with pytest.raises(DataError, match="no image of leopard, zebra, blank; found elephant"):
        evaluate_pack(_request(trained[0], table, encoder), bars=Bars(quiet=True))
