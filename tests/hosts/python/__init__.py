"""Programs that use the server through a Python framework, each run in the environment of that framework."""
