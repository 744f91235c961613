"""Draws camera-trap frames, image sets and clips with known truth, for the demo and the tests."""
