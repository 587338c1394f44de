"""Where tests keep the loops that numba compiles."""

from hashlib import sha256
from pathlib import Path


def kept_for_these_sources(package: Path) -> str:
    """A directory for the loops of these sources and no others.

    numba compiles a loop again when its own file changes, not when a function or a number that it uses from another
    file does. So a test could pass by the code of an earlier tree.
    """
    digest = sha256()
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"from numba import" in source:
            digest.update(source)
    return str(Path(__file__).parents[2] / ".numba" / digest.hexdigest()[:16])
