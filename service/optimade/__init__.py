"""OPTIMADE 1.2 (DOI 10.1039/D4DD00039K): structures for clients that know many databases, under ``/optimade``."""
