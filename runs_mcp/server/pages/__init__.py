"""Pages of lists, and the cursors that continue them."""
