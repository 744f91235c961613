"""What version 2 of the schema adds, by the part of the dashboard that it is for."""
