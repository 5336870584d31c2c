"""``python -m rsir_fast`` is ``rsir``."""

from rsir_fast.cli import main

if __name__ == "__main__":
    main()
