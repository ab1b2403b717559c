"""``python -m melascope``."""

from melascope.cli import main

if __name__ == "__main__":
    main()
