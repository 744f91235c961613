"""What a field engineer does once, and what root does when it is asked."""
