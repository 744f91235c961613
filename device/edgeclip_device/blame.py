"""What is at fault where a detector cannot begin: pack, desired state, or device.toml itself."""

from __future__ import annotations

import logging

from edgeclip.errors import ConfigError, EdgeclipError
from edgeclip_device.clock import boot_id
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import Desired, DesiredFile
from edgeclip_device.detections import DetectionWriter
from edgeclip_device.detector import DetectOptions
from edgeclip_device.errands import take_back
from edgeclip_device.pack_router import load_router
from edgeclip_device.power.schedule import Schedule
from edgeclip_device.rollout.falling_back import fall_back
from edgeclip_device.rollout.shelf import CONFIGURED, Shelf
from edgeclip_device.trust import Trust

log = logging.getLogger(__name__)


def is_taken_back(settings: DeviceSettings, options: DetectOptions, error: EdgeclipError) -> bool:
    """Take back what ended a detector: the promoted pack, or the desired state, if either did.

    Args:
        settings: Of the configuration file, without the desired state.
        options: Of the detector that ended.
        error: With which it ended.

    Returns:
        Whether something was taken back, so that another detector may begin.

    Raises:
        OutboxError: The disk cannot be written.
    """
    is_config = isinstance(error, ConfigError)
    if is_config and not _has_suspects(settings):
        return False
    if is_config and not _stands_alone(settings, options):
        log.error("device.toml is at fault: desired state and promoted pack stay as they are")
        return False
    is_new = Shelf(settings).read().stage == "watch"  # the newest of both is held to be at fault
    if (is_new or not is_config) and fall_back(settings, options.clock, str(error)):
        log.error("the promoted pack cannot serve, the one before does: %s", error)
        return True
    if is_config and take_back(settings.state, str(error)):
        log.error("the desired state cannot be applied and is taken back: %s", error)
        return True
    return False


def _has_suspects(settings: DeviceSettings) -> bool:
    has_desired = DesiredFile(settings.state).read() not in (None, Desired())
    return has_desired or Shelf(settings).read().serving != CONFIGURED


def _stands_alone(settings: DeviceSettings, options: DetectOptions) -> bool:
    """Say whether the configuration has no error of its own, without what may be taken back."""
    shelf = Shelf(settings)
    state = shelf.read()
    is_new = state.stage == "watch" and bool(state.before)
    alone = shelf.applied(state.before[0] if is_new else state.serving)
    try:
        trust = Trust(alone.inference, alone.state, shelf.ran_here())
        router = load_router(alone.inference, alone.router, trust.read)
        backend = ("onnxruntime", "fp32")  # whichever: no error depends on it
        DetectionWriter(alone, router, backend, boot_id=boot_id(), clock=options.clock)
        Schedule(alone.power, options.clock).close()
        options.opened(alone, router).close()
    except ConfigError:
        return False
    except EdgeclipError as error:  # a bundle or a file: nothing that is written in device.toml
        log.warning("%s", error)
    return True
