"""The requirements of the package and of its extras for users, a line each, as pip-audit takes them."""

import tomllib
from pathlib import Path

#: Extras for those who work on the project.
APART = {"bench", "demo", "dev", "docs", "frameworks"}


def main() -> None:
    """Writes them to standard output."""
    manifest = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(manifest.read_text(encoding="utf-8"))["project"]
    extras = (listed for extra, listed in project["optional-dependencies"].items() if extra not in APART)
    print("\n".join(sorted({*project["dependencies"], *(name for listed in extras for name in listed)})))


if __name__ == "__main__":
    main()
