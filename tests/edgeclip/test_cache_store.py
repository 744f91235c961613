from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgeclip.cache_store import CacheStore
from edgeclip.cli import app
from edgeclip.errors import DataError, SetupError
from edgeclip.feature_cache import FeatureCache
from edgeclip.token_cache import TokenCache

ONE_KB = 1e-6  # in GB
SHARES_A_CACHE = """
import sys
from pathlib import Path
import numpy as np
from edgeclip.cache_store import CacheStore
from edgeclip.token_cache import TokenCache

root, own, others = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def of(number): return np.full((2, 8, 16), number, np.float32)
store = CacheStore(root, 12e-6)  # twelve shards of about 0.6 kB each and more, never all
cache, mine = TokenCache(root / "encoder" / "tokens", store), []
print("open", flush=True)
sys.stdin.readline()
for number in range(own, own + 6):
    keys = [f"{number}-0", f"{number}-1"]
    if not all(cache.has(key) for key in keys):
        cache.put(keys, of(number))
    mine += keys
    found = cache.rows(mine).array()
    expected = np.concatenate([of(n) for n in range(own, number + 1)])
    assert (found == expected).all(), number
for number in range(others, others + 6):  # what the other wrote, or nothing
    keys = [f"{number}-0", f"{number}-1"]
    if all(cache.has(key) for key in keys):
        assert (cache.rows(keys).array() == of(number)).all()
print("done", flush=True)
"""


def _shard(root: Path, name: str, used_at: int, size: int = 500) -> Path:
    """Write a shard; a digit of its name stands for sixteen of them, as real names have."""
    path = root / re.sub(r"\b[0-9a-f]\b", lambda digit: digit[0] * 16, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used_at, used_at))
    return path


def test_what_was_unused_for_longest_goes_first_whatever_encoder_it_is_of(tmp_path: Path) -> None:
    names = ("a/1.safetensors", "b/tokens/2.tokens", "a/3.safetensors")
    old, middle, new = (_shard(tmp_path, name, 1000 + i) for i, name in enumerate(names))
    store = CacheStore(tmp_path, 1.2 * ONE_KB)
    with store.turn():
        assert store.make_room(600)
    assert [path.exists() for path in (old, middle, new)] == [False, False, True]
    assert store.size_bytes() == 500


def test_a_claimed_shard_stays_until_its_holder_ends(tmp_path: Path) -> None:
    shard = _shard(tmp_path, "a/tokens/1.tokens", 1000)
    holder, other = CacheStore(tmp_path), CacheStore(tmp_path, ONE_KB / 10)
    assert holder.claim(shard)
    with other.turn():
        assert not other.make_room(0)
    assert other.clear() == (0, 1)
    del holder
    assert other.clear() == (1, 0)
    assert not CacheStore(tmp_path).claim(shard)


def test_nothing_is_deleted_for_what_finds_no_room_even_so(tmp_path: Path) -> None:
    free, used = (_shard(tmp_path, f"a/{n}.safetensors", 1000 + n) for n in (1, 2))
    holder, other = CacheStore(tmp_path), CacheStore(tmp_path, 1.2 * ONE_KB)
    assert holder.claim(used)
    with other.turn():
        assert not other.make_room(800)
    assert free.exists()
    with other.turn():
        assert other.make_room(600)
    assert (free.exists(), used.exists()) == (False, True)


def test_tokens_without_room_say_how_much_other_trainings_hold(tmp_path: Path) -> None:
    used = _shard(tmp_path, "tokens/5.tokens", 1000)
    os.truncate(used, 3_000_000_000)  # a hole: it takes no room on the disk
    holder, mine = CacheStore(tmp_path, 4), CacheStore(tmp_path, 3)
    assert holder.claim(used)
    cache = TokenCache(tmp_path / "tokens", mine)
    with pytest.raises(DataError, match=r"other trainings that run now hold 3\.0 of its 3\.0 GB"):
        cache.put(["key"], np.ones((1, 4, 4), np.float32))
    assert used.exists()


