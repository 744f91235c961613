"""The parts of the chaos run: plan, device, network, services, counting."""
