"""Documents and the schemas that they keep to, harness/schema/*.json."""

import functools
import json
import pathlib
from typing import Any

from fsqlshm import ROOT

FOLDER = ROOT / "harness" / "schema"
# What is shown of a document is shown by recursion.
DEEPEST = 60
Schema = dict[str, Any]


class BadDocument(Exception):
    """A document is missing, is no JSON, or does not keep to its schema. The text is a sentence."""


@functools.cache
def schema(name: str, pointer: str = "") -> Schema:
    """A schema, or the part of it that a JSON pointer names, with the parts that it refers to in their places."""
    node = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    for key in filter(None, pointer.split("/")):
        node = node[key]
    expanded = _expand(node, name)
    assert isinstance(expanded, dict)
    return expanded


def _expand(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            file, _, pointer = node["$ref"].partition("#")
            return schema(file or name, pointer)
        return {key: _expand(value, name) for key, value in node.items() if key != "definitions"}
    return [_expand(value, name) for value in node] if isinstance(node, list) else node


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema  # here, because a campaign starts before its packages are installed

    return jsonschema.Draft4Validator(schema(name))


def check(name: str, document: Any) -> None:
    """Raises BadDocument with the first thing that is wrong: where it is, what was found, what was expected."""
    error = next(_validator(name).iter_errors(document), None)
    if error is not None:
        raise BadDocument(_sentence(error))


def _sentence(error: Any) -> str:
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error.absolute_path).lstrip(".")
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{path}.{missing}".lstrip(".") + " is missing"
    found = json.dumps(error.instance)
    found = found if len(found) <= 60 else found[:60] + "..."
    expected = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    what = {"type": "", "enum": "one of ", "pattern": "a match of ", "minimum": "at least ", "maximum": "at most "}
    wanted = what.get(error.validator, f"{error.validator} ") + " or ".join(map(str, expected))
    return f"{path or 'it'} is {found}, expected {wanted}"


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def read_json(path: pathlib.Path) -> Any:
    """What a file says. Nothing in it is so deep that who shows it would have to care."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        deep = _depth(value) > DEEPEST
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or f"no JSON: {error}"
        raise BadDocument(f"cannot read {path}: {why}") from error
    except RecursionError:
        deep = True
    if deep:
        raise BadDocument(f"cannot read {path}: nested deeper than {DEEPEST} levels")
    return value
