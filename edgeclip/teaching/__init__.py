"""A class taught to a pack from one to five images, without a gradient step."""
