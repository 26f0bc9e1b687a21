"""``python -m service`` is ``escrow``."""

from service.cli import main

if __name__ == "__main__":
    main()
