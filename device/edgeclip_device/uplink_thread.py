"""The uplink in a thread, beside a detector in the same process: for a desk and for replays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edgeclip.errors import EdgeclipError, PublishError
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.events import StopAsked, Woken
from edgeclip_device.link_report import UplinkOptions
from edgeclip_device.locks import only_process
from edgeclip_device.notify import Notifier
from edgeclip_device.uplink import Uplink
from edgeclip_device.wakeup import Listener

log = logging.getLogger(__name__)

_GOODBYE_S = 10.0
_LOOK_S = 0.05


class UplinkThread:
    """Runs an uplink.

    Args:
        settings: The device's configuration.
        credentials: Of the broker.
        options: What differs from a service; its hook is called in the uplink's thread.
        on_failed: Called in the uplink's thread when it ends by an error.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        credentials: Credentials,
        options: UplinkOptions | None = None,
        on_failed: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._options = options or UplinkOptions()
        self._on_failed = on_failed
        self._uplink: Uplink | None = None
        self._error: BaseException | None = None
        self._is_open = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    @property
    def uplink(self) -> Uplink:
        """The uplink, for its counts.

        Raises:
            EdgeclipError: It has failed.
        """
        self.raise_failure()
        if self._uplink is None:
            raise PublishError("the uplink was not started")
        return self._uplink

    def start(self) -> None:
        """Start it, and wait until the outbox is open.

        Raises:
            EdgeclipError: It cannot be opened.
        """
        self._thread.start()
        self._is_open.wait()
        self.raise_failure()

    def wait_until(self, is_empty: Callable[[], bool], limit_s: float) -> bool:
        """Wait until everything has its receipt; say whether it has.

        Args:
            is_empty: Asks the outbox itself: what the uplink saw last may be older than a row.
            limit_s: At most so long.

        Raises:
            PublishError: The broker refuses our login: waiting would not help.
            EdgeclipError: The uplink failed.
        """
        deadline = time.monotonic() + limit_s
        self.uplink.events.put(Woken())
        while not is_empty():
            if self.uplink.report.login_refused:
                raise PublishError(
                    f"{self._settings.mqtt.url}: {self.uplink.report.error}: check"
                    " EDGECLIP_MQTT_USERNAME and EDGECLIP_MQTT_PASSWORD"
                )
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def stop(self) -> None:
        """Say goodbye to the broker and end the thread."""
        if self._uplink is not None:
            self._uplink.events.put(StopAsked())
        self._thread.join(_GOODBYE_S)

    def _run(self) -> None:
        try:
            with only_process(self._settings.state, "uplink"):
                self._work()
        except EdgeclipError as error:
            if self._is_open.is_set():  # before that `start` raises it
                log.error("the uplink failed: %s", error)
            self._error = error
        except Exception as error:  # the thread's one supervised boundary
            log.exception("the uplink failed")
            self._error = error
        finally:
            self._is_open.set()
            if self._error is not None and self._on_failed is not None:
                self._on_failed()

    def _work(self) -> None:
        notifier = Notifier()
        uplink = Uplink(
            self._settings,
            self._credentials,
            clock=SystemClock(self._settings.clock),
            notifier=notifier,
            options=self._options,
        )
        listener = Listener(self._settings.state, lambda: uplink.events.put(Woken()))
        self._uplink = uplink
        self._is_open.set()
        try:
            uplink.run()
        finally:
            listener.close()
            notifier.close()

    def raise_failure(self) -> None:
        """Raise what ended the uplink, if anything did.

        Raises:
            EdgeclipError: It has failed.
        """
        if self._error is not None:
            raise self._error
