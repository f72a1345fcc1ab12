"""The interactions and environments of a sandbox, which its callers can change while it runs."""
