"""The link to the broker, and the one import of paho-mqtt on the device.

paho's callbacks put into a queue and do nothing else: a lock of ours inside them can deadlock, and
an exception ends paho's thread while `is_connected()` stays true. Each connection has a client of
its own, so that an acknowledgement never reaches another connection's message of the same number.
"""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgeclip.errors import ConfigError, PublishError
from edgeclip_device.config import MqttSettings
from edgeclip_device.credentials import KEY_CREDENTIAL, Credentials, handed_over
from edgeclip_device.events import (
    Answered,
    Arrived,
    Connected,
    Disconnected,
    Event,
    FromLink,
    LinkEvent,
    Subscribed,
    SubscriptionRefused,
)
from edgeclip_device.urls import BrokerAddress, parse_broker_url

_CONNECT_S = 10.0
_FAREWELL_S = 2.0
_SESSION_S = 7 * 86_400
_MOST_IN_BYTES = 262_144  # the largest receipt has 170 kB, a chunk 32, an envelope 64
_MOST_IN = 20  # messages that the broker may have under way to us

EventQueue = queue.SimpleQueue[Event]
Report = Callable[[LinkEvent], None]


@dataclass(frozen=True)
class LinkConfig:
    """What all connections of a device share.

    Attributes:
        settings: Broker, protocol, TLS.
        credentials: User name and password.
        client_id: The device's id.
    """

    settings: MqttSettings
    credentials: Credentials
    client_id: str


@dataclass(frozen=True)
class Will:
    """What the broker publishes for us, retained, when we are gone without a word."""

    topic: str
    payload: bytes


