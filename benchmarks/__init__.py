"""Measurements, side by side in one run. `make bench` runs all; results lie in results/."""
