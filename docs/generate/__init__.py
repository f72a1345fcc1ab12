"""What of the documents is made by the program: `python -m docs.generate` makes it anew."""