class Link:
    """One connection to the broker; a new one is made for every try.

    Args:
        config: What all connections share.
        link_id: Number of this connection; stands in all its events.
        events: Takes everything that happens.
    """

    def __init__(self, config: LinkConfig, link_id: int, events: EventQueue) -> None:
        self._settings = config.settings
        self._address = broker_address(config.settings)
        self._client = _new_client(config.settings, config.client_id)
        if config.credentials.username:
            password = config.credentials.password
            self._client.username_pw_set(
                config.credentials.username, password.get_secret_value() if password else None
            )
        if self._address.uses_tls:
            self._client.tls_set_context(tls_context(config.settings))
        self._closed = threading.Event()
        self._link_id = link_id
        self._events = events
        _attach(self._client, self._report)

    def connect(self, will: Will | None) -> None:
        """Begin to connect; `Connected` or `Disconnected` follows in the queue.

        Args:
            will: Published by the broker, retained, `will_delay_s` after a lost connection; None
                for those whom nobody would miss.
        """
        if will is not None:
            self._set_will(will)
        threading.Thread(target=self._dial, name="dial", daemon=True).start()

    def _set_will(self, will: Will) -> None:
        properties = None
        if self._is_version_5:
            properties = _properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = self._settings.will_delay_s
        self._client.will_set(will.topic, will.payload, qos=1, retain=True, properties=properties)

    def subscribe(self, *topics: str) -> None:
        """Subscribe at QoS 1; a refusal comes as an event.

        With MQTT 5 `Arrived.retained` says of every message how it was published.
        """
        if not self._is_version_5:
            self._client.subscribe([(topic, 1) for topic in topics])
            return
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        self._client.subscribe([(topic, options) for topic in topics])

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Publish at QoS 1 and return the message's number; `Answered` follows.

        Args:
            topic: The whole topic.
            payload: All bytes.
            retain: Whether the broker keeps it.
            expiry_s: After so long the broker forgets it; None for never.

        Raises:
            PublishError: There is no connection: paho would queue it without telling.
        """
        if not self.is_connected():
            raise PublishError("there is no connection to the broker")
        properties = None
        if expiry_s is not None and self._is_version_5:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry_s
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise PublishError(f"the connection to the broker failed: {info.rc.name}")
        return int(info.mid)

    def is_connected(self) -> bool:
        """Say whether messages can be published."""
        # paho 2.2.0 stays "connected" where a CONNACK comes in after disconnect()
        return not self._closed.is_set() and bool(self._client.is_connected())

    def close(self, farewell: tuple[str, bytes] | None = None) -> None:
        """Disconnect; the will is not published then.

        Args:
            farewell: Topic and payload of a last retained message, given 2 s at most.
        """
        self._closed.set()
        if farewell and self._client.is_connected():
            topic, payload = farewell
            info = self._client.publish(topic, payload, qos=1, retain=True)
            with suppress(RuntimeError, ValueError):  # the connection went: the will speaks for us
                info.wait_for_publish(_FAREWELL_S)
        self._client.disconnect()  # ends paho's thread; loop_stop() could block for ever

    @property
    def _is_version_5(self) -> bool:
        return self._settings.protocol == "5"

    def _dial(self) -> None:
        """Open the connection: in a thread, since name resolution can block for long."""
        keepalive_s = self._settings.keepalive_s
        try:
            self._client.connect(
                self._address.host, self._address.port, keepalive_s, **self._arguments()
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            hint = ": is our clock wrong?" if "not yet valid" in str(error) else ""
            self._report(Disconnected(f"cannot connect: {error}{hint}"))
            return
        self._client.loop_start()
        if self._closed.is_set():  # given up in the meantime: it must not take over the session
            self._client.disconnect()

    def _report(self, event: LinkEvent) -> None:
        self._events.put(FromLink(self._link_id, event))

    def _arguments(self) -> dict[str, Any]:
        if not self._is_version_5:
            return {}
        properties = _properties(PacketTypes.CONNECT)
        expiry_s = self._settings.session_expiry_s
        properties.SessionExpiryInterval = _SESSION_S if expiry_s is None else expiry_s
        properties.MaximumPacketSize = _MOST_IN_BYTES
        properties.ReceiveMaximum = _MOST_IN
        return {"clean_start": False, "properties": properties}


def broker_address(settings: MqttSettings) -> BrokerAddress:
    """Return where the broker listens.

    Raises:
        ConfigError: No broker is named.
    """
    if settings.url is None:
        raise ConfigError("[mqtt].url is missing: name the broker there, as mqtt://HOST[:PORT]")
    return parse_broker_url(settings.url)


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Return the context for mqtts: the broker's certificate is checked, always.

    Raises:
        ConfigError: A certificate or key cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate_file:
            key = handed_over(KEY_CREDENTIAL) or settings.key_file
            context.load_cert_chain(settings.certificate_file, key)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"[mqtt]: the certificates cannot be used ({error}): check ca_file,"
            " certificate_file and key_file, and `install` again, which hands the key over"
        ) from error
    return context


def _new_client(settings: MqttSettings, client_id: str) -> Client:
    version_5 = settings.protocol == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if version_5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,  # the back-off is ours
    )
    client.suppress_exceptions = True
    client.connect_timeout = _CONNECT_S
    # detections and media are bounded by us, and so are retained messages (10 at a time); beside
    # them only status, info and the farewell
    client.max_inflight_messages_set(settings.max_in_flight + 15)
    client.max_queued_messages_set(settings.max_in_flight + 20)
    return client


def _properties(packet: int) -> Any:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho 2.2.0 has no types there


def _attach(client: Client, report: Report) -> None:
    client.on_connect = partial(_on_connect, report)
    client.on_disconnect = partial(_on_disconnect, report)
    client.on_publish = partial(_on_publish, report)
    client.on_subscribe = partial(_on_subscribe, report)
    client.on_message = partial(_on_message, report)


def _on_connect(
    report: Report, _c: Client, _d: Any, flags: ConnectFlags, code: ReasonCode, said: Any
) -> None:
    if code.is_failure:
        report(Disconnected(f"the broker refuses: {code}", code.value))
    else:
        report(Connected(flags.session_present, getattr(said, "MaximumPacketSize", None)))


def _on_disconnect(
    report: Report, _c: Client, _d: Any, _f: DisconnectFlags, code: ReasonCode, _p: Any
) -> None:
    report(Disconnected(f"the connection ended: {code}", code.value))


def _on_publish(report: Report, _c: Client, _d: Any, mid: int, code: ReasonCode, _p: Any) -> None:
    report(Answered(mid, code.value, str(code)))


def _on_subscribe(
    report: Report, _c: Client, _d: Any, _m: int, codes: list[ReasonCode], _p: Any
) -> None:
    refused = [str(code) for code in codes if code.is_failure]
    report(SubscriptionRefused(", ".join(sorted(set(refused)))) if refused else Subscribed())


def _on_message(report: Report, _c: Client, _d: Any, message: MQTTMessage) -> None:
    report(Arrived(message.topic, bytes(message.payload), bool(message.retain)))
