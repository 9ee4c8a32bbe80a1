"""Keeps the committed copies of the two documents of the interfaces, for whoever reads the repository."""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from server.api.contract import rest_document  # noqa: E402 - the root is known only now
from server.ws import asyncapi  # noqa: E402


def texts() -> dict[Path, str]:
    """What the copies hold when they are current."""
    documents = {"asyncapi.json": asyncapi.document(), "openapi.json": rest_document()}
    return {
        ROOT / "docs" / name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def main() -> None:
    """Write them, or with `--check` only compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    is_check = parser.parse_args().check
    stale = [path for path, text in texts().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if is_check and stale:
        sys.exit(f"Not current: {', '.join(path.name for path in stale)}. Run scripts/contracts.")
    for path in stale:
        path.write_text(texts()[path], encoding="utf-8")


if __name__ == "__main__":
    main()
