// The sequential model against the golden traces, and mutants against the model.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fuzz/model.h"
#include "fuzz/run_calls.h"
#include "fuzz/stats.h"
#include "fuzz/testing/golden.h"
#include "harness/mutants/all.h"

namespace fsqlshm::fuzz {
namespace {

State words_of(Bytes header) {
  State state{};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = wire::get64(header, 24 + 8 * i);
  return state;
}

nlohmann::json as_golden(const Step& step, const Answer& answer) {
  switch (answer.kind) {
    case Answer::kNothing:
    case Answer::kNone:
      return nullptr;
    case Answer::kFalse:
      return false;
    case Answer::kTrue:
      return true;
    case Answer::kOk:
      return "ok";
    case Answer::kBusy:
      return "busy";
    case Answer::kValue:
      return answer.values[0];
    case Answer::kTriple:
      return {answer.values[0], answer.values[1], answer.values[2]};
  }
  return to_string(step.call);
}

TEST(Model, AgreesWithTheGoldenTracesInBothDialects) {
  std::size_t steps = 0;
  for (const auto& trace : golden("traces.jsonl")) {
    const State start = words_of(unhex(trace["initial"]));
    for (const Dialect dialect : {Dialect::kReference, Dialect::kHardened}) {
      Model model(dialect, start);
      for (const auto& op : trace["ops"]) {
        const Step step = golden_step(op);
        const Answer answer = model.perform(step);
        ASSERT_EQ(as_golden(step, answer), op["ret"]) << trace["id"] << " " << describe(step);
        ASSERT_EQ(model.state(), words_of(unhex(op["bytes"]))) << trace["id"] << describe(step);
        ++steps;
      }
    }
  }
  EXPECT_GT(steps, 2000U);
}

TEST(Model, DialectsDifferOnTaggedWords) {
  State state{};
  state[kWriter] = (std::uint64_t{1} << 62) | (std::uint64_t{77} << 40) | 5;  // 77 is claiming
  state[kLease] = 10;
  const Step check = {.call = Call::kCheckExclusion, .dead = Dead::kNone, .a = 100};
  EXPECT_EQ(Model(Dialect::kReference, state).perform(check).kind, Answer::kOk);
  const Answer hardened = Model(Dialect::kHardened, state).perform(check);
  EXPECT_EQ(hardened.kind, Answer::kBusy);
  EXPECT_EQ(hardened.asked_pid, 77U);
}

// --- mutants -------------------------------------------------------------------------------------

template <class Hardened>
std::string attack(int count = 30000) {
  std::vector<std::uint8_t> buffer(kCallsShape.head_size +
                                   kCallsShape.record_size * kCallsShape.max_records);
  std::size_t size = 0;
  const auto keep = [](std::uint8_t*, std::size_t n, std::size_t) { return n; };
  for (int seed = 0; seed < count; ++seed) {
    size = mutate_records(kCallsShape, buffer, size, static_cast<std::uint32_t>(seed), keep);
    const auto failure = run_calls<ReferenceProtocol, Hardened>(Bytes(buffer).first(size));
    if (failure) return failure->property;
  }
  return "";
}

TEST(RunCalls, FindsNothingInTheLibrary) {
  EXPECT_EQ(attack<HardenedProtocol>(), "");
  // A run that never gets there would find nothing either.
  for (const char* name : {"acquired", "released", "busy", "judged_by_life", "odd_reads"}) {
    EXPECT_GT(counter_value(name), 100U) << name;
  }
}

namespace mutants = harness::mutants;

TEST(RunCalls, FindsAReleaseOfAnyOwner) { EXPECT_NE(attack<mutants::ReleasesAnyOwner>(), ""); }
TEST(RunCalls, FindsALeftOverLease) { EXPECT_NE(attack<mutants::LeavesTheLease>(), ""); }
TEST(RunCalls, FindsALeaseThatEndsLate) { EXPECT_NE(attack<mutants::LeaseEndsLate>(), ""); }
TEST(RunCalls, FindsABeginThatClosesAnOpenWindow) {
  EXPECT_NE(attack<mutants::BeginAddsOne>(), "");
}
TEST(RunCalls, FindsAnImpossibleMemoryOrder) {  // undefined behaviour, though every answer is right
  EXPECT_NE(attack<mutants::LoadsWithRelease>().find("a load with a release order"),
            std::string::npos);
}
TEST(RunCalls, FindsAnEndlessLoop) {
  EXPECT_NE(attack<mutants::NeverGivesUp>().find("more steps than any operation needs"),
            std::string::npos);
}

}  // namespace
}  // namespace fsqlshm::fuzz
