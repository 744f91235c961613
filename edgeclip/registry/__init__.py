"""Packs of many tasks, side by side: where they lie, what they stand on, whose they are."""
