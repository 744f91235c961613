"""When the device works: always, in hours of the day or of the sun, or after a trigger."""
