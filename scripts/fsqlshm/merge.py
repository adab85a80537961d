"""Several summaries of one campaign, or several results of one engine, as one.

Counts add up; findings are united; of `details` whatever counts adds up too, see `merge_details`.
Used by nightly.py (the slices of a night) and scripts/slurm/merge (the shards of a campaign).
"""

import argparse
import copy
import filecmp
import hashlib
import pathlib
import shutil
import sys

from fsqlshm import results

# Members of `details` that are amounts: they add up wherever they are.
AMOUNTS = {
    "count",
    "executions",
    "iterations",
    "reads",
    "kills",
    "recoveries",
    "publishes",
    "stops",
    "deaths",
    "programs",
    "inputs",
    "crashes",
    "runs",
    "reached",
    "seen",
    "times",
    "verified_reads",
    "samples",
    "seconds",
}
# By one of these an object in a list is known again in another document's list.
NAMES = (
    "name",
    "scenario",
    "target",
    "outcome",
    "operation",
    "site",
    "race",
    "role",
    "subject",
    "rate",
    "where",
    "what",
    "search",
)
# Lists of samples: one more run, more of them.
SAMPLES = {"ns", "real_ns", "iterations", "runs", "p99.9"}
# What does not add up, because it is of the subject or of a corpus that the parts share.
LARGEST = {"max", "coverage", "features", "corpus", "last"}
SMALLEST = {"bound_reached"}
# Of several states the worst.
STATES = ("clean", "known", "stopped", "vacuous", "missed", "violated")


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _name(value):
    if not isinstance(value, dict):
        return None
    parts = tuple(str(value[key]) for key in NAMES if isinstance(value.get(key), (str, int)))
    return parts or None


def _one_after_the_other(one, other):
    """Samples over time of two runs as of one: what counts from a run's start goes on."""
    if not one or not all(isinstance(sample, dict) for sample in [one[-1], *other]):
        return one or other
    last = one[-1]
    return one + [
        {
            k: v + last[k] if _is_number(v) and _is_number(last.get(k)) and k not in LARGEST else v
            for k, v in sample.items()
        }
        for sample in other
    ]


def merge_details(one, other, key=None):
    """Amounts add up, samples join, objects merge member by member, lists of named objects by name; of
    anything else the first is kept."""
    if key == "audit" and isinstance(one, dict) and isinstance(other, dict):
        return {**other, **one}  # by subject; the same whatever the seed
    if isinstance(one, dict) and isinstance(other, dict):
        if key in ("reached", "counts", "counters", "outcomes") and all(
            map(_is_number, [*one.values(), *other.values()])
        ):
            return {k: one.get(k, 0) + other.get(k, 0) for k in [*one, *(k for k in other if k not in one)]}
        return {
            k: merge_details(one[k], other[k], k) if k in one and k in other else one[k] if k in one else other[k]
            for k in [*one, *(k for k in other if k not in one)]
        }
    if key == "over_time" and isinstance(one, list) and isinstance(other, list):
        return _one_after_the_other(one, other)
    if isinstance(one, list) and isinstance(other, list) and key in SAMPLES:
        return one + other
    if isinstance(one, list) and isinstance(other, list):
        names = [_name(v) for v in one]
        others = [_name(v) for v in other]
        if None in names or None in others or len(set(names)) != len(names) or len(set(others)) != len(others):
            return one if one else other
        merged = dict(zip(names, one))
        for name, value in zip(others, other):
            merged[name] = merge_details(merged[name], value) if name in merged else value
        return list(merged.values())
    if _is_number(one) and _is_number(other):
        if key in AMOUNTS:
            return one + other
        if key in LARGEST:
            return max(one, other)
        if key in SMALLEST:
            return min(one, other)
    if key == "complete" and isinstance(one, bool) and isinstance(other, bool):
        return one and other
    if key == "status" and one in STATES and other in STATES:
        return max(one, other, key=STATES.index)
    return one


def merge_documents(documents):
    """Documents of the same engine and subject as one."""
    merged = copy.deepcopy(documents[0])
    for document in documents[1:]:
        for name, value in document["counts"].items():
            if name in LARGEST:
                merged["counts"][name] = max(merged["counts"].get(name, 0), value)
            else:
                merged["counts"][name] = merged["counts"].get(name, 0) + value
        known = {results.finding_key(merged, f) for f in merged["findings"]}
        merged["findings"] += [f for f in document["findings"] if results.finding_key(document, f) not in known]
        merged["duration_seconds"] += document["duration_seconds"]
        merged["started"] = min(filter(None, [merged["started"], document["started"]]), default="")
        merged["details"] = merge_details(merged["details"], document["details"])
        for name, value in document["budget"].items():
            if _is_number(value) and _is_number(merged["budget"].get(name)):
                merged["budget"][name] += value
    # A speed is what was done in the time that it took.
    for name in merged["counts"]:
        amount = merged["counts"].get(name.removesuffix("_per_second"))
        if name.endswith("_per_second") and len(documents) > 1:
            seconds = merged["duration_seconds"]
            merged["counts"][name] = (
                amount / seconds if amount is not None and seconds else documents[0]["counts"].get(name, 0)
            )
    reasons = [f"{d['reason']}" for d in documents if d.get("reason")]
    merged.pop("reason", None)
    if reasons:
        merged["reason"] = "; ".join(dict.fromkeys(reasons))
    merged["status"] = results.STATUS_OF_EXIT[results.exit_status(documents)]
    if len(documents) > 1:
        merged["parts"] = len(documents)
        # The sentence of one of them says nothing of all of them; the counts do.
        merged["headline"] = ""
    return merged


