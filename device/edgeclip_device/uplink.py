"""The uplink: joins the outbox to the broker, for as long as it runs."""

from __future__ import annotations

import logging
import queue
import time

from edgeclip.contract.topics import DeviceTopics, dashboard_status
from edgeclip.errors import PublishError
from edgeclip_device import events as ev
from edgeclip_device.backlog import Backlog
from edgeclip_device.backoff import login_was_refused
from edgeclip_device.budget import CONNECTION_BYTES, Budget, Metered
from edgeclip_device.clock import WallClock, boot_id
from edgeclip_device.clock_fix import ClockFixer
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.dashboard_watch import DashboardWatch
from edgeclip_device.detect_watch import DetectWatch
from edgeclip_device.drain import DrainCounts, open_drain
from edgeclip_device.health_desk import HealthDesk
from edgeclip_device.letters import Postman
from edgeclip_device.link_alarms import LinkAlarms
from edgeclip_device.link_report import LinkReport, UplinkOptions
from edgeclip_device.mqtt import EventQueue, Link, LinkConfig, broker_address, tls_context
from edgeclip_device.notify import Notifier
from edgeclip_device.plain_events import with_events
from edgeclip_device.presence import Presence
from edgeclip_device.retained import Announcer
from edgeclip_device.tries import Tries
from edgeclip_device.uplink_acts import command_desk, device_facts

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
        self._link_config = LinkConfig(settings.mqtt, credentials, settings.device_id)
        self._clock = clock
        self._notifier = notifier
        self._options = options or UplinkOptions()
        self._topics = DeviceTopics(settings.project, settings.device_id)
        self._boot_id = boot_id()
        self._link: Link | None = None
        self._bdseq = 0
        self._tries = Tries(settings.mqtt.retry_max_s, self._options.timing)
        self._counted_at = 0.0
        self._clock_fixer = ClockFixer(clock, self._topics, self._boot_id)
        self._presence = Presence(settings, self._boot_id)
        self._announcer = Announcer(self._topics)
        self._dashboard = DashboardWatch()
        self._detect_watch = DetectWatch(clock.boot_ns)
        self._health = HealthDesk(
            settings, clock, self._boot_id, sent_bytes=lambda: self._budget.sent_bytes
        )
        self._open()

    @property
    def counts(self) -> DrainCounts:
        """What was sent and receipted so far."""
        return self._drain.counts

    def run(self) -> None:
        """Work until `StopAsked` comes, then say goodbye to the broker.

        Raises:
            OutboxError: The outbox failed.
        """
        self._notifier.ready()
        try:
            while not self._take_events():
                self._tick()
        finally:
            self._say_goodbye()
            self._budget.save()
            self._backlog.close()

    def _open(self) -> None:
        self._backlog = Backlog(self._settings.state, self._clock)
        device_id = self._settings.device_id
        self._budget = Budget(self._settings.uplink, self._backlog, self._clock, self._boot_id)
        self._drain = open_drain(self._settings, self._backlog, self._topics, self._budget)
        self._postman = Postman(self._backlog.connection, self._backlog.epoch, self._topics)
        self._desk = command_desk(self._settings, self._backlog, self._clock, self.events)
        self._link_alarms = LinkAlarms(self._backlog, device_id, self._options.timing)

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
            self._drain.on_answer(event, self._clock.boot_ns())
            self._announcer.on_answer(event)
            self._postman.on_answer(event)
            self._health.on_answer(event)
        elif isinstance(event, ev.Arrived):
            self._on_message(event)
        elif isinstance(event, ev.Connected):
            self._on_connected(event)
        elif isinstance(event, ev.Disconnected):
            self._on_disconnected(event)
        elif isinstance(event, ev.SubscriptionRefused):
            self._link_alarms.subscription(event.reason)
        elif isinstance(event, ev.Subscribed):
            self._link_alarms.subscription(None)

    def _tick(self) -> None:
        if self._backlog.is_replaced():
            self._reopen()
        if self.report.state == "online":
            self._work()
        elif self.report.state == "offline" and self._tries.are_due(self._backlog.newest_alert):
            self._connect()
        elif self.report.state == "connecting" and self._tries.took_too_long:
            self._on_disconnected(ev.Disconnected("the broker does not answer"))
        if time.monotonic() - self._counted_at >= _COUNT_EVERY_S:
            self._count()
        self._health.keep_if_due(self._backlog, self.report.state)
        self._notifier.feed()  # by the loop, never by the link: a dead broker restarts nothing

    def _count(self) -> None:
        self._counted_at = time.monotonic()
        rows, media = self._backlog.waiting()
        self._notifier.status(f"{self.report.state}; {rows} detections, {media} snapshots wait")
        self._tries.look()
        twin, refusals = self._tries.policy.looks_like_a_twin, self._drain.refusals
        self._link_alarms.link(self._tries.online_s, refusals, is_twin=twin)
        self._link_alarms.outbox(self._budget)
        self._clock_fixer.look(self._backlog)
        self._detect_watch.look(self._backlog)
        self._desk.tick()

    def _work(self) -> None:
        if self._link is None:
            return
        if not self._link.is_connected():
            self._on_disconnected(ev.Disconnected("the connection was lost"))
            return
        try:
            link = Metered(self._link, self._budget)
            self._presence.tell_info(link, device_facts(self._backlog, self._desk))
            self._presence.tell_rest(link, self._backlog.rest())
            self._postman.fill(link)
            self._announcer.tell(link, self._backlog.alarms.retained())
            self._health.tell(link, self._backlog, self._drain.counts)
            out = with_events(self._settings, self._link, link)
            self._drain.fill(
                out,
                self._clock.boot_ns(),
                self._boot_id,
                with_media=self._tries.carries_media,
                alerts_only=self._dashboard.is_away,
            )
        except PublishError as error:
            self._on_disconnected(ev.Disconnected(str(error)))

    def _reopen(self) -> None:
        log.warning("detect has begun a new outbox: it is opened")
        self._backlog.close()
        counts = self._drain.counts
        self._open()
        self._drain.counts = counts

    def _connect(self) -> None:
        self._bdseq = self._backlog.next_bdseq()
        self.report.state = "connecting"
        self._tries.begin(self._backlog.newest_alert())
        self._budget.spend(0, CONNECTION_BYTES)
        self._link = Link(self._link_config, self._bdseq, self.events)
        self._link.connect(self._presence.will(self._bdseq))

    def _on_connected(self, event: ev.Connected) -> None:
        if self._link is None or self.report.state != "connecting":
            return
        log.info("connected to %s", self._settings.mqtt.url)
        self.report.state, self.report.error = "online", None
        self.report.connections += 1
        self.report.login_refused = False
        self._announcer.on_connect()
        self._postman.on_connect()
        self._health.on_connected()
        self._drain.on_connect(event.maximum_packet)
        self._tries.connected()
        topics = (self._topics.receipt, dashboard_status(self._settings.project))
        self._link.subscribe(*topics, *self._desk.subscriptions)
        if not event.session_present:
            self._backlog.dashboard_is_back()  # the broker forgot us, and what it had taken
        try:
            link = Metered(self._link, self._budget)
            facts, rest = device_facts(self._backlog, self._desk), self._backlog.rest()
            self._presence.birth(link, facts, rest)
        except PublishError as error:
            self._on_disconnected(ev.Disconnected(str(error)))

    def _on_disconnected(self, event: ev.Disconnected) -> None:
        if self._link is None:
            return
        link, self._link = self._link, None
        link.close()
        self._drain.on_disconnect()
        wait_s = self._tries.ended(event.code)
        self.report.state, self.report.error = "offline", event.reason
        self.report.login_refused = login_was_refused(event.code)
        if self.report.login_refused:
            self._link_alarms.login_refused(event.reason)
        level = logging.ERROR if self.report.login_refused else logging.WARNING
        url = self._settings.mqtt.url
        log.log(level, "%s: %s; next try in %.1f s", url, event.reason, wait_s)
        if self._tries.policy.looks_like_a_twin:
            log.error(
                "does another client use our id %r? Each device needs a device_id of its own",
                self._settings.device_id,
            )

    def _on_message(self, message: ev.Arrived) -> None:
        self._budget.spend(len(message.payload))
        if message.topic == self._topics.receipt:
            if message.retained:  # nobody gives such a one, and it would come at every connection
                log.warning("a retained receipt is passed over: take it away from the broker")
                return
            self._health.on_receipt()
            self._dashboard.gave_receipt()
            released = self._drain.on_receipt(message.payload)
            if self._options.on_released is not None:
                self._options.on_released(released)
        elif message.topic == dashboard_status(self._settings.project):
            if self._dashboard.is_back(message.payload):
                self._backlog.dashboard_is_back()
        else:
            self._desk.on_message(message)

    def _say_goodbye(self) -> None:
        self._notifier.stopping()
        if self._link is not None:
            self._link.close(self._presence.farewell())
            self._link = None
