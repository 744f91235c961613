"""The services as commands run them: signals, locks, the socket; and both at once for a desk."""

from __future__ import annotations

import threading

from edgeclip_device.clock import SystemClock, WallClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import broker_credentials
from edgeclip_device.detect import detect
from edgeclip_device.events import StopAsked, Woken
from edgeclip_device.locks import only_process
from edgeclip_device.log_ring import attached_ring
from edgeclip_device.mqtt import broker_address
from edgeclip_device.notify import Notifier
from edgeclip_device.signals import on_signals
from edgeclip_device.uplink import Uplink
from edgeclip_device.uplink_thread import UplinkThread
from edgeclip_device.wakeup import Listener


def run_uplink(settings: DeviceSettings, clock: WallClock | None = None) -> None:
    """Run the uplink until SIGTERM or SIGINT.

    Args:
        settings: The device's configuration.
        clock: The machine's, unless another is given.

    Raises:
        EdgeclipError: It cannot begin or go on.
    """
    broker_address(settings.mqtt)
    attached_ring()
    notifier = Notifier()
    with only_process(settings.state, "uplink"):
        clock = clock or SystemClock(settings.clock)
        uplink = Uplink(settings, broker_credentials(), clock=clock, notifier=notifier)
        on_signals(lambda: uplink.events.put(StopAsked()))
        listener = Listener(settings.state, lambda: uplink.events.put(Woken()))
        try:
            uplink.run()
        finally:
            listener.close()
            notifier.close()


def run_both(settings: DeviceSettings) -> None:
    """Run detect, and the uplink in a thread, until the source ends, SIGTERM or SIGINT.

    Raises:
        EdgeclipError: One of them cannot begin or go on.
    """
    broker_address(settings.mqtt)
    attached_ring()
    stop = threading.Event()
    on_signals(stop.set)
    uplink = UplinkThread(settings, broker_credentials(), on_failed=stop.set)
    uplink.start()
    try:
        detect(settings, stop)
    finally:
        uplink.stop()
    uplink.raise_failure()
