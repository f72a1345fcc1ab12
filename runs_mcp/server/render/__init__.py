"""Results and errors as text and structured content for a model."""
