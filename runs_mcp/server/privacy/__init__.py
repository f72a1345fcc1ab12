"""Privacy of content: hiding the content of runs, and redacting personal data in it."""
