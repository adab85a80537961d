"""What is installed is all that a consumer needs: usage: install_test.py BUILD, a folder where everything is built.

Consumers get a copy of their own sources, a compiler, and the folder where the library is installed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import support
from fsqlshm import ROOT

BUILD = pathlib.Path()
INCLUDE = ROOT / "core" / "include"
(VERSION,) = re.findall(r"^project\(fsqlshm VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.M)
PACKAGES = {"libfsqlshm1", "libfsqlshm-dev", "libfsqlshm-tools"}
PROGRAMS = ["bench", "golden", "inspect", "rc11", "relacy", "step", "stress", "world"]


def run(*command: object, **environment: str) -> str:
    """What it prints; it must end well."""
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | environment,
        cwd="/",
    )
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def cache(name: str) -> str:
    """A variable of the build; empty if it has none of that name."""
    found = re.search(rf"^{name}(:\w+)?=(.*)$", (BUILD / "CMakeCache.txt").read_text(encoding="utf-8"), re.M)
    return str(found[2]) if found else ""


def files(folder: pathlib.Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


class Installed(unittest.TestCase):
    """Tests with everything installed into the root of a package, and then moved to self.prefix, a name with blanks."""

    top: pathlib.Path
    prefix: pathlib.Path
    sources: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = support.temporary()
        cls.addClassCleanup(folder.cleanup)
        cls.top = pathlib.Path(folder.name)
        cls.prefix = cls.top / "a prefix with blanks"
        run("cmake", "--install", BUILD, "--prefix", "/opt/x y", DESTDIR=str(cls.top / "a root"))
        shutil.move(cls.top / "a root" / "opt" / "x y", cls.prefix)
        cls.sources = cls.top / "a consumer"
        shutil.copytree(ROOT / "core" / "installed_test", cls.sources)
        shutil.copy(ROOT / "core" / "consumer_test" / "main.cc", cls.sources)
        shutil.copy(ROOT / "docs" / "examples" / "commit.c", cls.sources)

    def libdir(self) -> pathlib.Path:
        return next(self.prefix.rglob("libfsqlshm.so.1")).parent

    def use(self, in_cxx: pathlib.Path, in_c: pathlib.Path) -> None:
        """Both programs do what they are for, and the installed tool reads what they leave."""
        self.assertEqual(run(in_cxx), "commit_seq 7\n")
        database = in_c.with_suffix(".db")
        said = run(in_c, database, 3, LD_LIBRARY_PATH=str(self.libdir()))
        self.assertEqual(len(said.splitlines()), 3, said)
        inspected = run(self.prefix / "bin" / "fsqlshm-inspect", f"{database}.fsqlite-shm")
        self.assertRegex(inspected, r"commit_seq +3\b")
        database.unlink()

    def cmake(self, version: str, *options: str) -> pathlib.Path:
        build = self.top / "build"
        run(
            *["cmake", "-S", self.sources, "-B", build, "-G", cache("CMAKE_GENERATOR")],
            *[f"-DCMAKE_CXX_COMPILER={cache('CMAKE_CXX_COMPILER')}", f"-DFSQLSHM_VERSION={version}"],
            *[f"-DCMAKE_PREFIX_PATH={self.prefix}", *options],
        )
        run("cmake", "--build", build)
        return build

    def test_cmake(self) -> None:
        build = self.cmake(VERSION)
        self.use(build / "in_cxx", build / "in_c")
        for version in ("0.0", "1.0"):
            with self.assertRaisesRegex(AssertionError, "compatible with requested version"):
                self.cmake(version)
        path = self.sources / "CMakeLists.txt"
        path.write_text(path.read_text(encoding="utf-8").replace("static", "extra"), encoding="utf-8")
        with self.assertRaisesRegex(AssertionError, "components static and shared, not extra"):
            self.cmake(VERSION)

    @unittest.skipUnless(shutil.which("pkg-config"), "pkg-config is not installed")
    def test_pkg_config(self) -> None:
        def flags(package: str) -> str:
            self.assertEqual(run(*ask, "--modversion", package).strip(), VERSION)
            return run(*ask, "--cflags", "--libs", package).strip()

        ask = ["env", f"PKG_CONFIG_PATH={self.libdir() / 'pkgconfig'}", "pkg-config"]
        for name, source, compiler, package in (
            ("in_cxx", "main.cc", f"{cache('CMAKE_CXX_COMPILER')} -std=c++23", "fsqlshm-cxx"),
            ("in_c", "commit.c", "cc -std=c11", "fsqlshm"),
        ):
            # As a makefile has it: the shell takes pkg-config's quotes away.
            command = f"{compiler} '{self.sources / source}' {flags(package)} -o '{self.top / name}'"
            run("sh", "-c", command)
        self.use(self.top / "in_cxx", self.top / "in_c")

    def test_programs_and_their_pages(self) -> None:
        self.assertEqual(files(self.prefix / "bin"), {f"fsqlshm-{name}" for name in PROGRAMS})
        for name in PROGRAMS:
            said = run(self.prefix / "bin" / f"fsqlshm-{name}", "--version")
            self.assertEqual(said, f"fsqlshm-{name} {VERSION}\n")
        golden = run(self.prefix / "bin" / "fsqlshm-golden", self.prefix / "share" / "fsqlshm" / "golden")
        self.assertEqual(golden.count("all match"), 2, golden)
        if not shutil.which("help2man"):
            self.skipTest("help2man is not installed: no manual pages")
        pages = self.prefix / "share" / "man" / "man1"
        self.assertEqual(files(pages), {f"fsqlshm-{name}.1.gz" for name in PROGRAMS})
        for name in PROGRAMS:
            text = run("gzip", "-dc", pages / f"fsqlshm-{name}.1.gz")
            for section in (".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", "Exit status"):
                self.assertIn(section, text, name)

    def test_nothing_of_the_source_tree(self) -> None:
        self.assertEqual(files(self.top / "a root"), set(), "something is outside of the prefix")
        for path in self.prefix.rglob("*"):
            if path.suffix in (".h", ".pc", ".cmake"):
                text = path.read_text(encoding="utf-8")
                for place in (ROOT, BUILD, self.top, "/opt"):
                    self.assertNotIn(str(place), text, path)


class Packages(support.FolderTest):
    @unittest.skipUnless(shutil.which("dpkg-shlibdeps"), "dpkg-dev is not installed")
    def test_packages_have_what_is_installed(self) -> None:
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", self.top)
        run("cmake", "--install", BUILD, "--prefix", self.top / "installed")
        packages = {path.name.split("_")[0]: path for path in self.top.glob("*.deb")}
        self.assertEqual(set(packages), PACKAGES)
        together: set[str] = set()
        for name, path in packages.items():
            run("dpkg-deb", "-x", path, self.top / name)
            there = files(self.top / name / "usr")
            self.assertFalse(together & there, "a file in two packages")
            self.assertIn(f"share/doc/{name}/copyright", there)
            together |= there
        self.assertEqual(together, files(self.top / "installed"))
        self.assertIn(f"libfsqlshm1 (= {VERSION})", run("dpkg-deb", "-f", packages["libfsqlshm-dev"], "Depends"))
        self.assertRegex(run("dpkg-deb", "-f", packages["libfsqlshm1"], "Depends"), r"^libc6 .*libstdc\+\+6")
        self.assertIn("ldconfig", run("dpkg-deb", "-I", packages["libfsqlshm1"], "postinst"))
        self.assertEqual(
            run("dpkg-deb", "-I", packages["libfsqlshm1"], "shlibs"), f"libfsqlshm 1 libfsqlshm1 (>= {VERSION})\n"
        )


OFF = [f"-DFSQLSHM_BUILD_{part}=OFF" for part in ("TESTS", "TOOLS", "FUZZERS", "RELACY", "STRESS", "BENCHMARKS")]


class OtherLibrary(support.FolderTest):
    @unittest.skipUnless(pathlib.Path("/usr/lib/llvm-19/include/c++/v1").is_dir(), "libc++-19-dev is not installed")
    def test_libcxx(self) -> None:
        """The library alone, and a consumer, with another standard library."""
        options = ["-G", "Ninja", "-DCMAKE_CXX_COMPILER=clang++-19", "-DCMAKE_CXX_FLAGS=-stdlib=libc++"]
        build, prefix, consumer = (self.top / name for name in ("build", "prefix", "consumer"))
        run("cmake", "-S", ROOT, "-B", build, *options, *OFF, "-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_BUILD_TYPE=Debug")
        run("cmake", "--build", build)
        run("cmake", "--install", build, "--prefix", prefix)
        self.assertNotIn("bin", {path.name for path in prefix.iterdir()})
        self.assertIn("libc++.so", run("readelf", "-d", prefix / "lib" / "libfsqlshm.so.1"))
        shutil.copy(ROOT / "core" / "consumer_test" / "main.cc", consumer.with_suffix(".cc"))
        place = [f"-I{prefix}/include", prefix / "lib" / "libfsqlshm.a"]
        run("clang++-19", "-std=c++23", "-stdlib=libc++", consumer.with_suffix(".cc"), *place, "-o", consumer)
        self.assertEqual(run(consumer), "commit_seq 7\n")


class Refused(support.FolderTest):
    """Machines that cannot use the words in place, by a compiler that has nothing else of theirs."""

    def compile(self, language: str, header: str, *options: str) -> str:
        # The preprocessor is what refuses.
        command = ["clang-19", "-E", "-o", "/dev/null", "-ffreestanding", f"-I{INCLUDE}", "-x", language]
        command += [str(INCLUDE / header), *options]
        return str(subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr)

    def test_machines(self) -> None:
        for target, why in (
            ("i686-linux-gnu", "no 32-bit machine"),
            ("armv7-linux-gnueabihf", "no 32-bit machine"),
            ("x86_64-linux-gnux32", "no 32-bit machine"),
            ("s390x-linux-gnu", "no big-endian machine"),
            ("aarch64_be-linux-gnu", "no big-endian machine"),
            ("x86_64-linux-gnu", ""),
            ("aarch64-linux-gnu", ""),
        ):
            for header in ("fsqlshm.h", "fsqlshm_file.h"):
                said = self.compile("c", header, f"--target={target}")
                self.assertRegex(said, f'error: "fsqlshm: .*{why}"' if why else "^$", target)

    def test_every_header_refuses(self) -> None:
        """In C++, too, whichever header comes first."""
        for path in [*INCLUDE.glob("*.h"), *INCLUDE.glob("fsqlshm/*/*.h"), *INCLUDE.glob("fsqlshm/*.h")]:
            if path.name in ("error.h", "process.h", "types.h", "writer_words.h"):  # values alone
                continue
            said = self.compile("c++", str(path), "-std=c++23", "-U__BYTE_ORDER__", "-D__BYTE_ORDER__=4321")
            self.assertIn("no big-endian machine", said, path)

    def test_older_languages(self) -> None:
        for name in ("fsqlshm/shm_file.h", "fsqlshm/types.h", "fsqlshm/shared_memory_layout.h"):
            self.assertRegex(self.compile("c++", name, "-std=c++20"), r'error: "fsqlshm: .* takes C\+\+23')
        for name in ("fsqlshm.h", "fsqlshm_file.h"):
            self.assertEqual(self.compile("c++", name, "-std=c++11"), "")


class Added(support.FolderTest):
    def test_who_adds_the_library_gets_no_install_rules(self) -> None:
        def rules(*options: str) -> str:
            run(
                *["cmake", "-S", ROOT / "core" / "consumer_test", "-B", self.top, "-G", cache("CMAKE_GENERATOR")],
                *[f"-DFSQLSHM_SOURCE_DIR={ROOT}", f"-DCMAKE_CXX_COMPILER={cache('CMAKE_CXX_COMPILER')}", *options],
            )
            return "".join(p.read_text(encoding="utf-8") for p in self.top.rglob("cmake_install.cmake"))

        self.assertNotIn("file(INSTALL", rules())
        asked = rules("-DFSQLSHM_INSTALL=ON")
        self.assertIn("libfsqlshm.a", asked)
        self.assertNotIn("TYPE EXECUTABLE", asked, "no program, as none is built")


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
