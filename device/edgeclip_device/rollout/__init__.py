"""Packs that come over the air: delivered, verified, run beside the old one, and promoted."""
