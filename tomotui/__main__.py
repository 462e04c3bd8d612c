"""``python -m tomotui``: the same as the ``tomotui`` command."""

from tomotui.cli import main

if __name__ == "__main__":
    main()
