"""The service stack: database, API, load balancer, alarms."""
