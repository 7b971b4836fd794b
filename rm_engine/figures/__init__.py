"""Figures drawn from the results of the engine. Needs matplotlib."""
