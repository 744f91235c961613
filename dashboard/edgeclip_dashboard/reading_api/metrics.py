"""`/metrics` for Prometheus: how link, store and devices are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.health import Health
from edgeclip_dashboard.inbox import Inbox

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_STATES: Final = ("online", "stopped", "sleeping", "updating", "offline")


class DashboardCollector(Collector):
    """Reads what is in memory anyway; a scrape asks the database nothing.

    Args:
        health: Of link and store.
        inbox: What waits to be stored.
        feed: Has the newest counts.
    """

    def __init__(self, health: Health, inbox: Inbox, feed: LiveFeed) -> None:
        self._health, self._inbox, self._feed = health, inbox, feed

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._since_start()
        health, feed = self._health, self._feed
        is_online = float(health.link.name == "online")
        yield _gauge("link_online", "1 while connected and subscribed.", is_online)
        is_failing = float(bool(health.store_error or feed.error))
        yield _gauge("store_failing", "1 while nothing can be stored or read.", is_failing)
        yield _gauge("waiting_messages", "Received and not stored yet.", len(self._inbox))
        if feed.picture is None:
            return
        counts = feed.picture.counts
        yield _gauge("stored_detections", "In the database.", counts.detections)
        yield _gauge("stored_media", "Snapshots in the database.", counts.media)
        yield _gauge("pending_media", "Snapshots without a detection.", counts.media_pending)
        yield _gauge("waiting_notices", "People are still to be told.", counts.notices_waiting)
        yield _gauge("failed_notices", "Given up: see /notices.", counts.notices_failed)
        yield _gauge("waiting_deliveries", "Webhooks are due.", counts.deliveries_waiting)
        yield self._devices([view.state for view in feed.picture.devices])
        missing = [gap.last - gap.first + 1 for view in feed.picture.devices for gap in view.gaps]
        yield _gauge("missing_rows", "Rows of outboxes that have not come.", sum(missing))

    def _since_start(self) -> Iterator[Metric]:
        health = self._health
        yield _counter("revisions", "Revisions stored since the start.", health.detections)
        yield _counter("duplicates", "Revisions that had been stored before.", health.duplicates)
        yield _counter("malformed", "Messages kept raw since the start.", health.malformed)
        yield _counter("receipts", "Receipts sent since the start.", health.receipts)
        yield _counter("dropped", "Deliveries that found no room.", self._inbox.dropped)
        yield _counter("restarts", "Recoveries of the receiving thread.", health.restarts)

    def _devices(self, states: list[str | None]) -> Metric:
        family = GaugeMetricFamily(
            "edgeclip_devices", "Devices by what they last said of themselves.", labels=["state"]
        )
        for state in _STATES:
            family.add_metric([state], states.count(state))
        others = sum(state not in _STATES for state in states)
        family.add_metric(["other"], others)
        return family


def add_metrics_route(app: FastAPI, health: Health, inbox: Inbox, feed: LiveFeed) -> None:
    """Add `/metrics`; it needs a session or a token, as the API does."""
    registry = CollectorRegistry()
    registry.register(DashboardCollector(health, inbox, feed))

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=_CONTENT_TYPE)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"edgeclip_{name}", told, value=value)


def _counter(name: str, told: str, value: float) -> Metric:
    return CounterMetricFamily(f"edgeclip_{name}", told, value=value)
