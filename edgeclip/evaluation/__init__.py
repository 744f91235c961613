"""How good a pack is: import the module that owns the name."""
