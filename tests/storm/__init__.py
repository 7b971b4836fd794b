"""A storm: clients at work while everything that can die does, and a checker of what became of their jobs."""
