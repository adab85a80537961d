"""The API reference: Doxygen finds nothing public without a description, and functions that fail say how."""

import pathlib
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import support
from fsqlshm import ROOT

INCLUDE = ROOT / "core" / "include"


def doxygen(out: pathlib.Path, *settings: str) -> subprocess.CompletedProcess[str]:
    """Its own settings, and the project's."""
    text = (ROOT / "docs" / "Doxyfile").read_text(encoding="utf-8")
    text += "\n".join(["", f'OUTPUT_DIRECTORY = "{out}"', *settings, ""])
    return subprocess.run(
        ["doxygen", "-"], input=text, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )


def text_of(node: ET.Element, *kinds: str) -> str:
    return " ".join("".join(n.itertext()).strip() for kind in kinds for n in node.findall(kind)).strip()


def members(folder: pathlib.Path) -> Iterator[tuple[str, str, str, str]]:
    """Of everything public: its kind, its name, what it looks like, and its description."""
    for path in sorted((folder / "xml").glob("*.xml")):
        for member in ET.parse(path).getroot().iter("memberdef"):
            if member.get("prot") != "public":
                continue
            for value in (member, *member.findall("enumvalue")):
                described = text_of(value, "briefdescription", "detaileddescription", "inbodydescription")
                looks = f"{text_of(member, 'type')} {text_of(member, 'argsstring')}"
                yield (value.get("kind", "enumvalue"), text_of(value, "name"), looks, described)


@unittest.skipUnless(shutil.which("doxygen"), "doxygen is not installed")
class ReferenceTest(support.FolderTest):
    def undescribed(self, *settings: str) -> set[str]:
        """Names of what has no description, by Doxygen's own account or by what it made of the headers."""
        shutil.rmtree(self.top / "xml", ignore_errors=True)
        done = doxygen(self.top, "GENERATE_XML = YES", "GENERATE_HTML = NO", *settings)
        said = re.findall(
            r"error: (?:Member|Compound) (.*?)(?:\(.*)? (?:\(\w+\) of .* )?is not documented", done.stderr
        )
        self.assertEqual(bool(said), bool(done.returncode), done.stdout + done.stderr)
        silent = (
            name
            for _, name, looks, described in members(self.top)
            if not described and not looks.endswith(("=delete", "=default"))
        )
        return {name.split("::")[-1] for name in (*said, *silent)}

    def test_everything_public_is_described(self) -> None:
        self.assertEqual(self.undescribed(), set())
        found = list(members(self.top))
        functions = {name for kind, name, _, _ in found if kind == "function"}
        print(f"{len(found)} public members, {len(functions)} names of functions")
        # Every function of the C interface is among them.
        for header in ("fsqlshm.h", "fsqlshm_file.h"):
            text = re.sub(r"/\*.*?\*/", "", (INCLUDE / header).read_text(encoding="utf-8"), flags=re.DOTALL)
            declared = set(re.findall(r"\b(fsqlshm_[a-z_]+)\(", text))
            self.assertGreater(len(declared), 25)
            self.assertLessEqual(declared, functions)

    def test_what_fails_says_how(self) -> None:
        self.assertEqual(doxygen(self.top, "GENERATE_XML = YES", "GENERATE_HTML = NO").returncode, 0)
        failing = 0
        silent = []
        for kind, name, looks, described in members(self.top):
            if kind == "function" and re.search(r"expected<|fsqlshm_code .*fsqlshm_error", looks.replace(" <", "<")):
                failing += 1
                if not re.search(r"\b(Fails|[Aa]s \w+)", described):
                    silent.append(f"{name}{looks}")
        self.assertEqual(silent, [])
        self.assertGreater(failing, 40)

    def test_what_is_undocumented_is_found(self) -> None:
        headers = self.top / "include"
        for header, before, after, name in (
            ("fsqlshm.h", "#pragma GCC visibility pop", "int silent(void);", "silent"),
            ("fsqlshm.h", "  FSQLSHM_OK = 0,", "  FSQLSHM_SILENT = 99,", "FSQLSHM_SILENT"),
            ("fsqlshm/types.h", "  SchemaEpoch schema_epoch;", "  int silent;", "silent"),
            ("fsqlshm/process.h", "}  // namespace fsqlshm", "bool silent();", "silent"),
            ("fsqlshm/words.h", "  void pause() const", "  void silent() const;", "silent"),
            ("fsqlshm/words.h", "template <class W>\nconcept", "struct Silent { int member; };", "Silent"),
        ):
            with self.subTest(f"{header}: {after.strip()}"):
                shutil.rmtree(headers, ignore_errors=True)
                shutil.copytree(INCLUDE, headers)
                path = headers / header
                text = path.read_text(encoding="utf-8")
                self.assertIn(before, text)
                # Before the comment of what follows, where there is one.
                at = text.index(before)
                while text[:at].rstrip("\n").splitlines()[-1].lstrip().startswith("///"):
                    at = text.rindex("\n", 0, at - 1) + 1
                path.write_text(f"{text[:at]}{after}\n{text[at:]}", encoding="utf-8")
                place = (f'INPUT = "{headers}"', f'STRIP_FROM_PATH = "{headers}"')
                self.assertIn(name, self.undescribed(*place))


if __name__ == "__main__":
    unittest.main()
