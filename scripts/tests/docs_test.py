"""What the documentation quotes is what is compiled, and what it refers to is there.

docs_test.py --write brings the quotations up to date.
"""

import pathlib
import re
import sys
import unittest

import support

ROOT = support.SCRIPTS.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
EXAMPLES = ROOT / "docs" / "examples"
QUOTED = re.compile(r"<!-- (docs/examples/\S+) -->\n```cpp\n(.*?)\n```\n", re.DOTALL)
# A step of a trace: it ends with where its operation is.
STEP = re.compile(r"^ .*\b((?:hardened|reference)/\S+\.h):(\d+)\b", re.MULTILINE)
MOST_LINES = 30


def example(path: pathlib.Path) -> str:
    """What is worth quoting of a file: what stands in its namespace."""
    text = re.search(
        r"^namespace [\w:]+ \{\n\n(.*?)\n\n\}  // namespace", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert text is not None, path
    return text[1]


def stale_steps(trace: str) -> list[str]:
    """Those whose operation is not where they say."""
    stale = []
    for step in STEP.finditer(trace):
        is_store = re.search(r" = |\bstore\b", step[0])
        is_exchange = re.search(r"\bcas\b", step[0], re.IGNORECASE)
        kind = "compare_exchange" if is_exchange else "store" if is_store else "load"
        source = (ROOT / "core" / "include" / "fsqlshm" / step[1]).read_text(encoding="utf-8").splitlines()
        if f"words_.{kind}(" not in source[int(step[2]) - 1]:
            stale.append(step[0])
    return stale


def bring_up_to_date() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = QUOTED.sub(lambda m: f"<!-- {m[1]} -->\n```cpp\n{example(ROOT / m[1])}\n```\n", text)
        if new != text:
            page.write_text(new, encoding="utf-8")


class DocsTest(unittest.TestCase):
    def test_examples_are_quoted_as_they_are(self) -> None:
        quoted = {}
        for page in PAGES:
            for name, text in QUOTED.findall(page.read_text(encoding="utf-8")):
                quoted[ROOT / name] = text
        examples = {p for p in EXAMPLES.glob("*.*") if p.suffix in (".cc", ".h") and not p.stem.endswith("_test")}
        self.assertGreaterEqual(len(examples), 3)
        self.assertEqual(set(quoted), examples)
        for path, text in quoted.items():
            self.assertEqual(text, example(path), f"{path.name} has changed: run docs_test.py --write")
            self.assertLess(len(text.splitlines()), MOST_LINES, path.name)

    def test_steps_of_traces_are_where_they_say(self) -> None:
        steps = 0
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            steps += len(STEP.findall(text))
            self.assertEqual(stale_steps(text), [], page)
            moved = STEP.sub(lambda m: m[0].removesuffix(m[2]) + str(int(m[2]) + 1), text)
            self.assertEqual(len(stale_steps(moved)) > 0, len(STEP.findall(text)) > 0, "lines that moved by one")
        self.assertGreater(steps, 20)

    def test_links_lead_somewhere(self) -> None:
        for page in PAGES:
            text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#\s]+)", text):
                if not re.match(r"https?:", target):
                    self.assertTrue((page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        bring_up_to_date()
    else:
        unittest.main()
