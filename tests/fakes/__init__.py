"""Stand-ins for the outside world that the real clients talk to."""
