"""What stands in the field. Import the module that owns a name."""
