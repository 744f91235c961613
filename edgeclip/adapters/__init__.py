"""What is learned on top of the frozen encoder, and the one formula that applies it."""
