#include "harness/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace fsqlshm::harness {
namespace {

volatile std::sig_atomic_t g_stop = 0;

extern "C" void on_stop_signal(int) { g_stop = 1; }

bool parse_number(std::string_view text, std::uint64_t& out) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, out);
  return error == std::errc() && stop == end;
}

// Whether standard error is a terminal that can go back to the start of its line.
bool can_redraw() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here changes the environment
  const char* const term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

void install_stop_handler() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second signal has its default effect
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() noexcept { return g_stop != 0; }

std::expected<Shard, std::string> Shard::parse(std::string_view text) {
  Shard shard;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !parse_number(text.substr(0, slash), shard.index) ||
      !parse_number(text.substr(slash + 1), shard.count) || shard.index < 1 ||
      shard.index > shard.count) {
    return std::unexpected(
        fmt::format("shard \"{}\": expected I/N with 1 <= I <= N, for example 2/8", text));
  }
  return shard;
}

Shard::Range Shard::range(std::uint64_t total) const noexcept {
  // The first `total % count` shards get one item more; no product that could overflow.
  const std::uint64_t each = total / count;
  const std::uint64_t extra = total % count;
  const auto start = [&](std::uint64_t i) { return i * each + (i < extra ? i : extra); };
  return {.first = start(index - 1), .last = start(index)};
}

Progress::Progress(std::string name, std::chrono::duration<double> budget, bool quiet)
    : name_(std::move(name)),
      budget_(budget),
      next_(start_),
      quiet_(quiet),
      terminal_(can_redraw()) {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputs("\r\x1b[K", stderr);
}

void Progress::update(std::string_view text) {
  const auto now = std::chrono::steady_clock::now();
  if (quiet_ || now < next_) return;
  next_ = now + (terminal_ ? std::chrono::milliseconds(500) : std::chrono::milliseconds(10000));
  std::string line = fmt::format("{}: {:.0f} s", name_, elapsed());
  if (budget_.count() > 0) {
    line += fmt::format(", {:.0f} s left", std::max(0.0, budget_.count() - elapsed()));
  }
  fmt::print(stderr, "{}{}, {}{}", terminal_ ? "\r\x1b[K" : "", line, text, terminal_ ? "" : "\n");
  std::fflush(stderr);
  drawn_ = true;
}

double Progress::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::string human(double count) {
  constexpr std::array<std::pair<double, const char*>, 3> kUnits = {
      {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}}};
  for (const auto& [scale, unit] : kUnits) {
    if (count >= scale) return fmt::format("{:.3g}{}", count / scale, unit);
  }
  return fmt::format("{:.3g}", count);
}

std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace fsqlshm::harness
