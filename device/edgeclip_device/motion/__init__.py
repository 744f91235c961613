"""The motion gate. Import the module that owns a name."""
