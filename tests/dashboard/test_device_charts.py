"""What the plots of a device's health are drawn by."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from edgeclip_dashboard.field.history import QUANTITIES, Series
from edgeclip_dashboard.pages.device_charts import plotted

AT = datetime(2026, 5, 1, 23, 22, tzinfo=timezone.utc)


def test_a_plot_goes_by_the_clock_of_the_page_that_it_stands_on() -> None:
    series = Series(QUANTITIES[0], ((AT, 12.04),))
    (nairobi,) = plotted(series, ZoneInfo("Africa/Nairobi"))["series"][0]["data"]
    (plain,) = plotted(series, None)["series"][0]["data"]
    assert plain == [AT.timestamp() * 1000, 12.04]
    assert nairobi[0] - plain[0] == 3 * 3600 * 1000
