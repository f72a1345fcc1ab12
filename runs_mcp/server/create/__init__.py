"""Creating runs: the plan of a call, its requests, and their limits and repeats."""
