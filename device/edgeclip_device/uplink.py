"""The uplink: joins the outbox to the broker, for as long as it runs."""

from __future__ import annotations

import logging
import queue
import time
from functools import partial

from edgeclip.contract.topics import DeviceTopics, dashboard_status
from edgeclip.errors import OutboxError, PublishError
from edgeclip_device import events as ev
from edgeclip_device.backlog import Backlog
from edgeclip_device.backoff import login_was_refused
from edgeclip_device.budget import CONNECTION_BYTES, Metered
from edgeclip_device.clock import WallClock, boot_id
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.dashboard_watch import DashboardWatch
from edgeclip_device.drain import DrainCounts
from edgeclip_device.health_desk import HealthDesk
from edgeclip_device.link_report import LinkReport, UplinkOptions
from edgeclip_device.link_watch import LinkWatch
from edgeclip_device.mqtt import EventQueue, Link, LinkConfig, broker_address, tls_context
from edgeclip_device.notify import Notifier
from edgeclip_device.plain_events import with_events
from edgeclip_device.presence import Presence
from edgeclip_device.refuge import Refuge
from edgeclip_device.retained import Announcer
from edgeclip_device.tries import Tries
from edgeclip_device.uplink_acts import device_facts
from edgeclip_device.workplace import Workplace, open_workplace

log = logging.getLogger(__name__)

_COUNT_EVERY_S = 0.2
_MOST_EVENTS = 200  # between two ticks: a flood of messages must not starve the watchdog


