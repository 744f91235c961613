"""What people look at. Import the module that owns a name."""
