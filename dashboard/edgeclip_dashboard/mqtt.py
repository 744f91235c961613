"""The link to the broker: connects, subscribes, follows one connection, and tries again.

Each connection has a client of its own, so that an acknowledgement can never reach another
connection's message of the same number.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes

from edgeclip_dashboard.backoff import Backoff, Twins
from edgeclip_dashboard.config import parse_broker_url
from edgeclip_dashboard.health import LinkName, LinkState
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.mqtt_client import (
    CONNECT_S,
    Event,
    LinkConfig,
    connect_arguments,
    new_client,
    properties_of,
)
from edgeclip_dashboard.presence import Presence

log = logging.getLogger(__name__)

_FAREWELL_S = 2.0
_RECEIPT_EXPIRY_S = 86_400
_APART = "Give each a --dashboard-id of its own"


class BrokerLink:
    """Keeps a connection to the broker, in a thread of its own.

    Args:
        config: Broker, project and name.
        inbox: Takes what arrives.
        on_change: Told of every new state, from the link's thread.
    """

    def __init__(
        self, config: LinkConfig, inbox: Inbox, on_change: Callable[[LinkState], None]
    ) -> None:
        self._config = config
        self._inbox = inbox
        self._on_change = on_change
        self._client: Client | None = None  # set while we are subscribed
        self._was_up = False  # this connection, at some moment
        self._stopping = threading.Event()
        self._bdseq = int(time.time())  # grows over restarts without a file to keep it in
        self._presence = Presence(config.project, self._bdseq)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Begin to connect; goes on trying until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye to the broker, disconnect, and wait a few seconds for that."""
        self._stopping.set()
        self._thread.join(_FAREWELL_S + 2)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1; False, and nothing queued, while there is no connection."""
        client = self._client
        if client is None:
            return False
        properties = None
        if self._config.is_version_5:
            properties = properties_of(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = _RECEIPT_EXPIRY_S
        client.publish(topic, payload, qos=1, properties=properties)
        return True

    @property
    def is_online(self) -> bool:
        """Whether we are connected and subscribed."""
        return self._client is not None

    def _run(self) -> None:
        backoff, twins = Backoff(self._config.broker.retry_max_s), Twins()
        while not self._stopping.is_set():
            began, self._was_up = time.monotonic(), False
            self._tell("connecting")
            try:
                error = self._live_one_connection()
            except Exception:  # the thread's one supervised boundary
                log.exception("the link failed; it goes on with a new connection")
                error = "an error of ours, see the log"
            self._client = None
            if self._stopping.is_set():
                break
            lasted_s = time.monotonic() - began
            if twins.are_likely(lasted_s, was_up=self._was_up):
                error += f"; does another dashboard run as {self._config.dashboard_id}? {_APART}"
            wait_s = backoff.next_wait_s(lasted_s)
            log.warning("link to %s: %s; next try in %.1f s", self._url, error, wait_s)
            self._tell("waiting", error, wait_s)
            self._stopping.wait(wait_s)
        self._tell("stopped")

    @property
    def _url(self) -> str:
        return self._config.broker.url

    def _tell(
        self, name: LinkName, error: str | None = None, retry_in_s: float | None = None
    ) -> None:
        now = datetime.now(timezone.utc)
        self._on_change(LinkState(name, self._url, now, error, retry_in_s))

    def _live_one_connection(self) -> str:
        """Connect and stay until the connection ends; return why it did."""
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._bdseq += 1
        self._presence = Presence(self._config.project, self._bdseq)
        host, port, _ = parse_broker_url(self._url)
        try:
            client = new_client(self._config, events, self._inbox, self._presence)
            client.connect(
                host, port, self._config.broker.keepalive_s, **connect_arguments(self._config)
            )
        except (OSError, ValueError) as error:
            return _why(error)
        client.loop_start()
        try:
            return self._follow(client, events)
        finally:
            self._client = None
            client.disconnect()  # ends the network thread; loop_stop() could block for ever

    def _follow(self, client: Client, events: queue.SimpleQueue[Event]) -> str:
        deadline = time.monotonic() + CONNECT_S
        while not self._stopping.is_set():
            try:
                event = events.get(timeout=0.2)
            except queue.Empty:
                if self._inbox.ask_again():
                    return "more arrived than fits: a new connection delivers it again"
                if self._client is None and time.monotonic() > deadline:
                    hint = (
                        "; does it speak MQTT 5? else --protocol 3.1.1"
                        if self._config.is_version_5
                        else ""
                    )
                    return f"the broker does not answer{hint}"
                if self._client is not None and not client.is_connected():
                    return "the connection was lost"
                continue
            if event.kind == "connected" and not event.reason:
                self._subscribe(client)
            elif event.kind == "subscribed" and not event.reason:
                self._go_online(client)
            elif event.kind == "presence":
                self._answer(client, event.payload)
            elif event.kind == "refused":
                log.error("the broker refuses our receipts (%s): check its ACL", event.reason)
            else:
                return event.reason or "the connection was closed"
        self._say_goodbye(client)
        return "stopped"

    def _subscribe(self, client: Client) -> None:
        wanted = self._config.subscriptions
        if wanted.dropped:
            client.unsubscribe(list(wanted.dropped))
        topics = [(topic, 1) for topic in wanted.filters]
        if self._config.broker.shared_group is not None and wanted.is_present:
            topics.append((self._presence.topic, 0))
        client.subscribe(topics)

    def _go_online(self, client: Client) -> None:
        self._say(client, self._presence.online())
        self._client, self._was_up = client, True
        log.info("link to %s is up", self._url)
        self._tell("online")

    def _answer(self, client: Client, payload: bytes) -> None:
        answer = self._presence.answer(payload) if self._client is not None else None
        if answer is not None:
            self._say(client, answer)

    def _say(self, client: Client, status: bytes) -> MQTTMessageInfo | None:
        if not self._config.subscriptions.is_present:
            return None
        return client.publish(self._presence.topic, status, qos=1, retain=True)

    def _say_goodbye(self, client: Client) -> None:
        if not client.is_connected():
            return
        said = self._say(client, self._presence.stopped())
        try:
            if said is not None:
                said.wait_for_publish(_FAREWELL_S)
        except (RuntimeError, ValueError) as error:
            log.warning("the broker did not take our farewell: %s", error)


def _why(error: OSError | ValueError) -> str:
    """Return why there is no connection, and what to look at."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused: is the broker running, and is this its address?"
    if isinstance(error, socket.gaierror):
        return "no machine of that name is known: is the broker's name written right?"
    return f"cannot connect: {getattr(error, 'strerror', None) or error}"
