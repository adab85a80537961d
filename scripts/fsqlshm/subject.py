"""scripts/subject: builds a shared object that the engines attack from a source that exports nothing by itself.

`rust PATH` takes the original: a shm.rs of FrankenSQLite, which is compiled as it is, with the adapter
harness/subjects/rust/adapter.rs around it.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from fsqlshm import ROOT, command
from fsqlshm.results import CLEAN, CouldNotRun

HELP = (
    "Builds a subject: a shared object that the engines attack with --subject.\n\n"
    "  rust  from a shm.rs of FrankenSQLite, unmodified, with a Rust compiler and the crate xxhash-rust of Debian\n"
    "        (apt-get install rustc-web librust-xxhash-rust-dev)",
    "Exit status: 0 built, 2 could not be built. $RUSTC is the compiler, if it is set.",
)

ADAPTER = ROOT / "harness" / "subjects" / "rust" / "adapter.rs"
CRATES = pathlib.Path("/usr/share/cargo/registry")


def rust_compiler() -> str:
    """Raises CouldNotRun if there is none."""
    named = os.environ.get("RUSTC")
    found = shutil.which(named or "rustc", path=None if named else f"/usr/bin{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        raise CouldNotRun(f"{named or 'rustc'} is not there: install rustc-web, or name a compiler in $RUSTC")
    return found


def xxhash_crate() -> pathlib.Path:
    """Its first source. Raises CouldNotRun if it is not installed."""
    sources = sorted(CRATES.glob("xxhash-rust-*/src/lib.rs"))
    if not sources:
        raise CouldNotRun(f"{CRATES} has no xxhash-rust: install librust-xxhash-rust-dev")
    return sources[-1]


def _compile(compiler: str, words: list[str | pathlib.Path], environment: dict[str, str]) -> None:
    done = subprocess.run([compiler, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CouldNotRun(f"{compiler} failed:\n{done.stderr}")


def build_rust(source: pathlib.Path, output: pathlib.Path) -> None:
    """Raises CouldNotRun."""
    if not source.is_file():
        raise CouldNotRun(f"{source} is no file")
    compiler = rust_compiler()
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    output.parent.mkdir(parents=True, exist_ok=True)
    optimised: list[str | pathlib.Path] = ["-O", "-C", "panic=abort", "-C", "debuginfo=2"]
    # Beside the output: what is there is replaced whole, also while somebody runs it.
    with tempfile.TemporaryDirectory(prefix=".subject.", dir=output.parent) as name:
        folder = pathlib.Path(name)
        crate = folder / "libxxhash_rust.rlib"
        words: list[str | pathlib.Path] = ["--crate-name", "xxhash_rust", "--crate-type", "rlib", "--edition", "2018"]
        words += ["--cfg", 'feature="xxh3"', "--cap-lints", "allow", *optimised, "-o", crate, xxhash_crate()]
        _compile(compiler, words, dict(os.environ))

        # `mod shm` in the adapter is the file next to it. Debug information names both by their own paths.
        (folder / "adapter.rs").symlink_to(ADAPTER)
        (folder / "shm.rs").symlink_to(source.resolve())
        words = ["--crate-name", "fsqlshm_rust", "--crate-type", "cdylib", "--edition", "2024", *optimised]
        words += ["--remap-path-prefix", f"{folder / 'adapter.rs'}={ADAPTER}"]
        words += ["--remap-path-prefix", f"{folder / 'shm.rs'}={source.resolve()}"]
        words += ["--extern", f"xxhash_rust={crate}", "-o", folder / "rust.so", folder / "adapter.rs"]
        _compile(compiler, words, os.environ | {"FSQLSHM_RUSTC": version.strip()})
        os.replace(folder / "rust.so", output)


def main(arguments: Sequence[str]) -> int:
    parser = command.Parser("scripts/subject", *HELP)
    parser.add_argument("language", choices=["rust"], help="what the source is written in")
    parser.add_argument("source", type=pathlib.Path, metavar="PATH", help="the source, for example .../src/shm.rs")
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=ROOT / "out" / "subjects" / "rust.so",
        metavar="FILE.so",
        help="the shared object (default: out/subjects/rust.so)",
    )
    options = parser.parse_args(arguments)
    build_rust(options.source, options.output)
    print(f"subject: {options.output}")
    return CLEAN


if __name__ == "__main__":
    command.run("subject", main)
