from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgeclip.clip import Backbone
from edgeclip.contract.pack import PACK_FILE, PackManifest
from edgeclip.contract.signing import make_key
from edgeclip.registry.index import INDEX_FILE, write_index
from edgeclip.registry.signing import sign_pack
from support.commands import Edit, WritePack
from support.tiny_packs import random_tensors, write_tiny_pack


@pytest.fixture
def write_pack(backbone: Backbone, tmp_path: Path) -> WritePack:
    """Write a pack of random tensors into the registry `tmp_path/packs`."""

    def write(task: str, version: str = "1.0.0", *, seed: int = 1, on: str | None = None) -> Path:
        folder = tmp_path / "packs" / task / version
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_tiny_pack(
            folder, backbone, random_tensors(seed, columns=3, names=()), version=version
        )
        path = folder / PACK_FILE
        manifest = PackManifest.from_json(path.read_text(), str(path))
        training = manifest.training.model_copy(update={"earlier_sha256": on})
        changed = manifest.model_copy(update={"task": task, "training": training})
        path.write_text(changed.to_json())
        return folder

    return write


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "ranger.key")
    return tmp_path / "ranger.key"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves folders; returns their addresses."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(folder: Path) -> str:
        serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        running.append((serving, thread))
        return f"http://127.0.0.1:{serving.server_address[1]}"

    yield start
    for serving, thread in running:
        serving.shutdown()
        thread.join()
        serving.server_close()


@pytest.fixture
def index(serve: Callable[[Path], str], write_pack: WritePack, key: Path, tmp_path: Path) -> str:
    """The address of an index of three packs, one of them signed."""
    sign_pack(write_pack("leopard"), key)
    write_pack("leopard", "1.1.0", seed=2)
    write_pack("civet", seed=3)
    write_index(tmp_path / "packs")
    return serve(tmp_path / "packs")


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Changes the first entry of the index that is served."""

    def change(how: Callable[[dict[str, object]], object]) -> None:
        path = tmp_path / "packs" / INDEX_FILE
        content = json.loads(path.read_text())
        how(content["packs"][0])
        path.write_text(json.dumps(content))

    return change
