"""Which engines a device with keys runs: those that it saw built, by their bytes.

No signature stands over an engine, and TensorRT loads it into the device's process. So where
`[inference].public_keys` is set, `edgeclip-device prepare` notes in the state folder what it built,
and nothing else is loaded.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import Field, ValidationError

from edgeclip.contract.engine_key import EngineSidecar
from edgeclip.contract.files import reason_of, remedy_for, write_text
from edgeclip.contract.pack import Part, Sha256
from edgeclip.contract.validation import explain
from edgeclip.errors import OutboxError, SignatureError
from edgeclip_device.config import InferenceSettings

log = logging.getLogger(__name__)

ENGINES_FILE = "engines.json"
MOST_KNOWN = 32
"""The last ones that are remembered; each bundle has at most one a rung."""


class Known(Part):
    """`engines.json` in the state folder."""

    engines: dict[Sha256, Sha256] = Field(
        default_factory=dict, description="SHA-256 of an engine's bytes -> its key; oldest first."
    )


class OwnEngines:
    """The engines that were built here under the device's eyes.

    Without keys every engine that fits is believed, and nothing is remembered.

    Args:
        settings: The table `[inference]`: whether there are keys.
        state: Folder in which they are remembered.
    """

    def __init__(self, settings: InferenceSettings, state: Path) -> None:
        self._has_keys = bool(settings.public_keys)
        self._file = state / ENGINES_FILE

    def believes(self, sidecar: EngineSidecar) -> bool:
        """Return whether an engine may be loaded; what its sidecar says is part of it.

        Raises:
            SignatureError: The memory cannot be read.
        """
        if not self._has_keys:
            return True
        return self._known().engines.get(sidecar.engine_sha256) == sidecar.key

    def remember(self, sidecar: EngineSidecar) -> None:
        """Note an engine that was built here just now.

        Raises:
            SignatureError: The memory cannot be read.
            OutboxError: The state folder cannot be written.
        """
        if not self._has_keys:
            return
        others = self._known().engines
        kept = {sha: key for sha, key in others.items() if sha != sidecar.engine_sha256}
        engines = {**kept, sidecar.engine_sha256: sidecar.key}
        known = Known(engines=dict(list(engines.items())[-MOST_KNOWN:]))
        try:
            write_text(self._file, known.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(
                f"{self._file} cannot be written ({reason_of(error)}): {remedy_for(error)}"
            ) from error

    def _known(self) -> Known:
        try:
            return Known.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return Known()
        except OSError as error:
            raise SignatureError(
                f"{self._file} cannot be read ({reason_of(error)}): it says which engines were"
                " built here; make it readable"
            ) from error
        except ValidationError as error:
            raise SignatureError(
                f"{explain(error, Known, str(self._file))}: it says which engines were built here;"
                " delete it, and run `edgeclip-device prepare`"
            ) from error
