"""Generated parts of the documents: `python -m docs.generate` regenerates them."""
