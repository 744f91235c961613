from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.cache_store import CacheStore
from edgeclip.errors import DataError
from edgeclip.token_cache import _OPEN_AT_ONCE, TokenCache

SHAPE = (5, 8)
SHARD_BYTES = 3 * 5 * 8 * 2


def _tokens(count: int = 3, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


def _filled(folder: Path | None, shards: int, *, limit: int = 10**9) -> TokenCache:
    cache = TokenCache(folder, CacheStore(folder, limit / 1e9) if folder else None)
    for shard in range(shards):
        cache.put([f"{shard}-{row}" for row in range(3)], _tokens(seed=shard))
    return cache


def test_rows_come_back_in_the_order_asked_for_from_any_shard(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    rows = TokenCache(tmp_path).rows(["2-1", "0-0", "2-0", "1-2"])
    expected = np.stack([_tokens(seed=s)[r] for s, r in ((2, 1), (0, 0), (2, 0), (1, 2))])
    np.testing.assert_array_equal(rows.array(), expected.astype(np.float16))
    np.testing.assert_array_equal(rows[1:3].array(), expected[1:3].astype(np.float16))
    chosen = rows[np.array([3, 3, 0])]
    np.testing.assert_array_equal(chosen.array(), expected[[3, 3, 0]].astype(np.float16))
    assert (len(rows), len(rows[1:3]), len(chosen)) == (4, 2, 3)


def test_no_rows_are_an_empty_array(tmp_path: Path) -> None:
    assert len(_filled(tmp_path, 1).rows([]).array()) == 0


def test_without_a_folder_tokens_live_as_long_as_the_cache() -> None:
    cache = _filled(None, 2)
    folder = cache._folder
    assert cache.rows(["1-1"]).array().shape == (1, *SHAPE)
    assert len(list(folder.glob("*.tokens"))) == 2
    del cache
    assert not folder.exists()


def test_what_is_there_and_what_is_not_is_counted(tmp_path: Path) -> None:
    cache = _filled(tmp_path, 1)
    assert [cache.has(key) for key in ("0-0", "0-2", "9-0")] == [True, True, False]
    assert (cache.hits, cache.misses) == (2, 1)


def test_more_shards_than_are_mapped_at_once_are_all_readable(tmp_path: Path) -> None:
    count = _OPEN_AT_ONCE + 5
    cache = _filled(tmp_path, count)
    for _ in range(2):
        rows = cache.rows([f"{shard}-2" for shard in range(count)]).array()
        expected = np.stack([_tokens(seed=shard)[2] for shard in range(count)])
        np.testing.assert_array_equal(rows, expected.astype(np.float16))
    assert len(cache._mapped) == _OPEN_AT_ONCE


def test_the_shards_unused_for_longest_make_room(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    # A shard of the first object is free again: its lease ended with it.
    shards = {key[0]: place[0] for key, place in TokenCache(tmp_path)._places.items()}
    for age, name in enumerate("210"):
        os.utime(shards[name], (1000 + age, 1000 + age))
    each = max(path.stat().st_size for path in shards.values())
    cache = TokenCache(tmp_path, CacheStore(tmp_path, 3 * each / 1e9))
    assert cache.has("2-0")  # used now, although it is the oldest on disk
    cache.put(["new"], _tokens(1, seed=9))
    assert [cache.has(key) for key in ("0-0", "1-0", "2-0", "new")] == [True, False, True, True]
    assert CacheStore(tmp_path).size_bytes() <= 3 * each


def test_tokens_beyond_the_limit_are_refused_before_they_are_written(tmp_path: Path) -> None:
    cache = _filled(tmp_path, 1, limit=2 * SHARD_BYTES + 200)
    with pytest.raises(DataError, match=r"take more than 0\.0 GB, the limit of"):
        cache.put([f"{row}" for row in range(9)], _tokens(9))
    assert cache.rows(["0-0"]).array().shape == (1, *SHAPE)


@pytest.mark.parametrize("value", [np.nan, np.inf, 7e4], ids=["nan", "infinite", "too large"])
def test_values_that_half_precision_does_not_hold_are_refused(tmp_path: Path, value: float) -> None:
    tokens = _tokens()
    tokens[1, 2, 3] = value
    with pytest.raises(DataError, match="do not fit float16"):
        TokenCache(tmp_path).put(["a", "b", "c"], tokens)
    assert not list(tmp_path.glob("*.tokens"))


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_shard_is_said_and_left_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    from safetensors.numpy import save

    _filled(tmp_path, 1)
    (shard,) = tmp_path.glob("*.tokens")
    whole = shard.read_bytes()
    other = save({"tokens": np.zeros((2, 3), np.float16)}, metadata={"keys": '["0-0"]'})
    shard.write_bytes(
        {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"x" * 99, "other": other}[damage]
    )
    with caplog.at_level(logging.WARNING):
        cache = TokenCache(tmp_path)
    assert "is made again" in caplog.text
    assert not cache.has("0-0")
