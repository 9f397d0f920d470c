"""What `python -m recsim` runs: the command line."""

from recsim.cli import main

if __name__ == "__main__":
    main()
