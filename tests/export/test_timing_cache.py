from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edgeclip_export.timing_cache import TimingCache
from support.stand_in_tensorrt import IBuilderConfig


def _build(path: Path | None) -> bytes:
    """Go through a build that measures one thing; return what the builder began with."""
    cache, config = TimingCache(path), IBuilderConfig()
    cache.attach(config)  # type: ignore[arg-type, unused-ignore]  # stands in for TensorRT's
    began = config.timing_cache.content if config.timing_cache else b""
    if config.timing_cache:
        config.timing_cache.content += b"measured;"
    cache.collect()
    cache.write()
    return began


def test_what_one_build_measured_the_next_one_knows(tmp_path: Path) -> None:
    path = tmp_path / "engines" / "orin.timing"
    assert _build(path) == b""
    assert path.read_bytes() == b"measured;"
    assert _build(path) == b"measured;"
    assert path.read_bytes() == b"measured;measured;"


@pytest.mark.parametrize("content", [b"rubbish", b"of another device"])
def test_measurements_that_do_not_fit_are_made_anew_and_it_is_said(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "orin.timing"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert _build(path) == b""
    assert "orin.timing is not of this device and TensorRT: it is made anew" in caplog.text
    assert path.read_bytes() == b"measured;"


def test_a_file_that_cannot_be_read_or_written_costs_the_measurements_and_no_build(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "orin.timing"
    path.mkdir()
    with caplog.at_level(logging.WARNING):
        assert _build(path) == b""
    assert "cannot be read" in caplog.text
    assert "was not written" in caplog.text
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_file_nothing_is_kept() -> None:
    assert _build(None) == b""
