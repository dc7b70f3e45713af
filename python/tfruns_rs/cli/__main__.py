"""`python -m tfruns_rs.cli`."""

from tfruns_rs.cli._app import main

if __name__ == "__main__":
    main()
