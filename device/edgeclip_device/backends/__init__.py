"""What computes the graph. Import the module that owns a name."""
