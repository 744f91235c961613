"""Baselines that a pack is measured against, on the same split and the same regions."""
