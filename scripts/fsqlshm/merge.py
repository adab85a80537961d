"""Several results of one engine, or several summaries of one campaign, as one.

What becomes of each member is said in harness/schema (x-merge, x-key). Used for the slices of a night
(nightly.py), the shards of a campaign (scripts/merge) and the parts of an engine.
"""

import copy
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fsqlshm import command, files, results, schema
from fsqlshm.fuzz import corpora
from fsqlshm.results import CouldNotRun, Document, Summary
from fsqlshm.schema import BadDocument, Schema


HELP = (
    "Merges the shards of a campaign into one: counts add up, findings and corpora are united. Writes summary.json,\n"
    "the report and corpus/.",
    "Exit status as scripts/campaign: 0 nothing found, 1 something found, 2 a shard is missing or could not run.",
)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _join(one: Any, other: Any) -> Any:
    return one + other if isinstance(one, list) else "; ".join(dict.fromkeys([one, other]))


# Only of what the schema has checked; of a budget, which may hold anything, numbers alone.
RULES: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda one, other: one + other if _is_number(one) and _is_number(other) else one,
    "max": max,
    "min": min,
    "earliest": lambda one, other: min(filter(None, (one, other)), default=""),
    "any": lambda one, other: one or other,
    "all": lambda one, other: one and other,
    "join": _join,
    "clear": lambda one, other: "",
    "first": lambda one, other: one,
    "same": lambda one, other: one,
}


def _member(node: Schema, name: str) -> Schema:
    further = node.get("additionalProperties")
    found = node.get("properties", {}).get(name, further)
    return found if isinstance(found, dict) else {}


def _continue(node: Schema, one: list[Any], other: list[Any]) -> list[Any]:
    """Samples over time of two runs as of one: amounts go on from where the first run ended."""
    last = one[-1] if one else {}

    def go_on(name: str, value: Any) -> Any:
        return value + last.get(name, 0) if _member(node["items"], name).get("x-merge") == "sum" else value

    return one + [{name: go_on(name, value) for name, value in sample.items()} for sample in other]


def merged(node: Schema, one: Any, other: Any) -> Any:
    """Two values that keep to the same schema as one."""
    if one is None or other is None:
        return other if one is None else one
    rule = node.get("x-merge")
    if rule == "worst":
        return max(one, other, key=node["enum"].index)
    if rule == "continue":
        return _continue(node, one, other)
    if rule is not None:
        return RULES[rule](one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: merged(_member(node, name), one.get(name), other.get(name)) for name in one | other}
    if "x-key" in node:
        items: dict[str, Any] = {}
        for item in [*one, *other]:
            key = json.dumps([item.get(name) for name in node["x-key"]])
            items[key] = merged(node["items"], items.get(key), item)
        return list(items.values())
    return one


def merge_documents(documents: Sequence[Document]) -> Document:
    """Documents of the same engine and subject as one."""
    if len(documents) == 1:
        return copy.deepcopy(documents[0])
    merge = functools.partial(merged, schema.schema("result.json"))
    one: Document = functools.reduce(merge, copy.deepcopy(list(documents)))
    one["parts"] = sum(document.get("parts", 1) for document in documents)
    return one


def merge_all(documents: Iterable[Document]) -> list[Document]:
    """One document for each engine, subject and file name, and one for each reason of a failure."""
    groups: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        path = document.get("document")
        part = ("file", pathlib.PurePath(path).name) if path else ("failure", document.get("reason") or "")
        groups.setdefault((document["engine"], document["subject"], *part), []).append(document)
    return [merge_documents(group) for group in groups.values()]


def _check_that_they_belong_together(parts: Sequence[tuple[str, Summary]], count: str) -> None:
    node = schema.schema("campaign.json")
    shards: dict[str, str] = {}
    for name, summary in parts:
        same = [member for member, of in node["properties"].items() if of.get("x-merge") == "same"]
        differing = [member for member in same if summary.get(member) != parts[0][1].get(member)]
        shard = summary.get("shard") or ""
        if differing or shard.rpartition("/")[2] != count:
            raise BadDocument(f"{name} is of another campaign: its {[*differing, 'shard'][0]} differs")
        if shard in shards:
            raise BadDocument(f"{name} and {shards[shard]} are the same shard {shard}")
        shards[shard] = name


def merge_summaries(parts: Sequence[tuple[str, Summary]]) -> Summary:
    """`parts`: names and summaries. Raises BadDocument if they are not of one campaign."""
    count = (parts[0][1].get("shard") or "").rpartition("/")[2]
    _check_that_they_belong_together(parts, count)
    documents = []
    for name, summary in parts:
        for document in copy.deepcopy(summary["results"]):
            if document.get("reason"):
                document["reason"] = f"shard {summary['shard']}: {document['reason']}"
            if document.get("document"):
                document["document"] = f"{name}/{document['document']}"
            documents.append(document)
    seen = [summary["shard"] for _, summary in parts]
    missing = [f"{i}/{count}" for i in range(1, int(count) + 1) if f"{i}/{count}" not in seen]
    merge = functools.partial(merged, schema.schema("campaign.json"))
    one: Summary = dict(functools.reduce(merge, [summary for _, summary in parts]))
    one["results"] = merge_all(documents)
    one["results"] += [results.could_not_run("campaign", f"shard {shard} is missing") for shard in missing]
    one["status"] = results.STATUS_OF_EXIT[results.exit_status(one["results"])]
    one["shard"] = f"{len(seen)} of {count}"
    machines = {s["shard"]: (s.get("machine") or {}).values() for _, s in parts}
    one["machine"] = {f"shard {shard}": ", ".join(map(str, values)) for shard, values in machines.items()}
    return one


def main(arguments: Sequence[str]) -> int:
    from fsqlshm.report import main as report

    parser = command.Parser("scripts/merge", *HELP)
    add = parser.add_argument
    add("--out", type=pathlib.Path, required=True, metavar="DIR", help="where the merged campaign goes")
    add("shards", type=pathlib.Path, nargs="+", metavar="SHARD", help="the folder of a shard's campaign")
    options = parser.parse_args(arguments)
    parts = []
    for folder in options.shards:
        if (folder / "summary.json").exists():
            parts.append((str(folder), results.load_summary(folder / "summary.json")))
        else:
            print(f"merge: {folder} has no summary", file=sys.stderr)
    if not parts:
        raise CouldNotRun("no shard left a summary")
    summary = merge_summaries(parts)
    options.out.mkdir(parents=True, exist_ok=True)
    every = [corpus for folder in options.shards for corpus in sorted(folder.glob("*/corpus")) if corpus.is_dir()]
    count = corpora.unite(every, options.out / "corpus")
    files.write_json(options.out / "summary.json", summary)
    report.write(options.out)
    text = f", {count} inputs in the corpora" if count else ""
    page = options.out / "report.html"
    print(f"merge: {results.verdict(summary['results'])}; {len(options.shards)} shards{text}; {page}")
    return results.exit_status(summary["results"])


if __name__ == "__main__":
    command.run("merge", main)
