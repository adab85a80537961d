#include "fuzz/model.h"

namespace fsqlshm::fuzz {
namespace {

constexpr std::uint64_t kIdLimit = std::uint64_t{1} << 62;  // ids are 1 to this - 1
constexpr std::uint64_t kBirthMark = std::uint64_t{1} << 63;

constexpr std::array<std::string_view, 8> kKinds = {"nothing", "none", "false", "true",
                                                    "ok",      "busy", "value", "triple"};

}  // namespace

std::string describe(const Answer& answer) {
  std::string text(kKinds[answer.kind]);
  if (answer.kind == Answer::kValue || answer.kind == Answer::kTriple) {
    for (const std::uint64_t value : answer.values) text += " " + std::to_string(value);
  }
  if (answer.asked) {
    text += ", asked whether pid " + std::to_string(answer.asked_pid) + " with birth " +
            std::to_string(answer.asked_birth) + " lives";
  }
  return text;
}

bool Model::in_domain() const noexcept { return state_[kWriter] < kIdLimit; }

void Model::free_writer() noexcept {
  state_[kWriter] = 0;
  state_[kPidGen] = 0;
  state_[kBirth] = 0;
  state_[kLease] = 0;
}

void Model::publish(const Step& step) noexcept {
  if (state_[kSeq] % 2 == 0) ++state_[kSeq];
  state_[kCommit] = step.a;
  state_[kSchema] = step.b;
  state_[kEcs] = step.c;
  ++state_[kSeq];
}

Answer Model::alloc() noexcept {
  const std::uint64_t next = state_[kNextId];
  if (next >= kIdLimit) return {.kind = Answer::kNone};
  ++state_[kNextId];
  if (next == 0) return {.kind = Answer::kNone};
  return {.kind = Answer::kValue, .values = {next}};
}

Answer Model::acquire(const Step& step) noexcept {
  if (state_[kWriter] != 0) return {.kind = Answer::kFalse};
  const std::uint64_t generation = ((state_[kPidGen] >> 32) + 1) % (std::uint64_t{1} << 32);
  state_[kWriter] = step.a;
  state_[kPidGen] = step.pid + (generation << 32);
  state_[kBirth] = step.b;
  state_[kLease] = step.c;
  return {.kind = Answer::kTrue};
}

Answer Model::release(const Step& step) noexcept {
  if (state_[kWriter] != step.a) return {.kind = Answer::kFalse};
  free_writer();
  return {.kind = Answer::kTrue};
}

Answer Model::check_exclusion(const Step& step) noexcept {
  Answer answer;
  // Dead only if both are known and the answer is no.
  const auto dead = [&](std::uint32_t pid, std::uint64_t birth) {
    if (pid == 0 || birth == 0) return false;
    answer.asked = true;
    answer.asked_pid = pid;
    answer.asked_birth = birth;
    return !step.alive(pid);
  };

  const std::uint64_t writer = state_[kWriter];
  const std::uint64_t tag = writer >> 62;
  bool stale = false;
  answer.kind = Answer::kBusy;  // unless it is stale
  if (writer == 0) {
    answer.kind = Answer::kOk;
    return answer;
  }
  if (dialect_ == Dialect::kHardened && (tag == 1 || tag == 2)) {
    // Claiming or cleaning by the process in the payload: 22 bits of pid, 40 of start time.
    const auto pid = static_cast<std::uint32_t>((writer >> 40) & 0x3fffff);
    const std::uint64_t ticks = writer & 0xffffffffff;
    stale = dead(pid, kBirthMark | ticks);
    if (tag == 2) answer.kind = Answer::kOk;  // a release under way excludes no one
  } else if (state_[kLease] != 0) {
    stale = step.a >= state_[kLease];
  } else {
    stale = dead(static_cast<std::uint32_t>(state_[kPidGen] & 0xffffffff), state_[kBirth]);
  }
  if (stale) {
    free_writer();
    answer.kind = Answer::kOk;
  }
  return answer;
}

Answer Model::perform(const Step& step) noexcept {
  switch (step.call) {
    case Call::kAlloc:
      return alloc();
    case Call::kPublish:
    case Call::kReconcile:
      publish(step);
      return {};
    case Call::kBegin:
      state_[kSeq] |= 1;
      return {};
    case Call::kEnd:
      ++state_[kSeq];
      return {};
    case Call::kLoad:
    case Call::kTryLoad:
      if (state_[kSeq] % 2 != 0) return {.kind = Answer::kNone};
      return {.kind = Answer::kTriple, .values = {state_[kCommit], state_[kSchema], state_[kEcs]}};
    case Call::kAcquire:
      return acquire(step);
    case Call::kRelease:
      return release(step);
    case Call::kCheck:
      if (state_[kWriter] == 0 || !in_domain()) return {.kind = Answer::kNone};
      return {.kind = Answer::kValue, .values = {state_[kWriter]}};
    case Call::kCheckExclusion:
      return check_exclusion(step);
    case Call::kStoreGcHorizon:
      state_[kGc] = step.a;
      return {};
    case Call::kLoadCounters:
      return {.kind = Answer::kValue,
              .values = {state_[kCommit], state_[kSchema], state_[kEcs], state_[kGc]}};
  }
  return {};
}

}  // namespace fsqlshm::fuzz
