"""The small trained parts around the frozen encoder. Import the module that owns a name."""
