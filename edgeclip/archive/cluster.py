"""All parts of an archive that are missing, by the machines of a Ray cluster (Ray Data).

Each machine opens the archive and the pack by itself, so both must lie at the same path or URL for
all of them. The records come back, and are written by the machine that was asked: the same files as
without a cluster.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeclip import errors
from edgeclip.archive.journal import Journal
from edgeclip.archive.records import Record
from edgeclip.archive.stores import Listed
from edgeclip.errors import BackendError, EdgeclipError, SetupError

_HERE = "local"
_CLIENT = "ray://"
_LAST_PORT = 65535
_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Cluster:
    """Where Ray runs.

    Attributes:
        address: `auto` for the cluster of this machine, `local` for one of its own, or HOST:PORT,
            with `ray://` before it that of a client's server.
        workers: How many processes answer at once; None: one a core.
    """

    address: str
    workers: int | None = None


def run_on_cluster(
    journal: Journal,
    make_work: Callable[[], Any],
    cluster: Cluster,
    advance: Callable[[int], None],
) -> None:
    """Do what is missing; see `run_here`.

    Args:
        journal: Takes the parts.
        make_work: Makes a `PartWork`; called once in each worker's process.
        cluster: Where.
        advance: Told how many images are done.

    Raises:
        SetupError: Ray is not installed, or there is no cluster at that address.
        BackendError: A worker was lost, or the runtime failed in one.
        EdgeclipError: What else ended the work of one, as it was there.
    """
    require_listener(cluster.address)
    ray = _ray()
    own = cluster.address == _HERE
    try:
        ray.init(
            address=None if own else cluster.address,
            log_to_driver=False,
            logging_level="error",
            include_dashboard=False if own else None,
            num_cpus=cluster.workers if own else None,
        )
    except (ConnectionError, ValueError) as error:
        raise _nothing_there(cluster.address) from error
    try:
        _run(ray, journal, make_work, cluster, advance)
    finally:
        ray.shutdown()


def require_cluster(cluster: Cluster) -> None:
    """Find what would end a run on a cluster, before its archive is listed.

    Raises:
        SetupError: Ray is not installed, or nothing listens where the cluster should.
    """
    require_listener(cluster.address)
    _ray()


def require_listener(address: str) -> None:
    """Find in seconds what Ray finds in minutes: that nothing listens at HOST:PORT.

    Args:
        address: As `Cluster` has it; one without a port is left to Ray.

    Raises:
        SetupError: Nothing does.
    """
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, UnicodeError) as error:  # the second: a host that no name can be
        raise _nothing_there(address) from error


def _nothing_there(address: str) -> SetupError:
    return SetupError(
        f"--cluster {address}: no Ray cluster answers there: start one with `ray start --head`, or"
        " use --cluster local"
    )


def _run(
    ray: Any,
    journal: Journal,
    make_work: Callable[[], Any],
    cluster: Cluster,
    advance: Callable[[int], None],
) -> None:
    ray.data.DataContext.get_current().enable_progress_bars = False
    workers = cluster.workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
    missing = journal.missing()
    rows = [
        {"part": part, "images": [vars(image) for image in images]}
        for part, images in journal.listed(missing)
    ]
    if not rows:
        return
    parts = ray.data.from_items(rows, override_num_blocks=len(rows))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=min(workers, len(rows)))
    done = parts.map(_PartWorker, fn_constructor_args=[make_work], compute=pool)
    for row in _rows(ray, done, cluster):
        _require_done(row)
        records = [Record.model_validate_json(line) for line in row["records"]]
        journal.write(int(row["part"]), records)
        advance(len(records))


def _rows(ray: Any, done: Any, cluster: Cluster) -> Iterator[dict[str, Any]]:
    try:
        yield from done.iter_rows()
    except ray.exceptions.UserCodeException:
        raise  # not what a worker tells in a row: a bug, with its traceback
    except ray.exceptions.RayError as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise BackendError(
            f"--cluster {cluster.address}: a worker was lost ({said}): see that each machine has"
            " this software and memory enough, then run the same command again to go on"
        ) from error


def _require_done(row: Mapping[str, Any]) -> None:
    """Raise what ended a worker's part, as the error that it was there."""
    if row["error"]:
        kind: type[EdgeclipError] = getattr(errors, row["error"], BackendError)
        raise kind(
            f"a worker of --cluster says: {row['said']} (pack and archive must have the same path"
            " on each machine)"
        )


class _PartWorker:
    """One worker's process: opens archive and pack once, then does part after part.

    An error is told in the row: Ray would begin a worker that fails again and again, and keep of
    its error a text alone.
    """

    def __init__(self, make_work: Callable[[], Any]) -> None:
        self._error: EdgeclipError | None = None
        try:
            self._work = make_work()
        except EdgeclipError as error:
            self._error = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._error:
                raise self._error
            images = [Listed(**image) for image in row["images"]]
            records = self._work.do(images, lambda _: None)
        except EdgeclipError as error:
            told = {"error": type(error).__name__, "said": str(error)}
            return {"part": row["part"], "records": [], **told}
        lines = [record.model_dump_json() for record in records]
        return {"part": row["part"], "records": lines, "error": "", "said": ""}


def _ray() -> Any:
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise SetupError("Ray is not installed: pip install 'edgeclip[cluster]'") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of plans and of its own bars
    return ray
