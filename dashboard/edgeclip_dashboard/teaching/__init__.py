"""A class taught from snapshots that the dashboard has, by `edgeclip teach` in its own process."""
