"""What is installed, what fits, and what to do about the rest."""
