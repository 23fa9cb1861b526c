"""The commands of `hls`, one file a group."""
