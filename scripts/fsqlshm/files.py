"""Files that are written whole or not at all."""

import json
import os
import pathlib
import shutil
from typing import Any


def write_text(path: pathlib.Path, text: str) -> None:
    """Whole or not at all, also when the machine goes down in between."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    # JSON can hold halves of characters, which no encoding can.
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: pathlib.Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def link(target: pathlib.Path, place: pathlib.Path) -> None:
    """`place` points to `target` from one moment to the next, never to nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(target, place.parent))
    temporary.replace(place)
