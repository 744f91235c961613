"""What the trainer, exporter, device and dashboard agree on. Import the module that owns a name."""
