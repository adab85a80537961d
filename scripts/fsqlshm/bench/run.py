"""Runs fsqlshm-bench and fsqlshm-tails in rounds and gathers one document.

The document, schema "fsqlshm-bench/1":
  context     when, where, what: machine, compiler, commit, load, rounds ...
  benchmarks  name to {clock, racy, ns: [one a round], counters: {name: [one a round]}}
  complexity  name to Google Benchmark's fit in the last round
  tails       list of {subject, rate, where, racy, runs: [one a round]}
  timer       what the tails' clock costs
  findings    of all rounds, as in result documents

A round is a process of its own, with its benchmarks in random order. So everything that is fixed
for the life of a process, like where its memory lies, varies between the samples, and ratios are
taken between figures of the same round.
"""

import datetime
import json
import os
import pathlib
import platform
import signal
import subprocess
import tempfile

from fsqlshm import ROOT

SCHEMA = "fsqlshm-bench/1"


class CouldNotRun(Exception):
    """With a sentence for a person."""


class Stop:
    """SIGINT and SIGTERM end the run after the current program, which gets the signal too."""

    def __init__(self):
        self.requested = False
        self.child = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number, _frame):
        self.requested = True
        signal.signal(number, signal.SIG_DFL)
        if self.child is not None:
            self.child.send_signal(signal.SIGTERM)


def _first_line(path, key):
    try:
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return None


def _git(*arguments):
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def machine():
    cpuinfo = "/proc/cpuinfo"
    virtual = subprocess.run(
        ["systemd-detect-virt"], capture_output=True, text=True, check=False
    ) if pathlib.Path("/usr/bin/systemd-detect-virt").exists() else None
    hypervisor = virtual.stdout.strip() if virtual else None
    if hypervisor is None and " hypervisor" in (_first_line(cpuinfo, "flags") or ""):
        hypervisor = "yes"
    family, model = _first_line(cpuinfo, "cpu family"), _first_line(cpuinfo, "model")
    return {
        "cpu": _first_line(cpuinfo, "model name") or platform.machine(),
        "cpu_family_model": f"{family}/{model}" if family else None,
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": hypervisor,
        "memory": _first_line("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def program(preset, name):
    path = ROOT / "build" / preset / "bench" / name
    if not os.access(path, os.X_OK):
        raise CouldNotRun(
            f"{path.relative_to(ROOT)} is not built: cmake --preset {preset} && "
            f"cmake --build --preset {preset}"
        )
    return str(path)


def build(preset):
    for command in (
        ["cmake", "--preset", preset],
        ["cmake", "--build", "--preset", preset, "--target", "fsqlshm-bench", "fsqlshm-tails"],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CouldNotRun(
                f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}"
            )


def run_program(arguments, stop):
    """The program's result document. An interrupted program has one too."""
    with tempfile.TemporaryDirectory(prefix="fsqlshm-bench-") as folder:
        path = pathlib.Path(folder) / "result.json"
        # A process group of its own: a Ctrl-C reaches the program once, through us. Not a session:
        # Linux divides the processors among sessions before it looks at nice values.
        stop.child = subprocess.Popen(
            [*arguments, "--quiet", "--json", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        try:
            if stop.requested:
                stop.child.send_signal(signal.SIGTERM)
            _, errors = stop.child.communicate()
        finally:
            if stop.child.poll() is None:
                stop.child.kill()
                stop.child.wait()
            code, stop.child = stop.child.returncode, None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            last = errors.strip().splitlines()[-1:] or ["no message"]
            name = pathlib.Path(arguments[0]).name
            raise CouldNotRun(f"{name} ended with status {code}: {last[0]}") from error
    if document["status"] == "could_not_run" and document.get("reason") != "interrupted":
        raise CouldNotRun(f"{pathlib.Path(arguments[0]).name}: {document.get('reason')}")
    return document


def new_document(preset, settings):
    # What is generated from earlier results does not make the sources differ from the commit.
    changes = _git("status", "--porcelain", "--", ".", ":!bench/results", ":!bench/README.md")
    return {
        "schema": SCHEMA,
        "context": {
            "started": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "machine": machine(),
            "commit": _git("rev-parse", "--short=12", "HEAD"),
            "changed_since_commit": bool(changes),
            "preset": preset,
            "load": [],  # load average over a minute, before each round and at the end
            "rounds": 0,
            **settings,
        },
        "benchmarks": {},
        "complexity": {},
        "tails": [],
        "timer": None,
        "findings": [],
    }


def add_round(document, bench, tails):
    """Adds the result documents of one round; `tails` may have none."""
    context = document["context"]
    context["rounds"] += 1
    context.update(bench["details"]["context"])
    document["findings"] += bench["findings"]
    for entry in bench["details"]["benchmarks"]:
        name = entry["name"] if entry["arg"] is None else f"{entry['name']}/{entry['arg']}"
        mine = document["benchmarks"].setdefault(
            name, {"clock": entry["clock"], "racy": entry["racy"], "ns": [], "counters": {}}
        )
        mine["ns"] += entry["ns"]
        for counter, values in entry["counters"].items():
            mine["counters"].setdefault(counter, []).extend(values)
    for fit in bench["details"]["complexity"]:
        document["complexity"][fit["name"]] = {k: v for k, v in fit.items() if k != "name"}
    for result in tails:
        document["timer"] = result["details"]["timer"]
        document["findings"] += result["findings"]
        for row in result["details"]["tails"]:
            key = ("subject", "rate", "where", "racy")
            for mine in document["tails"]:
                if all(mine[k] == row[k] for k in key):
                    mine["runs"] += row["runs"]
                    break
            else:
                document["tails"].append({k: row[k] for k in (*key, "runs")})


def one_round(document, preset, settings, number, stop, hgrm=None):
    """Runs one round and adds it; false, and nothing added, if it was interrupted."""
    document["context"]["load"].append(round(os.getloadavg()[0], 2))
    bench = run_program(
        [
            program(preset, "fsqlshm-bench"),
            "--filter", settings["filter"],
            "--min-time", str(settings["min_time"]),
        ],
        stop,
    )
    tails = []
    for where, rates in settings["tails"].items():
        if stop.requested:
            return False
        command = [
            program(preset, "fsqlshm-tails"),
            "--where", where,
            "--rates", rates,
            "--seconds", str(settings["tail_seconds"]),
            "--repetitions", "1",
            "--seed", str(number),
        ]
        if hgrm:
            command += ["--hgrm", str(hgrm)]
        tails.append(run_program(command, stop))
    if stop.requested or any(d["status"] == "could_not_run" for d in (bench, *tails)):
        return False
    add_round(document, bench, tails)
    return True


def load(path):
    try:
        document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CouldNotRun(f"{path} is not a benchmark document (schema {SCHEMA})")
    return document


def save(document, path):
    path = pathlib.Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(compact(document) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CouldNotRun(f"cannot write {path}: {error}") from error


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return value


def compact(document):
    """JSON with a line for each benchmark, so that a kept file is short and can be read."""
    lines = ["{"]
    for i, (key, value) in enumerate(document.items()):
        comma = "," if i + 1 < len(document) else ""
        value = _rounded(value)
        if isinstance(value, dict) and key != "timer":
            inner = [f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
            lines.append(f"  {json.dumps(key)}: {{\n" + ",\n".join(inner) + f"\n  }}{comma}")
        elif isinstance(value, list) and value:
            inner = [f"    {json.dumps(v)}" for v in value]
            lines.append(f"  {json.dumps(key)}: [\n" + ",\n".join(inner) + f"\n  ]{comma}")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}{comma}")
    lines.append("}")
    return "\n".join(lines)
