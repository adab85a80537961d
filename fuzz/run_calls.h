// Runs a list of calls on both protocols and compares every step with the model.

#ifndef FSQLSHM_FUZZ_RUN_CALLS_H_
#define FSQLSHM_FUZZ_RUN_CALLS_H_

#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>

#include "fsqlshm/shared_memory_layout.h"
#include "fuzz/calls.h"
#include "fuzz/model.h"
#include "fuzz/target.h"
#include "harness/intercepted_words.h"
#include "harness/plain_words.h"

namespace fsqlshm::fuzz {

/// try_load's number of attempts: small, since every one is made when the number is odd.
[[nodiscard]] inline std::uint64_t attempts_of(const Step& step) noexcept { return step.a % 64; }

[[nodiscard]] inline Answer answer_of(bool yes) {
  return {.kind = yes ? Answer::kTrue : Answer::kFalse};
}
[[nodiscard]] inline Answer answer_of(const std::optional<TxnId>& id) {
  if (!id) return {.kind = Answer::kNone};
  return {.kind = Answer::kValue, .values = {id->get()}};
}
[[nodiscard]] inline Answer answer_of(const std::optional<ShmSnapshot>& snapshot) {
  if (!snapshot) return {.kind = Answer::kNone};
  return {
      .kind = Answer::kTriple,
      .values = {snapshot->commit_seq.get(), snapshot->schema_epoch.get(), snapshot->ecs_epoch}};
}

/// Performs one call on a layout. `id` is the step's `a` as an id, for the calls that take one.
template <class Layout>
[[nodiscard]] Answer perform(Layout& layout, const Step& step, std::optional<TxnId> id) {
  switch (step.call) {
    case Call::kAlloc:
      return answer_of(layout.alloc_txn_id());
    case Call::kPublish:
      layout.publish_snapshot(CommitSeq(step.a), SchemaEpoch(step.b), step.c);
      return {};
    case Call::kReconcile:
      layout.reconcile(CommitSeq(step.a), SchemaEpoch(step.b), step.c);
      return {};
    case Call::kBegin:
      layout.begin_snapshot_publish();
      return {};
    case Call::kEnd:
      layout.end_snapshot_publish();
      return {};
    case Call::kLoad:
      // On an odd number the unbounded load would rightly wait forever.
      if (layout.words().load(Field::kSnapshotSeq, std::memory_order::relaxed) % 2 == 0) {
        return answer_of(layout.load_consistent_snapshot());
      }
      [[fallthrough]];
    case Call::kTryLoad:
      return answer_of(layout.try_load_consistent_snapshot(attempts_of(step)));
    case Call::kAcquire:
      return answer_of(layout.acquire_serialized_writer(*id, step.pid, step.b, step.c));
    case Call::kRelease:
      return answer_of(layout.release_serialized_writer(*id));
    case Call::kCheck:
      return answer_of(layout.check_serialized_writer());
    case Call::kCheckExclusion: {
      Answer answer;
      const Exclusion exclusion = layout.check_serialized_writer_exclusion(
          step.a, [&](std::uint32_t pid, std::uint64_t birth) {
            answer.asked = true;
            answer.asked_pid = pid;
            answer.asked_birth = birth;
            return step.alive(pid);
          });
      answer.kind = exclusion == Exclusion::kOk ? Answer::kOk : Answer::kBusy;
      return answer;
    }
    case Call::kStoreGcHorizon:
      layout.store_gc_horizon(CommitSeq(step.a));
      return {};
    case Call::kLoadCounters:
      return {.kind = Answer::kValue,
              .values = {layout.load_commit_seq().get(), layout.load_schema_epoch().get(),
                         layout.load_ecs_epoch(), layout.load_gc_horizon().get()}};
  }
  return {};
}

/// Counts what the calls reached.
void count_step(const Step& step, const Answer& answer) noexcept;

/// What a comparison of a call reports: of which protocol, and where.
[[nodiscard]] Failure step_failure(std::string_view protocol, const Step& step, std::size_t index,
                                   std::string_view what, const std::string& detail);
[[nodiscard]] std::optional<Failure> compare_step(std::string_view protocol, const Step& step,
                                                  std::size_t index, const Answer& expected,
                                                  const Answer& found, const State& expected_state,
                                                  const State& found_state);
/// `header` with `state` in it.
[[nodiscard]] std::array<std::uint8_t, wire::kSize> header_with(
    std::array<std::uint8_t, wire::kSize> header, const State& state) noexcept;
[[nodiscard]] std::optional<Failure> compare_bytes(std::string_view protocol,
                                                   const std::array<std::uint8_t, 216>& expected,
                                                   const HeaderBytes& found);

/// Ids outside of 1 to 2^62-1 cannot be made; nullopt if `raw` is one and TxnId agrees.
[[nodiscard]] std::optional<Failure> check_id(std::uint64_t raw);

/// Compared in one piece: a loop would be instrumented element by element.
template <class T>
[[nodiscard]] bool differ(const T& a, const T& b) noexcept {
  static_assert(std::has_unique_object_representations_v<T>);
  return std::memcmp(&a, &b, sizeof(T)) != 0;
}

/// Thrown out of an operation that does what no operation may.
struct Misuse {
  const char* what;
  std::source_location where;
};

/// Counts the atomic steps of an operation, and refuses impossible memory orders. Inline: where the
/// orders are constants nothing of the second is left, else the engine traces each comparison.
struct StepGuard {
  /// No operation needs nearly as many when nothing interferes.
  static constexpr int kStepLimit = 600;
  int steps = 0;

