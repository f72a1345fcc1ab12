"""`install`: an entry for this server in the configuration of a chat client, put there and taken out again."""
