// A plain, sequential model of the ten words: what each call must answer and leave behind.
//
// Written from the description of the operations, not from the protocols. Where the writer word is
// 0 or an id, both protocols are the same; outside of that domain they differ, and the model says
// how.

#ifndef FSQLSHM_FUZZ_MODEL_H_
#define FSQLSHM_FUZZ_MODEL_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "fuzz/calls.h"

namespace fsqlshm::fuzz {

/// What a call gave back.
struct Answer {
  enum Kind : std::uint8_t { kNothing, kNone, kFalse, kTrue, kOk, kBusy, kValue, kTriple };
  Kind kind = kNothing;
  std::array<std::uint64_t, 4> values{};
  /// Whether `alive` was asked, and about whom.
  bool asked = false;
  std::uint32_t asked_pid = 0;
  std::uint64_t asked_birth = 0;

  friend bool operator==(const Answer&, const Answer&) = default;
};

[[nodiscard]] std::string describe(const Answer& answer);

enum class Dialect : std::uint8_t { kReference, kHardened };

class Model {
 public:
  Model(Dialect dialect, const State& state) : dialect_(dialect), state_(state) {}

  [[nodiscard]] const State& state() const noexcept { return state_; }
  [[nodiscard]] Answer perform(const Step& step) noexcept;

  /// Whether the writer word is 0 or an id: then both protocols must behave the same.
  [[nodiscard]] bool in_domain() const noexcept;

 private:
  void publish(const Step& step) noexcept;
  [[nodiscard]] Answer alloc() noexcept;
  [[nodiscard]] Answer acquire(const Step& step) noexcept;
  [[nodiscard]] Answer release(const Step& step) noexcept;
  [[nodiscard]] Answer check_exclusion(const Step& step) noexcept;
  void free_writer() noexcept;

  Dialect dialect_;
  State state_;
};

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_MODEL_H_
