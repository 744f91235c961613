"""All tables together, for whoever makes or compares a database."""

from __future__ import annotations

from sqlalchemy import MetaData

from edgeclip_dashboard import models_field, models_notices, models_people
from edgeclip_dashboard.models import Base

__all__ = ["METADATA", "models_field", "models_notices", "models_people"]

METADATA: MetaData = Base.metadata
