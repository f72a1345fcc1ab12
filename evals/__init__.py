"""Questions about runs with answers that can be checked, for any agent."""