class Uplink:
    """Publishes what is in the outbox and deletes what the dashboard has stored.

    Everything that happens comes through `events`; the loop is the one thread that acts.

    Args:
        settings: The device's configuration.
        credentials: Of the broker.
        clock: The machine's clocks.
        notifier: To systemd.
        options: What differs between a service, a replay and a test.

    Raises:
        ConfigError: No broker is named, or its certificates cannot be used.
        OutboxError: The outbox cannot be opened.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        credentials: Credentials,
        *,
        clock: WallClock,
        notifier: Notifier,
        options: UplinkOptions | None = None,
    ) -> None:
        if broker_address(settings.mqtt).uses_tls:
            tls_context(settings.mqtt)  # a wrong certificate shows now, not at the first try
        self.events: EventQueue = queue.SimpleQueue()
        self.report = LinkReport()
        self._settings = settings
        self._link_config = LinkConfig(settings.link, credentials, settings.device_id)
        self._clock = clock
        self._notifier = notifier
        self._options = options or UplinkOptions()
        self._topics = DeviceTopics(settings.project, settings.device_id)
        self._boot_id = boot_id()
        self._link: Link | None = None
        self._bdseq = 0
        self._tries = Tries(settings.mqtt.retry_max_s, self._options.timing)
        self._counted_at = 0.0
        self._watch = LinkWatch(clock, self._topics, self._boot_id)
        self._presence = Presence(settings, self._boot_id)
        self._announcer = Announcer(self._topics)
        self._dashboard = DashboardWatch()
        options = self._options
        self._health = HealthDesk(
            settings,
            clock,
            self._boot_id,
            sent_bytes=lambda: self._at.budget.sent_bytes,
            on_desk=options.on_desk,
        )
        self._refuge = Refuge(settings.state, clock, options.requests, options.look_at_disk_s)
        self._most_packet: int | None = None
        self._at = self._opened(self._refuge.open())

    @property
    def counts(self) -> DrainCounts:
        """What was sent and receipted so far."""
        return self._at.drain.counts

    def run(self) -> None:
        """Work until `StopAsked` comes, then say goodbye to the broker.

        Raises:
            OutboxError: The outbox failed.
        """
        self._notifier.ready()
        try:
            while not self._work_on():
                pass
        finally:
            self._say_goodbye()
            self._at.close()

    def _work_on(self) -> bool:
        """Do what there is to do; say whether to stop. A disk that fails is no reason to."""
        try:
            if self._take_events():
                return True
            self._tick()
        except OutboxError as error:
            log.error("%s: the outbox goes on in memory", error)
            self._move(self._refuge.flee(self._at.backlog, error))
        return False

    def _opened(self, backlog: Backlog) -> Workplace:
        over = partial(open_workplace, self._settings, self._clock, self.events)
        try:
            return over(self._options.timing, backlog)
        except OutboxError as error:
            return over(self._options.timing, self._refuge.flee(backlog, error))

    def _take_events(self) -> bool:
        """Wait for something to happen, at most one poll; say whether to stop."""
        wait_s = self._settings.uplink.poll_s
        try:
            for _ in range(_MOST_EVENTS):
                event = self.events.get(timeout=wait_s)
                wait_s = 0.0
                if isinstance(event, ev.StopAsked):
                    return True
                if isinstance(event, ev.FromLink) and event.link_id == self._bdseq:
                    self._handle(event.event)
        except queue.Empty:
            pass
        return False

    def _handle(self, event: ev.LinkEvent) -> None:
        if isinstance(event, ev.Answered):
            self._watch.refusals.on_answer(event)
            self._announcer.on_answer(event)
            self._health.on_answer(event)
            self._at.drain.on_answer(event, self._clock.boot_ns())
            self._at.postman.on_answer(event)
        elif isinstance(event, ev.Arrived):
            self._on_message(event)
        elif isinstance(event, ev.Connected):
            self._on_connected(event)
        elif isinstance(event, ev.Disconnected):
            self._on_disconnected(event)
        elif isinstance(event, ev.SubscriptionRefused):
            self._at.alarms.subscription(event.reason)
        elif isinstance(event, ev.Subscribed):
            self._at.alarms.subscription(None)

    def _tick(self) -> None:
        better = self._refuge.better(self._at.backlog)
        if better is not None:
            self._move(better)
        if self.report.state == "online":
            self._work()
        elif self.report.state == "offline" and self._tries.are_due(self._at.backlog.newest_alert):
            self._connect()
        elif self.report.state == "connecting" and self._tries.took_too_long:
            self._on_disconnected(ev.Disconnected("the broker does not answer"))
        if time.monotonic() - self._counted_at >= _COUNT_EVERY_S:
            self._counted_at = time.monotonic()
            self._notifier.status(self._watch.look(self._at, self.report, self._tries))
        self._health.keep_if_due(self._at.backlog, self.report.state)
        self._notifier.feed()  # by the loop, never by the link: a dead broker restarts nothing

    def _work(self) -> None:
        if self._link is None:
            return
        if not self._link.is_connected():
            self._on_disconnected(ev.Disconnected("the connection was lost"))
            return
        try:
            link = Metered(self._link, self._at.budget, self._watch.refusals)
            self._presence.tell_info(link, device_facts(self._at.backlog, self._at.desk))
            self._presence.tell_rest(link, *self._at.backlog.rest_and_hours())
            self._at.postman.fill(link)
            self._announcer.tell(link, self._at.backlog.alarms.retained())
            self._health.tell(link, self._at.backlog, self._at.drain.counts)
            out = with_events(self._settings, self._link, link)
            self._at.drain.fill(
                out,
                self._clock.boot_ns(),
                self._boot_id,
                with_media=self._tries.carries_media,
                alerts_only=self._dashboard.is_away,
            )
        except PublishError as error:
            self._on_disconnected(ev.Disconnected(str(error)))

    def _move(self, backlog: Backlog) -> None:
        """Go on with another outbox, over the same connection."""
        counts, self._at = self._at.drain.counts, self._opened(backlog)
        self._at.drain.counts = counts
        if self.report.state == "online":
            self._at.on_connect(self._most_packet)
            self._tell_birth()

    def _connect(self) -> None:
        self._bdseq = self._at.backlog.next_bdseq()
        self.report.state = "connecting"
        self._tries.begin(self._at.backlog.newest_alert())
        self._at.budget.spend(0, CONNECTION_BYTES)
        self._link = Link(self._link_config, self._bdseq, self.events)
        self._link.connect(self._presence.will(self._bdseq))

    def _on_connected(self, event: ev.Connected) -> None:
        if self._link is None or self.report.state != "connecting":
            return
        log.info("connected to %s", self._settings.mqtt.url)
        self.report.state, self.report.error = "online", None
        self.report.connections += 1
        self.report.login_refused = False
        self._watch.refusals.on_connect()
        self._announcer.on_connect()
        self._health.on_connected(event.maximum_packet)
        self._most_packet = event.maximum_packet
        self._at.on_connect(event.maximum_packet)
        self._tries.connected()
        topics = (self._topics.receipt, dashboard_status(self._settings.project))
        self._link.subscribe(*topics, *self._at.desk.subscriptions)
        self._tell_birth()
        if not event.session_present:
            self._at.backlog.dashboard_is_back()  # the broker forgot us, and what it had taken

    def _tell_birth(self) -> None:
        if self._link is None:
            return
        try:
            link = Metered(self._link, self._at.budget, self._watch.refusals)
            facts = device_facts(self._at.backlog, self._at.desk)
            self._presence.birth(link, facts, *self._at.backlog.rest_and_hours())
        except PublishError as error:
            self._on_disconnected(ev.Disconnected(str(error)))

    def _on_disconnected(self, event: ev.Disconnected) -> None:
        if self._link is None:
            return
        link, self._link = self._link, None
        link.close()
        wait_s = self._tries.ended(event.code)
        self.report.state, self.report.error = "offline", event.reason
        self.report.login_refused = login_was_refused(event.code)
        if self.report.login_refused:
            self._at.alarms.login_refused(event.reason)
        level = logging.ERROR if self.report.login_refused else logging.WARNING
        url = self._settings.mqtt.url
        log.log(level, "%s: %s; next try in %.1f s", url, event.reason, wait_s)
        if self._tries.policy.looks_like_a_twin:
            log.error(
                "does another client use our id %r? Each device needs a device_id of its own",
                self._settings.device_id,
            )
        self._at.drain.on_disconnect()  # last: the disk may fail

    def _on_message(self, message: ev.Arrived) -> None:
        self._at.budget.spend(len(message.payload))
        if message.topic == self._topics.receipt:
            if message.retained:  # nobody gives such a one, and it would come at every connection
                log.warning("a retained receipt is passed over: take it away from the broker")
                return
            self._health.on_receipt()
            self._dashboard.gave_receipt()
            released = self._at.drain.on_receipt(message.payload)
            if self._options.on_released is not None:
                self._options.on_released(released)
        elif message.topic == dashboard_status(self._settings.project):
            if self._dashboard.is_back(message.payload):
                self._at.backlog.dashboard_is_back()
        else:
            self._at.desk.on_message(message)

    def _say_goodbye(self) -> None:
        self._notifier.stopping()
        if self._link is not None:
            self._link.close(self._presence.farewell())
            self._link = None
