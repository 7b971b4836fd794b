"""Tests; a package, so that no other of this name comes before it."""