  [[gnu::always_inline]] void before(const harness::AtomicStep& step) {
    count(step.where);
    if (harness::legal_orders(step)) return;
    throw Misuse{step.access == harness::Access::kLoad    ? "a load with a release order"
                 : step.access == harness::Access::kStore ? "a store with an acquire order"
                                                          : "a failure with a release order",
                 step.where};
  }
  void paused() { count(std::source_location::current()); }
  void count(std::source_location where) {
    if (++steps > kStepLimit) throw Misuse{"more steps than any operation needs", where};
  }
};

/// One protocol, and its model.
template <class Protocol>
class Checked {
 public:
  Checked(Dialect dialect, const Geometry& geometry, const State& state, std::uint32_t self_pid)
      : model_(dialect, state),
        layout_(geometry, harness::PlainWords(state, {self_pid, kKnownBirth | 1})) {}

  [[nodiscard]] const Model& model() const noexcept { return model_; }
  [[nodiscard]] const State& state() const noexcept { return layout_.words().base().values(); }
  [[nodiscard]] HeaderBytes to_bytes() { return layout_.to_bytes(); }

  std::optional<Failure> step(const Step& step, std::optional<TxnId> id, std::size_t index) {
    layout_.words().interceptor().steps = 0;
    Answer found;
    try {
      found = perform(layout_, step, id);
    } catch (const Misuse& misuse) {
      return step_failure(
          Protocol::kName, step, index, misuse.what,
          std::string(misuse.where.file_name()) + ":" + std::to_string(misuse.where.line()));
    }
    const Answer expected = model_.perform(step);
    count_step(step, expected);
    return compare_step(Protocol::kName, step, index, expected, found, model_.state(), state());
  }

 private:
  Model model_;
  BasicSharedMemoryLayout<harness::InterceptedWords<harness::PlainWords, StepGuard>, Protocol>
      layout_;
};

template <class Reference, class Hardened>
std::optional<Failure> run_calls(Bytes input) {
  const StartState head = decode_head(input);
  const auto page_size = PageSize::from_raw(head.page_size);
  const OwnedSharedMemoryLayout<Hardened> created(*page_size, head.slots);
  State fresh{};
  fresh[kNextId] = 1;
  const auto header = wire::fresh_header(head.page_size, head.slots == 0 ? 128 : head.slots);
  if (auto failure = compare_bytes("creation", header, created.to_bytes())) return failure;

  const State start = head.from_words ? head.words : fresh;
  Checked<Reference> reference(Dialect::kReference, created.geometry(), start, head.self_pid);
  Checked<Hardened> hardened(Dialect::kHardened, created.geometry(), start, head.self_pid);
  const bool start_in_domain = reference.model().in_domain();
  // The shipped combination: the real atomics, in place.
  alignas(8) auto bytes = header_with(header, start);
  auto in_place =
      InPlaceSharedMemoryLayout<Hardened>::open(std::as_writable_bytes(std::span(bytes)));
  if (!in_place) {
    return Failure{.property = "open in place: refused a fresh header",
                   .detail = in_place.error().message()};
  }

  const std::size_t count = step_count(input);
  for (std::size_t i = 0; i < count; ++i) {
    const Step step = decode_step(input, i, reference.model().state());
    std::optional<TxnId> id;
    if (step.call == Call::kAcquire || step.call == Call::kRelease) {
      if (auto failure = check_id(step.a)) return failure;
      const auto made = TxnId::from_raw(step.a);
      if (!made) continue;
      id = *made;
    }
    if (auto failure = reference.step(step, id, i)) return failure;
    if (auto failure = hardened.step(step, id, i)) return failure;
    if (start_in_domain && differ(reference.state(), hardened.state())) {
      return step_failure("both protocols", step, i, "they differ on a header in the domain", "");
    }
    if (head.in_place) {
      static_cast<void>(perform(*in_place, step, id));
      if (differ(in_place->to_bytes(), hardened.to_bytes())) {
        return step_failure("in place", step, i, "real atomics leave other bytes", "");
      }
    }
  }
  if (auto failure = compare_bytes("reference", header_with(header, reference.model().state()),
                                   reference.to_bytes())) {
    return failure;
  }
  return compare_bytes("hardened", header_with(header, hardened.model().state()),
                       hardened.to_bytes());
}

/// The calls and their answers, for a person.
[[nodiscard]] std::string explain_calls(Bytes input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_RUN_CALLS_H_
