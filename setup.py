"""The build: metadata is in setup.cfg; here stands the guard against a tree that has lost its links."""

from pathlib import Path

from setuptools import setup

PACKAGES = ("algorithms", "envs")


def require_links(package: Path) -> None:
    """Check that `package` reaches the folders that its links name.

    Raises:
        SystemExit: a link came as a plain text file, dangles or is missing; the message tells the remedy.
    """
    lost = [name for name in PACKAGES if not (package / name / "__init__.py").is_file()]
    if lost:
        names = " and ".join(f"spreeze/{name}" for name in lost)
        remedy = "; ".join(f"rm -f spreeze/{name} && ln -s ../{name} spreeze/{name}" for name in lost)
        raise SystemExit(
            f"error: {names} must be a symbolic link to the folder of that name at the root, and is not.\n"
            "Zip downloads and checkouts without symbolic links lose it, and the build would lack half of spreeze.\n"
            f"Remedy: clone with git and core.symlinks=true, or run in {package.parent}: {remedy}"
        )


require_links(Path(__file__).resolve().parent / "spreeze")
setup()
