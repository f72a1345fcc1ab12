"""Prompts: the files that hold them, their handlers, and the completion of their arguments."""
