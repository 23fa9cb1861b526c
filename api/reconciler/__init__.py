"""The loop that makes the database and the executor agree."""
