"""The parts of `benchmarks.casestudy`."""
