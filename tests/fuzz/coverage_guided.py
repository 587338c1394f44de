"""Bytes that are changed until they reach code that no earlier ones reached, given to a target of `targets`.

    make fuzz TARGET=documents FUZZ_SECONDS=600

Needs Atheris, which `make fuzz` fetches. It starts from sound inputs and from those that earlier runs kept in
`.billing_dq/fuzz`. Bytes that do harm are kept there in a file whose name begins with `harm-`, and end the run;
`make fuzz TARGET=documents INPUT=FILE` gives them to the target again.
"""

import sys
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["billing_dq", "tests.fuzz.targets"]):
    from tests.fuzz.targets import TARGETS, seeds


def main(target: str, *options: str) -> None:
    """Fuzz a target; the options are libFuzzer's."""
    if target not in TARGETS:
        raise SystemExit(f"there is no target {target}; there are {', '.join(TARGETS)}")
    kept = Path(".billing_dq/fuzz").resolve() / target
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (kept / f"seed-{number:03}").write_bytes(seed)
    files = [option for option in options if not option.startswith("-")]
    places = [str(Path(name).resolve()) for name in files] or [str(kept)]
    told = [option for option in options if option.startswith("-")]
    atheris.Setup([sys.argv[0], f"-artifact_prefix={kept.parent}/harm-", *told, *places], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
