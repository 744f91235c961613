"""The links of one dashboard: a single one, or in a group its share and what all must hear."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgeclip_dashboard.config import Credentials, DashboardSettings
from edgeclip_dashboard.health import LinkState
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.mqtt import BrokerLink
from edgeclip_dashboard.mqtt_client import LinkConfig
from edgeclip_dashboard.subscriptions import Subscriptions, alone, heard_by_all, share

log = logging.getLogger(__name__)


def links_of(
    settings: DashboardSettings,
    credentials: Credentials,
    inbox: Inbox,
    on_change: Callable[[LinkState], None],
) -> tuple[BrokerLink, ...]:
    """Return the links; the first is the one that publishes and that is shown.

    Args:
        settings: Whose `[broker].shared_group` counts.
        credentials: For the broker.
        inbox: Takes what arrives by all of them.
        on_change: Told of every new state of the first.
    """

    def link(subscriptions: Subscriptions, changed: Callable[[LinkState], None]) -> BrokerLink:
        who = (settings.broker, settings.project, settings.dashboard_id, credentials)
        return BrokerLink(LinkConfig(*who, subscriptions), inbox, changed)

    group, project = settings.broker.shared_group, settings.project
    if group is None:
        return (link(alone(project), on_change),)
    return link(share(project, group), on_change), link(heard_by_all(project), _log)


def _log(state: LinkState) -> None:
    log.debug("what all instances hear: %s", state.name)
