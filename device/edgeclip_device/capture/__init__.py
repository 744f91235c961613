"""Cameras are read by a process of their own. Import the module that owns a name."""
