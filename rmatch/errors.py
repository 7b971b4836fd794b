"""Errors of the command line."""

from __future__ import annotations


class CommandError(Exception):
    """Something stands in the way of a command; the message says what, and the way out."""
