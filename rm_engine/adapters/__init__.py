"""Our models in other people's programs; an adapter needs the extra of its name, as in ``rmatch[torch-sim]``."""
