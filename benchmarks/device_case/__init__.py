"""Parts of the benchmark of the device."""
