"""What the service says of itself in its log, once a minute, for the alarms of the infrastructure to read."""

ACTION = "vitals"
"""`action` of the line. A service that does not write it does not reconcile."""

OLDEST_ACTIVE_SECONDS = "oldestActiveSeconds"
"""Age of the oldest job that has not ended; 0 where there is none."""

LONGEST_WAIT_SECONDS = "longestWaitSeconds"
"""How long the longest waiting submitted job has waited for a machine; 0 where none waits."""
