"""A generated HLS catalogue and the STAC API that serves it, well or badly: for demo, tests and benchmarks."""
