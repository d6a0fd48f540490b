"""A made-up event to try EventPulse with; see README.md in this folder."""
