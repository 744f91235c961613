"""The parts of `scripts/make_pictures.py`."""
