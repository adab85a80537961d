"""The proofs: the translator computes what the machine computes, what it does not know stops it, and what is wrong is
refuted by an input."""

import ctypes
import random
import subprocess
import unittest

import support

from fsqlshm.proofs import compiler, ir, mutants, parser, prove, show, sweep, terms, wire
from fsqlshm.proofs.case import Case
from fsqlshm.proofs.machine import Machine, State
from fsqlshm.proofs.memory import Pointer
from fsqlshm.proofs.obligations import OBLIGATIONS, Obligation
from fsqlshm.results import CouldNotRun

ROOT = support.SCRIPTS.parent
# Functions of two numbers; each is one thing that the translator knows.
FUNCTIONS = {
    "arithmetic": "return (a + b) * 3 - (a ^ b) + (a & b) - (a | b);",
    "division": "return (b ? a / b + a % b : 0) + (b ? (u64)((i64)a / 7) : 1);",
    "shifts": "return (a << (b & 63)) + (a >> (b & 31)) + (u64)((i64)a >> (b & 15));",
    "rotation": "return (a << 13 | a >> 51) ^ (b << 32 | b >> 32);",
    "comparisons": "return (a < b) + 2 * ((i64)a < (i64)b) + 4 * (a == b) + 8 * (a <= b) + 16 * ((i64)a >= 5);",
    "narrow": "return (u64)(signed char)a + (unsigned short)b + (u64)(int)(a >> 7);",
    "signs": "int x = (int)a / 3; return (u64)(i64)x + (u64)(i64)((int)b % 5);",
    "wide": "__uint128_t p = (__uint128_t)a * b; return (u64)p ^ (u64)(p >> 64);",
    "constant": "return a * 0x165667919E3779F9u + b * 60;",
    "choice": "if (a % 3 == 0) return b; if (a % 3 == 1) return a; return a + b;",
    "cases": "switch (a & 7) { case 0: return 5; case 3: return b; case 4: return a * 2; default: return 9; }",
    "loop": "u64 s = 0; for (int i = 0; i < 13; ++i) s = s * 31 + ((a >> i) & b); return s;",
    "early_end": "for (u64 i = 0; i < 20; ++i) if ((a >> i) & 1) return i + b; return 99;",
    "memory": "u64 v[4] = {a, b, a ^ b, 7}; v[2] += v[1]; return v[0] * 3 + v[2] + v[3];",
    "bytes": "unsigned char c[16]; __builtin_memcpy(c, &a, 8); __builtin_memset(c + 8, 3, 8); c[2] = (unsigned char)b;"
    " u64 r; __builtin_memcpy(&r, c + 1, 8); return r;",
    "extremes": "u64 m = a < b ? a : b; i64 n = (i64)a < (i64)b ? (i64)b : (i64)a; return m + 3 * (u64)n;",
    "swapped": "return __builtin_bswap64(a) + (u64)__builtin_popcountll(b);",
}
NUMBERS = [0, 1, 2, 3, 7, 8, 60, 255, 256, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def source() -> str:
    bodies = (f"u64 {name}(u64 a, u64 b) {{ {body} }}" for name, body in FUNCTIONS.items())
    return "typedef unsigned long u64; typedef long i64;\n" + "\n".join(bodies)


class TranslatorTest(support.FolderTest):
    def module(self, level: int) -> ir.Module:
        words = ["clang-19", "-x", "c", f"-O{level}", compiler.NAMES, "-S", "-emit-llvm", "-o", "-", "-"]
        done = subprocess.run(words, input=source(), capture_output=True, text=True, check=True)
        return parser.parse(done.stdout, "test")

    def native(self) -> ctypes.CDLL:
        library = self.top / "native.so"
        words = ["clang-19", "-x", "c", "-O0", "-shared", "-fPIC", "-o", str(library), "-"]
        subprocess.run(words, input=source(), text=True, check=True)
        return ctypes.CDLL(str(library))

    def test_it_computes_what_the_machine_computes(self) -> None:
        native, drawn = self.native(), random.Random(1)
        pairs = [(a, b) for a in NUMBERS for b in (0, 1, 5, NUMBERS[-1])]
        pairs += [(drawn.getrandbits(64), drawn.getrandbits(drawn.choice((4, 33, 64)))) for _ in range(60)]
        for level in (1, 3):
            module = self.module(level)
            for name in FUNCTIONS:
                function = getattr(native, name)
                function.argtypes, function.restype = [ctypes.c_uint64] * 2, ctypes.c_uint64
                symbolic = self.for_all(module, name)
                for a, b in pairs:
                    machine = Machine(module, lambda _, width: terms.of(0, width))
                    outcome = machine.call(f"@{name}", [terms.of(a, 64), terms.of(b, 64)], {})
                    assert outcome is not None and isinstance(outcome.value, terms.Bits)
                    expected = function(a, b)
                    self.assertEqual(outcome.value.term, expected, f"{name}({a}, {b}) at -O{level}")
                    self.assertEqual([fault for fault in machine.faults if fault.when], [], name)
                for a, b in pairs[::5]:  # the same of the term that is for all numbers
                    self.assertEqual(symbolic(a, b), function(a, b), f"{name}({a}, {b}) at -O{level}")

    def for_all(self, module: ir.Module, name: str) -> "ForAll":
        machine = Machine(module, terms.unknown)
        outcome = machine.call(f"@{name}", [terms.unknown("a", 64), terms.unknown("b", 64)], {})
        assert outcome is not None and isinstance(outcome.value, terms.Bits)
        return ForAll(outcome.value)

    def test_what_it_does_not_know_stops_it(self) -> None:
        for text, why in {
            "%r = fadd double %a, %a\n  ret double %r": "the instruction 'fadd'",
            "%r = call i64 @getpid()\n  ret i64 %r": "a call of getpid, which is not known",
            "%r = load volatile i64, ptr %a\n  ret i64 %r": "a volatile access",
            "%r = atomicrmw add ptr %a, i64 1 seq_cst\n  ret i64 %r": "the instruction 'atomicrmw'",
            "%r = frobnicate i64 1\n  ret i64 %r": "the instruction 'frobnicate'",
            "%c = icmp samesign ult i64 1, 2\n  ret i64 1": "the type 'ult'",
            "%c = icmp eq ptr %a, undef\n  ret i64 1": "an address that is undefined",
            "call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %a, i64 8, i1 true)\n  ret i64 1": "a volatile access",
        }.items():
            module = parser.parse(f"define i64 @f(ptr %a) {{\nentry:\n  {text}\n}}\n", "test")
            with self.assertRaisesRegex(CouldNotRun, why):
                machine = Machine(module, terms.unknown)
                machine.run("@f", [Pointer("", 0)], State((), {}, {}))

    def test_what_is_undefined_is_a_fault(self) -> None:
        for text, what in {
            "%r = udiv i64 1, %a\n  ret i64 %r": "a division by zero",
            "%c = icmp eq i64 %a, 5\n  br i1 %c, label %x, label %y\n"
            "x:\n  unreachable\ny:\n  ret i64 1": "unreachable",
            "%s = add nuw i64 %a, 1\n  %c = icmp eq i64 %s, 7\n"
            "  br i1 %c, label %x, label %x\nx:\n  ret i64 1": "poison",
            "%m = alloca i64, align 8\n  %p = getelementptr i8, ptr %m, i64 4\n  %r = load i64, ptr %p, align 1\n"
            "  ret i64 %r": "behind the end",
            "%m = alloca i64, align 8\n  %p = getelementptr i8, ptr %m, i64 1\n  %r = load i16, ptr %p, align 2\n"
            "  ret i64 1": "not aligned",
            "%r = load i64, ptr null\n  ret i64 %r": "no object",
            "%m = alloca i64, align 8\n  %s = load i64, ptr %m, align 8\n  %c = icmp eq i64 %s, 7\n"
            "  br i1 %c, label %x, label %x\nx:\n  ret i64 1": "poison",
            "call void @llvm.assume(i1 poison)\n  ret i64 1": "assumes",
            "%m = alloca i64, align 8\n  call void @_ZdlPv(ptr %m)\n  ret i64 1": "no object of the heap",
            # Two objects of one name, of which one is too small.
            "%c = icmp eq i64 %a, 0\n  br i1 %c, label %x, label %y\n"
            "x:\n  %p = call ptr @_Znwm(i64 8)\n  br label %z\ny:\n  %q = call ptr @_Znwm(i64 16)\n  br label %z\n"
            "z:\n  %h = phi ptr [ %q, %y ], [ %p, %x ]\n  %e = getelementptr i8, ptr %h, i64 8\n"
            "  store i64 3, ptr %e, align 8\n  ret i64 1": "behind the end of heap 0",
        }.items():
            module = parser.parse(f"define i64 @f(i64 %a) {{\nentry:\n  {text}\n}}\n", "test")
            machine = Machine(module, terms.unknown)
            machine.run("@f", [terms.unknown("a", 64)], State((), {}, {}))
            self.assertEqual(len(machine.faults), 1, text)
            self.assertIn(what, machine.faults[0].what)

    def test_what_is_left_undefined_is_a_fault_where_a_claim_looks_at_it(self) -> None:
        body = "%r = add nuw i64 %a, 1\n  store i64 %r, ptr %out, align 8\n  ret void"
        module = parser.parse(f"define void @f(ptr %out, i64 %a) {{\nentry:\n  {body}\n}}\n", "test")
        for a, offset, when, faults in (
            (5, 0, True, 0),
            (2**64 - 1, 0, True, 1),
            (2**64 - 1, 0, False, 0),
            (5, 8, True, 1),
        ):
            case = Case(module, {"a": a})
            outcome = case.run("f", case.place("out", 16, align=8), case.bits("a", 64))
            case.read(outcome, "out", offset, 8, when)
            self.assertEqual(len(case.machine.faults), faults, (a, offset, when))

    def test_a_loop_that_does_not_end_stops_it(self) -> None:
        text = "define i64 @f(i64 %a) {\nentry:\n  br label %x\nx:\n  br label %x\n}\n"
        with self.assertRaisesRegex(CouldNotRun, "a loop that does not end"):
            Machine(parser.parse(text, "test"), terms.unknown).call("@f", [terms.of(0, 64)], {})


class ForAll:
    """A term of two numbers."""

    def __init__(self, value: terms.Bits) -> None:
        self.value = value

    def __call__(self, a: int, b: int) -> int:
        import z3

        given = sweep.Substitution()
        for name, number in (("a", a), ("b", b)):
            given.add(z3.BitVec(name, 64), z3.BitVecVal(number, 64))
        term = given(self.value.z3)
        for _ in range(10):  # products of what is known now
            for product in list(sweep.products([term])):
                known = sweep.Substitution()
                factors = [product.arg(place).as_long() for place in (0, 1) if z3.is_bv_value(product.arg(place))]
                if len(factors) == 2:
                    known.add(product, z3.BitVecVal(factors[0] * factors[1], product.size()))
                    term = known(term)
        return int(term.as_long())


class ProofTest(support.FolderTest):
    units = compiler.compile_units(3)

    def test_a_wrong_claim_is_refuted_by_an_input(self) -> None:
        """Accepted means 'checksum is 5': shown by a header that is really accepted, under a product or not."""

        def wrong(case: Case) -> None:
            OBLIGATIONS["open-by-copy"].state(case)
            header = case.header()
            case.claim("the checksum is never even", (header["layout_checksum"] & 1).equals(1))

        module = compiler.linked(self.units)
        decision = prove.decide(Obligation("wrong", "wrong", wrong, OBLIGATIONS["open-by-copy"].words), module)
        self.assertEqual(decision.status, prove.REFUTED)
        assert decision.example
        self.assertEqual(decision.example.header[144] % 2, 0)

    def test_every_witness_is_a_header_of_that_kind(self) -> None:
        decision = prove.decide(OBLIGATIONS["open-by-copy"], compiler.linked(self.units))
        self.assertEqual(decision.status, prove.PROVED)
        by_name = {one.text: one.header for one in decision.witnesses}
        self.assertEqual(by_name["accepted"][:8], wire.MAGIC)
        self.assertEqual(by_name["checksum_mismatch"][:12], wire.MAGIC + b"\1\0\0\0")
        self.assertNotEqual(by_name["bad_magic"][:8], wire.MAGIC)
        self.assertEqual(set(by_name), {"accepted", *wire.ERRORS[:5]})

    def test_an_obligation_about_nothing_is_vacuous(self) -> None:
        def nothing(case: Case) -> None:
            case.assume(case.bits("word 0", 64).below(0))
            case.claim("true of nothing", False)
            case.witness("anything", True)

        decision = prove.decide(Obligation("nothing", "", nothing), compiler.linked(self.units))
        self.assertEqual((decision.status, decision.missing), (prove.VACUOUS, ["anything"]))

    def test_a_mutant_is_refuted_and_its_header_is_a_seed(self) -> None:
        mutant = next(one for one in mutants.read_table() if "kBadMagic, kMagicWord, magic" in one.after)
        trial = mutants.attempt(mutant, 3, self.units)
        self.assertEqual((trial.status, trial.by), (prove.REFUTED, "open-by-copy"))
        assert trial.decision and trial.decision.example
        obligation, example = OBLIGATIONS[trial.by], trial.decision.example
        changed = compiler.linked(mutant.compiled(3, self.units))
        case = prove.run_with(obligation, changed, example.values)
        values, header = show.keep(obligation, case, 3, example, self.top / "found")
        self.assertEqual(header.read_bytes(), example.header[: header.stat().st_size])
        kept = show.Kept.read(obligation, values)
        self.assertEqual(kept.level, 3)
        for module, right in ((changed, False), (compiler.linked(self.units), True)):
            self.assertEqual(show.replayed(obligation, module, kept)[0], right)

    def test_every_mutant_can_be_made(self) -> None:
        rows = mutants.read_table()
        self.assertEqual({one.operator for one in rows}, set(mutants.OPERATORS))
        self.assertEqual(len({(one.file, one.before, one.after) for one in rows}), len(rows))
        for one in rows:
            self.assertNotEqual(one.text(), (ROOT / one.file).read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
