"""Export packs and their frozen encoder as one bundle. Import the module that owns a name."""
