#include "fuzz/run_calls.h"

#include <algorithm>

#include "fuzz/stats.h"
#include "harness/describe.h"

namespace fsqlshm::fuzz {
namespace {

std::string word_name(std::size_t index) { return std::string(field_name(kAtomicFields[index])); }

std::string word_text(std::size_t index, std::uint64_t value) {
  return harness::describe(kAtomicFields[index], value).str();
}

}  // namespace

void count_step(const Step& step, const Answer& answer) noexcept {
  static Counter calls("calls");
  static Counter acquired("acquired");
  static Counter released("released");
  static Counter busy("busy");
  static Counter judged_by_life("judged_by_life");
  static Counter odd_reads("odd_reads");
  static Counter ids_used_up("ids_used_up");
  calls.add();
  judged_by_life.add(answer.asked);
  busy.add(answer.kind == Answer::kBusy);
  if (answer.kind == Answer::kTrue) (step.call == Call::kAcquire ? acquired : released).add();
  if (answer.kind != Answer::kNone) return;
  odd_reads.add(step.call == Call::kLoad || step.call == Call::kTryLoad);
  ids_used_up.add(step.call == Call::kAlloc);
}

Failure step_failure(std::string_view protocol, const Step& step, std::size_t index,
                     std::string_view what, const std::string& detail) {
  return {.property = std::string(protocol) + ": " + std::string(to_string(step.call)) + ": " +
                      std::string(what),
          .detail = "at call " + std::to_string(index) + ", " + describe(step) +
                    (detail.empty() ? "" : "\n" + detail)};
}

std::optional<Failure> compare_step(std::string_view protocol, const Step& step, std::size_t index,
                                    const Answer& expected, const Answer& found,
                                    const State& expected_state, const State& found_state) {
  if (expected != found) {
    return step_failure(protocol, step, index, "wrong answer",
                        "expected " + describe(expected) + "\nfound    " + describe(found));
  }
  for (std::size_t i = 0; i < expected_state.size(); ++i) {
    if (expected_state[i] == found_state[i]) continue;
    return step_failure(
        protocol, step, index, "wrong " + word_name(i),
        "expected " + word_text(i, expected_state[i]) + ", found " + word_text(i, found_state[i]));
  }
  return std::nullopt;
}

std::array<std::uint8_t, wire::kSize> header_with(std::array<std::uint8_t, wire::kSize> header,
                                                  const State& state) noexcept {
  for (std::size_t i = 0; i < state.size(); ++i) {
    wire::put64(header, wire::kFirstAtomic + 8 * i, state[i]);
  }
  return header;
}

std::optional<Failure> compare_bytes(std::string_view protocol,
                                     const std::array<std::uint8_t, 216>& expected,
                                     const HeaderBytes& found) {
  if (std::memcmp(expected.data(), found.data(), expected.size()) == 0) return std::nullopt;
  for (const wire::FieldInfo& field : wire::kTable) {
    if (std::memcmp(expected.data() + field.offset, found.data() + field.offset, field.size) != 0) {
      return Failure{.property = std::string(protocol) + ": to_bytes differs in " +
                                 std::string(field.name)};
    }
  }
  return std::nullopt;
}

std::optional<Failure> check_id(std::uint64_t raw) {
  const bool expected = raw >= 1 && raw < (std::uint64_t{1} << 62);
  const auto id = TxnId::from_raw(raw);
  const bool right =
      id ? expected && id->get() == raw
         : !expected && id.error() == ShmErrorCode::kTxnIdOutOfDomain &&
               id.error().found() == raw &&
               (raw % 64 != 0 || (to_string(id.error().code()) == "txn_id_out_of_domain" &&
                                  id.error().message().contains(std::to_string(raw))));
  if (right) return std::nullopt;
  return Failure{.property = "TxnId: wrong about its domain", .detail = std::to_string(raw)};
}

std::string explain_calls(Bytes input) {
  const StartState head = decode_head(input);
  State state{};
  state[kNextId] = 1;
  if (head.from_words) state = head.words;
  std::string text;
  for (std::size_t i = 0; head.from_words && i < state.size(); ++i) {
    text += "start: " + word_name(i) + " = " + word_text(i, state[i]) + "\n";
  }
  Model model(Dialect::kReference, state);
  for (std::size_t i = 0; i < step_count(input); ++i) {
    const Step step = decode_step(input, i, model.state());
    text += std::to_string(i) + ": " + describe(step);
    if ((step.call == Call::kAcquire || step.call == Call::kRelease) &&
        (step.a == 0 || step.a >= (std::uint64_t{1} << 62))) {
      text += " skipped, that is no id\n";
      continue;
    }
    const Answer answer = model.perform(step);
    if (answer.kind != Answer::kNothing) text += " expects " + describe(answer);
    text += "\n";
  }
  return text;
}

}  // namespace fsqlshm::fuzz