def merge_all(documents):
    """One document for each engine, subject and file name, and one for each reason of a failure."""
    groups = {}
    for document in documents:
        path = document.get("document")
        key = (
            document["engine"],
            document["subject"],
            pathlib.PurePath(path).name if path else ("failure", document.get("reason")),
        )
        groups.setdefault(key, []).append(document)
    return [merge_documents(group) for group in groups.values()]


def merge_corpora(folders, out):
    """The files of all folders, by content, in one tree; returns how many there are."""
    count = 0
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            target = out / path.relative_to(folder)
            if target.exists() and not filecmp.cmp(path, target, shallow=False):
                # The same name for something else; libFuzzer's names are hashes of the content.
                target = target.with_name(hashlib.sha1(path.read_bytes()).hexdigest())
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                count += 1
    return count


def merge_summaries(parts):
    """`parts`: list of (name, summary). Raises results.BadDocument if they are not of one campaign."""
    first = parts[0][1]
    count = int(first["shard"].split("/")[1])
    seen = {}
    for name, summary in parts:
        for member in ("seed", "commit", "minutes"):
            if summary.get(member) != first.get(member):
                raise results.BadDocument(f"{name} is of another campaign: its {member} differs")
        if int(summary["shard"].split("/")[1]) != count:
            raise results.BadDocument(f"{name} is of another campaign: its shard is {summary['shard']}")
        if summary["shard"] in seen:
            raise results.BadDocument(f"{name} and {seen[summary['shard']]} are the same shard {summary['shard']}")
        seen[summary["shard"]] = name
    documents = []
    for name, summary in parts:
        for document in summary["results"]:
            document = copy.deepcopy(document)
            if document.get("reason"):
                document["reason"] = f"shard {summary['shard']}: {document['reason']}"
            if document.get("document"):
                document["document"] = f"{name}/{document['document']}"
            documents.append(document)
    merged = merge_all(documents)
    for index in range(1, count + 1):
        if f"{index}/{count}" not in seen:
            merged.append(results.could_not_run("campaign", f"shard {index}/{count} is missing"))
    return {
        "schema": results.CAMPAIGN_SCHEMA,
        "status": results.STATUS_OF_EXIT[results.exit_status(merged)],
        "minutes": first["minutes"],
        "seed": first["seed"],
        "shard": f"{len(seen)} of {count}",
        "started": min(s.get("started", "") for _, s in parts),
        "duration_seconds": max(s["duration_seconds"] for _, s in parts),
        "commit": first.get("commit", ""),
        "machine": {
            f"shard {s['shard']}": ", ".join(str(v) for v in (s.get("machine") or {}).values()) for _, s in parts
        },
        "results": merged,
    }


def main(arguments):
    from fsqlshm.report import main as report  # pylint: disable=import-outside-toplevel

    parser = argparse.ArgumentParser(
        prog="scripts/merge",
        allow_abbrev=False,
        description="Merges the shards of a campaign into one: counts add up, findings and corpora are united. "
        "Writes summary.json, the report and corpus/.",
        epilog="Exit status as scripts/campaign: 0 nothing found, 1 something found, 2 a shard is missing or could not run.",
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR", help="where the merged campaign goes")
    parser.add_argument(
        "shards", type=pathlib.Path, nargs="+", metavar="SHARD", help="the folder of a shard's campaign"
    )
    options = parser.parse_args(arguments)
    try:
        summary = merge_summaries([(str(folder), report.load(folder)) for folder in options.shards])
        options.out.mkdir(parents=True, exist_ok=True)
        corpora = [c for f in options.shards for c in sorted(f.glob("*/corpus")) if c.is_dir()]
        inputs = merge_corpora(corpora, options.out / "corpus")
        results.write_json(options.out / "summary.json", summary)
        report.write(options.out)
    except (results.BadDocument, OSError) as error:
        print(f"merge: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN
    text = f", {inputs} inputs in the corpora" if inputs else ""
    print(
        f"merge: {results.verdict(summary['results'])}; {len(options.shards)} shards{text}; "
        f"{options.out / 'report.html'}"
    )
    return results.exit_status(summary["results"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
