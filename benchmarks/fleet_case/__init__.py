"""A simulated fleet of devices, a database filled for a season, and pages that are opened on it."""
