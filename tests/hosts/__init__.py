"""Real agent frameworks and command lines of hosts against the product."""
