"""Labelled images in: a reader a format, class names, and what each file really holds."""
