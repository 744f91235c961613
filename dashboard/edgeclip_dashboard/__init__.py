"""Receive, acknowledge and show detections. Import the module that owns a name."""
