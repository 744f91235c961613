"""What `benchmarks.gpu` is made of."""
