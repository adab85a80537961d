"""A campaign over many machines as a Slurm job array."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from fsqlshm import ROOT, command
from fsqlshm.results import CLEAN, CouldNotRun

HELP = (
    """Submits a campaign to Slurm as a job array of N shards, and a job after it that merges their results
and corpora into DIR (a folder that all nodes see) and makes one report there: DIR/report.html.""",
    """The repository must be at the same place on all nodes, with the packages of scripts/packages.txt
installed. Prints the number of the merging job and nothing else on standard output.

Exit status: 0 submitted, 2 not. The merging job's exit status is that of scripts/merge.""",
)


def sbatch(given: Sequence[str], *words: str) -> str:
    done = subprocess.run(["sbatch", "--parsable", *given, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CouldNotRun("sbatch refused the job")
    return done.stdout.strip().partition(";")[0]


def main(arguments: Sequence[str]) -> int:
    parser = command.Parser("scripts/slurm/submit", *HELP)
    add, seed = parser.add_argument, "the campaign's (default: from the clock); every shard draws its own part of it"
    add("--shards", type=command.number(int, 1, 1_000_000), required=True, help="number of array jobs")
    add("--out", type=pathlib.Path, required=True, metavar="DIR", help="a new folder; shard I goes to DIR/shard-I")
    add("--seed", type=command.number(int, 0, 2**63 - 1), default=int(time.time()), help=seed)
    add("--sbatch", action="append", default=[], metavar="ARGUMENT", help="one more argument for sbatch")
    add("campaign", nargs="*", metavar="ARGUMENT", help="after --, for scripts/campaign, for example --minutes 60")
    options = parser.parse_args(arguments)
    if not shutil.which("sbatch"):
        raise CouldNotRun("there is no sbatch here")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise CouldNotRun(f"{out} is not empty")
    program = os.environ.get("FSQLSHM_CAMPAIGN", str(ROOT / "scripts" / "campaign"))
    campaign = shlex.join([program, "--seed", str(options.seed), *options.campaign])
    part = f"--shard $SLURM_ARRAY_TASK_ID/{options.shards} --out {shlex.quote(str(out))}/shard-$SLURM_ARRAY_TASK_ID"
    named = ["--job-name=fsqlshm", f"--array=1-{options.shards}", f"--output={out}/shard-%a.log"]
    array = sbatch(options.sbatch, *named, "--wrap", f"exec {campaign} {part}")
    # The merging job runs also when shards fail: one that is missing is part of the result.
    named = ["--job-name=fsqlshm-merge", f"--dependency=afterany:{array}", f"--output={out}/merge.log"]
    shards = [f"shard-{number}" for number in range(1, options.shards + 1)]
    merge = shlex.join([str(ROOT / "scripts" / "merge"), "--out", ".", *shards])
    number = sbatch(options.sbatch, *named, "--wrap", f"cd {shlex.quote(str(out))} && exec {merge}")
    print(f"submit: shards are job {array}, merging is job {number}, results in {out}", file=sys.stderr)
    print(number)
    return CLEAN


if __name__ == "__main__":
    command.run("submit", main)
