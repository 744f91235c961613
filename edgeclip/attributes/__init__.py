"""What is asked of an image in words beside its class: read, calibrated, put into packs."""
