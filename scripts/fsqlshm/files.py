"""Files that are written whole or not at all."""

import errno
import json
import os
import pathlib
import shutil
from typing import Any

NOT_REGULAR = "not a regular file"


def replaceable(path: pathlib.Path) -> bool:
    """Whether a file can take its place: nothing is there, or a file. A device would be lost."""
    return path.is_file() or not path.exists()


def write_text(path: pathlib.Path, text: str) -> None:
    """Whole or not at all, also when the machine goes down in between. Raises OSError, also if there is something
    else than a file in its place."""
    if not replaceable(path):
        raise OSError(errno.EEXIST, NOT_REGULAR, str(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        # JSON can hold halves of characters, which no encoding can.
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def json_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: pathlib.Path, value: Any) -> None:
    write_text(path, json_text(value))


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
