"""`check`: checks of the configuration, the credential, the network, the API and the server."""
