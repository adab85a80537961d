"""What OSS-Fuzz and ClusterFuzzLite want of each target, made from what the programs say of themselves.

usage: python3 -m fsqlshm.fuzz.package BUILD OUT
"""

import pathlib
import shutil
import zipfile
from collections.abc import Sequence

from fsqlshm import command, results
from fsqlshm.fuzz import targets


def main(arguments: Sequence[str]) -> int:
    build, out = map(pathlib.Path, arguments)
    for target in targets.load_all(build):
        if not target.attacks:
            continue
        shutil.copy(target.program, out / target.name)
        (out / f"{target.name}.dict").write_text(target.dictionary_text(), encoding="utf-8")
        # The largest input that makes sense differs; a target ignores what is beyond.
        (out / f"{target.name}.options").write_text(f"[libfuzzer]\nmax_len = {target.max_size}\n", encoding="utf-8")
        with zipfile.ZipFile(out / f"{target.name}_seed_corpus.zip", "w", zipfile.ZIP_DEFLATED) as seeds:
            for path in sorted(path for folder in target.kept_inputs() for path in folder.iterdir()):
                seeds.write(path, path.name)
    return results.CLEAN


if __name__ == "__main__":
    command.run("package", main)
