"""What the machine says of itself in files: power, heat, memory, disks, modes."""
