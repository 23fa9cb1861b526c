"""`python -m hls`: what the console script `hls` runs."""

from hls.cli import main

if __name__ == "__main__":
    main()
