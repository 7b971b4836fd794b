"""Takes chunks of jobs, runs them on the engine, and records what came of them."""
