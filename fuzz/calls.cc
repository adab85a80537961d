#include "fuzz/calls.h"

#include <algorithm>
#include <bit>

namespace fsqlshm::fuzz {
namespace {

constexpr std::uint8_t kInPlace = 0x51;  // of half of the first byte

// A call, and what its arguments are, if it has any.
struct CallText {
  std::string_view name;
  std::string_view a{};
  std::string_view b{};
  std::string_view c{};
};
constexpr std::array<CallText, kCalls> kCallTexts = {{
    {"alloc_txn_id"},
    {"publish_snapshot", "commit", "schema", "ecs"},
    {"begin_snapshot_publish"},
    {"end_snapshot_publish"},
    {"load_consistent_snapshot"},
    {"try_load_consistent_snapshot", "attempts"},
    {"reconcile", "commit", "schema", "ecs"},
    {"acquire_serialized_writer", "id", "birth", "lease"},
    {"release_serialized_writer", "id"},
    {"check_serialized_writer"},
    {"check_serialized_writer_exclusion", "now"},
    {"store_gc_horizon", "horizon"},
    {"load counters"},
}};

// Where an argument comes from. Random 64-bit values would hardly ever name the current owner.
std::uint64_t argument(std::uint8_t source, std::uint64_t raw, const State& state) noexcept {
  switch (source % 8) {
    case 1:
      return raw & 0xff;
    case 2:
      return state[kWriter];
    case 3:
      return state[kLease];
    case 4:
      return state[kLease] - 1;
    case 5:
      return state[kNextId];
    case 6:
      return state[kBirth];
    case 7:
      return raw | (std::uint64_t{1} << 63);
    default:
      return raw;
  }
}

}  // namespace

std::string_view to_string(Call call) noexcept {
  return kCallTexts[static_cast<std::size_t>(call)].name;
}

bool Step::alive(std::uint32_t asked) const noexcept {
  switch (dead) {
    case Dead::kNone:
      return true;
    case Dead::kAll:
      return false;
    case Dead::kThatPid:
      return asked != pid;
    case Dead::kEvenPids:
      return asked % 2 != 0;
  }
  return true;
}

StartState decode_head(Bytes input) noexcept {
  std::array<std::uint8_t, 88> bytes{};
  std::copy_n(input.begin(), std::min(input.size(), bytes.size()), bytes.begin());
  StartState head;
  head.from_words = (bytes[0] & 1) != 0;
  head.in_place = bytes[0] / 2 == kInPlace;
  head.page_size = std::uint32_t{512} << (bytes[1] % 8);
  head.slots = bytes[2];
  head.self_pid = wire::get32(bytes, 4);
  for (std::size_t i = 0; i < head.words.size(); ++i) head.words[i] = wire::get64(bytes, 8 + 8 * i);
  return head;
}

std::size_t step_count(Bytes input) noexcept {
  if (input.size() < kCallsShape.head_size) return 0;
  return std::min((input.size() - kCallsShape.head_size) / kCallsShape.record_size,
                  kCallsShape.max_records);
}

Step decode_step(Bytes input, std::size_t index, const State& state) noexcept {
  const Bytes record = input.subspan(kCallsShape.head_size + index * kCallsShape.record_size,
                                     kCallsShape.record_size);
  Step step;
  step.call = static_cast<Call>(record[0] % kCalls);
  step.dead = static_cast<Dead>(record[3] >> 6);
  step.pid = wire::get32(record, 4);
  step.a = argument(record[1], wire::get64(record, 8), state);
  step.b = argument(record[2], wire::get64(record, 16), state);
  step.c = argument(record[3], wire::get64(record, 24), state);
  return step;
}

std::string describe(const Step& step) {
  const CallText& call = kCallTexts[static_cast<std::size_t>(step.call)];
  std::string text;
  const auto add = [&](std::string_view name, std::uint64_t value) {
    if (name.empty()) return;
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(value);
  };
  add(call.a, step.a);
  if (step.call == Call::kAcquire) add("pid", step.pid);
  add(call.b, step.b);
  add(call.c, step.c);
  if (step.call == Call::kCheckExclusion) {
    constexpr std::array<std::string_view, 4> kDead = {"no process", "every process",
                                                       "that process", "even pids"};
    text += ", dead: " + std::string(kDead[static_cast<std::size_t>(step.dead)]);
    if (step.dead == Dead::kThatPid) add("pid", step.pid);
  }
  return std::string(call.name) + "(" + text + ")";
}

std::vector<Unit> call_units(Bytes input) {
  static constexpr Fields kHead[] = {{"flags"},      {"page size"},
                                     {"slots"},      {"unused"},
                                     {"own pid", 4}, {"start word", 8, wire::kAtomicWords}};
  static constexpr Fields kRecord[] = {{"call"}, {"source", 1, 3}, {"pid", 4}, {"argument", 8, 3}};
  return units_of(input, kHead, kRecord);
}

}  // namespace fsqlshm::fuzz
