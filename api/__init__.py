"""The service: takes jobs over HTTP, has an executor run them, and says what the archive holds."""