def test_a_lease_that_goes_while_it_is_looked_at_disturbs_nobody(tmp_path: Path) -> None:
    shard = _shard(tmp_path, "a/tokens/1.tokens", 1000)
    holder = CacheStore(tmp_path)
    assert holder.claim(shard)
    (tmp_path / ".leases/gone").symlink_to(tmp_path / "nothing")  # listed, and not there
    assert CacheStore(tmp_path).clear() == (0, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_lock_and_leases_of_another_user_are_read(tmp_path: Path) -> None:
    shard = _shard(tmp_path, "a/tokens/1.tokens", 1000)
    holder = CacheStore(tmp_path)
    assert holder.claim(shard)
    for path in (tmp_path / ".lock", *(tmp_path / ".leases").iterdir()):
        path.chmod(0o444)
    assert CacheStore(tmp_path).clear() == (0, 1)


def test_a_cache_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = FeatureCache(tmp_path / "file/a", CacheStore(tmp_path / "file"))
    with pytest.raises(SetupError, match=r"the cache cannot be used: .*file: File exists: name"):
        cache.put(["key"], np.ones((1, 4), np.float32), np.ones((1, 3), np.float32))


def test_features_that_find_no_room_are_used_and_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FeatureCache(tmp_path / "a", CacheStore(tmp_path, ONE_KB / 100))
    cache.put(["key"], np.ones((1, 4), np.float32), np.ones((1, 3), np.float32))
    assert cache.get("key") is not None
    assert "is full: features are not kept (--cache-gb)" in caplog.text
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_row_that_is_asked_for_keeps_its_shard_and_others_age(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 16)
    first = FeatureCache(folder)
    for key in ("one", "two"):
        first.put([key], np.full((1, 4), len(key), np.float32), np.ones((1, 3), np.float32))
        first.put([f"{key}2"], np.zeros((1, 4), np.float32), np.ones((1, 3), np.float32))
    for shard in folder.glob("*.safetensors"):
        os.utime(shard, (1000, 1000))
    assert FeatureCache(folder).get("two") is not None
    assert sorted(s.used_at > 1000 for s in CacheStore(tmp_path).shards())[-2:] == [False, True]


def test_two_processes_share_a_cache_that_holds_less_than_both_write(tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SHARES_A_CACHE, str(tmp_path), *map(str, numbers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for numbers in ((0, 3), (3, 0))
    ]  # fmt: skip
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out == "done\n"
    assert CacheStore(tmp_path).size_bytes() <= 12_000
    assert CacheStore(tmp_path).clear()[1] == 0  # both ended: nothing is in use


def test_the_command_shows_sizes_by_encoder_and_clears(tmp_path: Path) -> None:
    _shard(tmp_path, "0123456789abcdef/1.safetensors", 1000, 2_000_000)
    _shard(tmp_path, "0123456789abcdef/tokens/2.tokens", 86_400, 1_000_000)
    shown = CliRunner().invoke(app, ["cache", "--cache", str(tmp_path)], env={"COLUMNS": "200"})
    for text in ("0123456789abcdef", "3.0", "1970-01-02T00:00:00", "edgeclip cache clear"):
        assert text in shown.output
    cleared = CliRunner().invoke(
        app, ["cache", "clear", "--cache", str(tmp_path)], env={"COLUMNS": "200"}
    )
    assert "2 shards removed" in cleared.output
    assert not CacheStore(tmp_path).shards()


def test_a_cache_that_is_named_before_the_command_is_the_one_that_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    usual = _shard(tmp_path / "home/edgeclip/features", "a/1.safetensors", 1000)
    named = _shard(tmp_path / "my cache", "a/1.safetensors", 1000)
    shown = CliRunner().invoke(app, ["cache", "--cache", str(tmp_path / "my cache")])
    assert f"next: edgeclip cache clear --cache '{tmp_path}/my cache'" in shown.output
    cleared = CliRunner().invoke(app, ["cache", "--cache", str(tmp_path / "my cache"), "clear"])
    assert "1 shards removed" in cleared.output
    assert f"next: edgeclip cache --cache '{tmp_path}/my cache'" in cleared.output
    assert (usual.exists(), named.exists()) == (True, False)


@pytest.mark.parametrize("words", [["--json", "clear"], ["clear", "--json"]])
def test_a_clearing_is_told_as_json_where_that_is_asked_for(
    tmp_path: Path, words: list[str]
) -> None:
    _shard(tmp_path, "a/1.safetensors", 1000)
    cleared = CliRunner().invoke(app, ["cache", "--cache", str(tmp_path), *words])
    assert json.loads(cleared.stdout) == {"cache": str(tmp_path), "removed": 1, "in_use": 0}


def test_what_is_not_the_caches_is_neither_counted_nor_deleted(tmp_path: Path) -> None:
    shard = _shard(tmp_path, "a/1.safetensors", 1000)
    names = ("pack/adapter.safetensors", "a/model.safetensors", "1/2/3.safetensors", "a/1.tokens")
    others = [_shard(tmp_path, name, 1, size=9000) for name in names]
    store = CacheStore(tmp_path, ONE_KB)
    assert [item.path for item in store.shards()] == [shard]
    with store.turn():
        assert store.make_room(900)
    assert store.clear() == (0, 0)
    assert not shard.exists()
    assert all(path.exists() for path in others)
