"""`python -m training VARIANT ...`, as a launcher starts it: `medzoo train VARIANT ...`."""

import sys

from zoo.__main__ import main

if __name__ == "__main__":
    if sys.argv[1:2] != ["train"]:  # said or not
        sys.argv.insert(1, "train")
    main()
