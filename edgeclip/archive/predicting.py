"""The whole of `edgeclip predict`: go on with a run, or begin it, and write what was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from edgeclip.archive.answering import is_routed
from edgeclip.archive.camtrap import FOLDER, CamtrapAsked
from edgeclip.archive.cluster import Cluster, require_cluster, run_on_cluster
from edgeclip.archive.journal import PART_IMAGES, PLAN_FILE, Journal, Plan, open_journal
from edgeclip.archive.newer import said_of_list
from edgeclip.archive.part_work import PartWork
from edgeclip.archive.placing import require_places
from edgeclip.archive.request import PredictRequest
from edgeclip.archive.results import FORMATS, SHEETS, Results, Wanted, write_results
from edgeclip.archive.run_folder import RUN_FOLDER, alone
from edgeclip.archive.running import run_here
from edgeclip.archive.stores import Listed
from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.files import reason_of
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE
from edgeclip.contract.plurals import counted
from edgeclip.errors import ConfigError, PackError
from edgeclip.progress import Bars
from edgeclip.set_files import SET_FILE


@dataclass(frozen=True)
class Output:
    """What becomes of the records.

    Attributes:
        folder: Takes the run and its results.
        formats: Some of `FORMATS`.
        overwrite: Whether an older run there is begun anew.
        workers: Threads of this machine; None: one a core.
        cluster: Ray's, or None for this machine alone.
        part_images: How many one worker does before they are kept.
        camtrap: What a Camtrap DP package tells beside the answers, or None.
        heat_boxes: Whether results have boxes by heat.
        begun_at: Of a run that is new: now, aware UTC.
    """

    folder: Path
    formats: Sequence[str]
    overwrite: bool = False
    workers: int | None = None
    cluster: Cluster | None = None
    part_images: int = PART_IMAGES
    camtrap: CamtrapAsked | None = None
    heat_boxes: bool = True
    begun_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def has_sheets(self) -> bool:
        """Say whether contact sheets of this run are there, and of no older one."""
        sheets, plan = self.folder / SHEETS, self.folder / RUN_FOLDER / PLAN_FILE
        return sheets.is_dir() and sheets.stat().st_mtime >= plan.stat().st_mtime


def predict_archive(request: PredictRequest, output: Output, bars: Bars) -> Results:
    """Answer for every image of an archive, and write the results.

    A run that was interrupted goes on; of one that is whole the results are written again.

    Raises:
        ConfigError: An option is wrong, or the folder holds something else.
        EdgeclipError: See `PredictRequest.work`, `open_journal` and `run_here`.
    """
    if (FOLDER in output.formats) != (output.camtrap is not None):
        raise ConfigError(
            "--format camtrap-dp and --deployments belong together: a table with deploymentID,"
            " latitude and longitude says where cameras stood"
        )
    if unknown := [name for name in output.formats if name not in FORMATS]:
        raise ConfigError(f"--format {unknown[0]}: there are {', '.join(FORMATS)}")
    digest = _digest(request.asked.path)
    if request.facts and not is_routed(request.asked):
        raise ConfigError(
            "--fact chooses between packs, and one answers for all images of this run: leave it out"
        )
    with alone(output.folder) as run:
        if output.cluster and (output.overwrite or not (run / PLAN_FILE).is_file()):
            require_cluster(output.cluster)  # a whole run needs none for further formats
        work = request.work()  # what is refused here costs no older run
        plan = _plan(request, output, work, digest)

        def accept(images: Iterator[Listed]) -> None:  # before an older run goes, and hours of work
            if output.camtrap:
                require_places(output.camtrap.deployments, images, work)

        journal = open_journal(run, work.store, plan, accept, anew=output.overwrite)
        already = _answer(request, output, journal, work, bars)
        wanted = Wanted(output.formats, output.camtrap, output.heat_boxes)
        results = write_results(output.folder, journal, work, wanted, bars)
    results.already = already
    results.notes += said_of_list(journal, work.store)
    return results


def _answer(
    request: PredictRequest, output: Output, journal: Journal, work: PartWork, bars: Bars
) -> int:
    """Answer for the images that have no record yet; return how many had one."""
    already, every = journal.done_images(), journal.plan.images
    if already:
        bars.say(f"{already} of {counted(every, 'image')} were looked at already")
    if already == every:
        return already
    advance = bars.add("looking at images", every)
    advance(already)
    if output.cluster is not None:
        run_on_cluster(journal, request.work, output.cluster, advance)
    else:
        workers = output.workers or os.cpu_count() or 1
        run_here(journal, work, workers=workers, advance=advance)
    return already


def _plan(request: PredictRequest, output: Output, work: PartWork, digest: str) -> Plan:
    options = {
        "--tz": request.zone,
        "--boxes": sha256_file(request.boxes) if request.boxes else "",
        "--data-dir": str(request.data_dir or ""),
        "--fact": ", ".join(f"{k}={v}" for k, v in sorted(request.facts.items())),
    }
    if request.boxes:
        options["--box-threshold"] = str(request.box_threshold)
    return Plan(
        archive=request.source,
        answerer=work.answerer.name,
        pack_sha256=digest,
        options=options,
        part_images=output.part_images,
        images=0,
        begun_at=output.begun_at.replace(microsecond=0),
    )


def _digest(path: Path) -> str:
    """Return the hash of what names a pack's, set's or bundle's files, each with its own hash."""
    if not path.is_dir():
        raise PackError(f"there is no folder {path}: check --pack")
    for name in (MANIFEST_FILE, SET_FILE, PACK_FILE):
        try:
            if (path / name).is_file():
                return sha256_file(path / name)
        except OSError as error:
            raise PackError(
                f"{path / name} cannot be read ({reason_of(error)}): copy it again"
            ) from error
    raise PackError(f"{path} is no pack, set of packs or bundle: check --pack")
