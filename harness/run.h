// How a long run reports on itself, stops and is split over machines.

#ifndef FSQLSHM_HARNESS_RUN_H_
#define FSQLSHM_HARNESS_RUN_H_

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace fsqlshm::harness {

/// Makes SIGINT and SIGTERM set a flag instead of ending the program: a run that is interrupted
/// still reports what it did. A second signal ends the program at once.
void install_stop_handler();

/// Whether such a signal came.
[[nodiscard]] bool stop_requested() noexcept;

/// Part `index` (1 to `count`) of a run that is split over `count` machines.
struct Shard {
  std::uint64_t index = 1;
  std::uint64_t count = 1;

  /// Parses "I/N" with 1 <= I <= N. The error is a sentence for a person.
  [[nodiscard]] static std::expected<Shard, std::string> parse(std::string_view text);

  /// This part's half-open range [first, second) of `total` items: contiguous, and the parts of
  /// all shards together are all items.
  struct Range {
    std::uint64_t first;
    std::uint64_t last;
  };
  [[nodiscard]] Range range(std::uint64_t total) const noexcept;
};

/// A progress line on standard error: redrawn on a terminal, a new line every ten seconds
/// elsewhere.
class Progress {
 public:
  /// `budget` of zero: no time limit, so no time left is shown.
  Progress(std::string name, std::chrono::duration<double> budget, bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Cheap enough to call often; prints at most twice a second on a terminal.
  void update(std::string_view text);

  /// Seconds since construction.
  [[nodiscard]] double elapsed() const;

 private:
  std::string name_;
  std::chrono::duration<double> budget_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_;
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
};

/// 1234567 as "1.23 M".
[[nodiscard]] std::string human(double count);

/// `word` as a shell reads it as one word: in quotes, if it has to be.
[[nodiscard]] std::string quoted(const std::string& word);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_RUN_H_
