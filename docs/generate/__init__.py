"""Generated parts of the documents: `python -m docs.generate` writes them again."""
