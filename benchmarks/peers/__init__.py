"""What is measured beside the worker, each a script of its own so that it has a process of its own."""
