"""Measured protocols: how often the right structure is found, and the numbers behind pictures."""
