"""Where frames come from. Import the module that owns a name."""
