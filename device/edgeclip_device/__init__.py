"""Watch a camera and tell a dashboard. Import the module that owns a name."""
