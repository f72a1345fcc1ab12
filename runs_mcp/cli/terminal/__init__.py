"""The output of commands in a terminal: tables, live text and bars, plain where no terminal shows them."""
