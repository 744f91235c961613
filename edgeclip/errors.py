"""The one error tree, and how a command turns an error into a line and an exit code.

    EdgeclipError                1    every error a caller can act on
    |-- ConfigError              2    key, file, found, allowed (typer's own usage errors are 2 too)
    |-- GateError                3    a stated floor is missed
    |   `-- ParityError               worst difference, sample, gate
    |-- SetupError               4    driver, TensorRT, GStreamer, permission, disk, clock
    |-- ArtefactError            5
    |   |-- PackError                 missing, damaged, or for another encoder
    |   |-- SignatureError            unsigned, altered, forged, or older than what was accepted
    |   `-- BundleMissingError, BundleDamagedError, BundleMismatchError
    |-- DataError                6    label file, image, split
    |-- DeviceError              4
    |   |-- SourceError               camera cannot be opened, or stalled
    |   |-- BackendError              engine failed to load or run
    |   |   |-- GpuError                  of the GPU, not of what runs on it
    |   |   `-- EngineRefusedError        of the engine's file: build it again
    |   |-- OutboxError               full, damaged, unwritable
    |   `-- PublishError              refused; "offline" is a state, not an error
    `-- DashboardError           4
        |-- StoreError
        `-- MappingError              what a standard cannot express

A message is one line: what, where, what to do. 0 is done, 1 a bug with its traceback,
130 an interruption.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

EXIT_INTERRUPTED = 130


class EdgeclipError(Exception):
    """An error that a caller can act on."""

    exit_code = 1


class ConfigError(EdgeclipError):
    """A configuration file, option or argument is wrong."""

    exit_code = 2


class GateError(EdgeclipError):
    """A stated floor is missed."""

    exit_code = 3


class ParityError(GateError):
    """Two computations of the same outputs differ beyond tolerance."""


class SetupError(EdgeclipError):
    """The machine lacks something: a library, driver, permission, disk space."""

    exit_code = 4


class ArtefactError(EdgeclipError):
    """A pack, bundle or engine cannot be used."""

    exit_code = 5


class PackError(ArtefactError):
    """An adapter pack is missing, damaged, or made for another encoder."""


class SignatureError(ArtefactError):
    """Something is not signed by anyone who is believed, or older than what was accepted before."""


class BundleMissingError(ArtefactError):
    """There is no bundle at the given place."""


class BundleDamagedError(ArtefactError):
    """A file of the bundle is missing or its hash does not match."""


class BundleMismatchError(ArtefactError):
    """The bundle is whole but for another format version, runtime or machine."""


class DataError(EdgeclipError):
    """A label file, image or split cannot be used."""

    exit_code = 6


class DeviceError(EdgeclipError):
    """Something failed on the device."""

    exit_code = 4


class SourceError(DeviceError):
    """A camera, clip or folder cannot be opened, or stalled."""


class BackendError(DeviceError):
    """An inference backend failed to load or run."""


class GpuError(BackendError):
    """The GPU is out of memory, or failed: nothing is said of the engine that was to run on it."""


class EngineRefusedError(BackendError):
    """The runtime does not take an engine's bytes, or its tensors are not this software's."""


class OutboxError(DeviceError):
    """The outbox is full, damaged or unwritable."""


class PublishError(DeviceError):
    """The broker refused: credentials, TLS or authorisation."""


class DashboardError(EdgeclipError):
    """Something failed on the dashboard."""

    exit_code = 4


class StoreError(DashboardError):
    """The dashboard's database cannot be opened or written."""


class MappingError(DashboardError):
    """What is stored cannot be said in a standard's words."""


def run_command_line(command: Callable[[], object]) -> None:
    """Run a command; print an `EdgeclipError` as one line on stderr and exit with its code.

    Args:
        command: The whole command line, for example a typer application.

    Raises:
        SystemExit: With the error's `exit_code`, or 130 after an interruption.
    """
    try:
        command()
    except EdgeclipError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"error: {line}\n")
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt as error:
        sys.stderr.write("interrupted\n")
        raise SystemExit(EXIT_INTERRUPTED) from error
    except SystemExit as ended:
        if ended.code == EXIT_INTERRUPTED:  # typer makes this of an interruption, in silence
            sys.stderr.write("interrupted\n")
        raise
