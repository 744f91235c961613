"""Rules, and what they tell people: noted with the detection, sent by a worker, acknowledged."""
