"""What programs read: `/api/v1`, its description, and metrics."""
