"""The parts of `python -m benchmarks.teach`."""
