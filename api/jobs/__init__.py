"""Jobs: requests, states, service and store."""
