"""edgeclip: few-shot CLIP adapters for camera traps. Import the module that owns a name."""
