#include "background.h"

#include <fmt/format.h>
#include <sched.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "fsqlshm/words.h"

namespace fsqlshm::bench {
namespace {

using namespace std::chrono_literals;

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace

const std::vector<int>& allowed_cpus() {
  static const std::vector<int> kCpus = [] {
    std::vector<int> list;
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof(set), &set);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) list.push_back(cpu);
    }
    if (list.empty()) list.push_back(0);
    return list;
  }();
  return kCpus;
}

bool pin_to(int cpu) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return ::sched_setaffinity(0, sizeof(set), &set) == 0;
}

int reader_cpu(std::size_t i) { return allowed_cpus()[i % allowed_cpus().size()]; }
int publisher_cpu() { return allowed_cpus().back(); }

std::string rate_name(double per_second) {
  if (per_second == kSaturating) return "saturating";
  if (per_second >= 1e6 && std::fmod(per_second, 1e6) == 0) {
    return fmt::format("{:.0f}M", per_second / 1e6);
  }
  if (per_second >= 1e3 && std::fmod(per_second, 1e3) == 0) {
    return fmt::format("{:.0f}k", per_second / 1e3);
  }
  return fmt::format("{:g}", per_second);
}

double parse_rate(const std::string& text) {
  if (text == "saturating") return kSaturating;
  double scale = 1;
  std::string_view digits = text;
  if (digits.ends_with('k')) scale = 1e3;
  if (digits.ends_with('M')) scale = 1e6;
  if (scale != 1) digits.remove_suffix(1);
  double rate = -1;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), rate);
  const bool good = error == std::errc() && end == digits.end() && rate >= 0 && rate <= 1e9;
  return good ? rate * scale : -1;
}

Pacer::Pacer(double per_second) : saturating_(per_second == kSaturating), due_(Clock::now()) {
  if (!saturating_) {
    interval_ =
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1) / per_second);
  }
}

bool Pacer::wait(const std::atomic<bool>& stop) {
  // Late wake-ups are some 60 us, so the last 100 us are waited for on the processor.
  constexpr auto kSpin = 100us;
  if (saturating_) return !stop.load(std::memory_order::relaxed);
  auto now = Clock::now();
  if (now - due_ > kMaxLag) due_ = now;
  while (now < due_) {
    if (stop.load(std::memory_order::relaxed)) return false;
    if (due_ - now > 2 * kSpin) {
      // At most 10 ms, to notice a stop.
      std::this_thread::sleep_for(std::min<Clock::duration>(due_ - now - kSpin, 10ms));
    } else {
      cpu_pause();
    }
    now = Clock::now();
  }
  due_ += interval_;
  return !stop.load(std::memory_order::relaxed);
}

Background::Background(Where where, int cpu, double per_second,
                       std::function<void(std::uint64_t)> step) {
  if (where == Where::kThread) {
    thread_ = std::thread(
        [this, cpu, per_second, step = std::move(step)] { run(cpu, per_second, step); });
  } else {
    child_ = harness::Child([this, cpu, per_second, &step] {
      run(cpu, per_second, step);
      return 0;
    });
  }
  while (steps() == 0) {
    if (child_.here() && child_.poll().over()) {
      throw std::system_error(ECHILD, std::generic_category(), "a background process ended early");
    }
    std::this_thread::sleep_for(50us);
  }
}

Background::~Background() { stop(); }

void Background::run(int cpu, double per_second, const std::function<void(std::uint64_t)>& step) {
  pin_to(cpu);
  Pacer pacer(per_second);
  std::uint64_t n = 0;
  while (pacer.wait(control_->stop)) {
    step(++n);
    if (n == 1) control_->first_ns.store(now_ns(), std::memory_order::relaxed);
    control_->steps.store(n, std::memory_order::release);
  }
  control_->last_ns.store(now_ns(), std::memory_order::relaxed);
}

void Background::stop() {
  control_->stop.store(true, std::memory_order::relaxed);
  if (thread_.joinable()) thread_.join();
  if (child_.here()) child_.wait_for(10s);
  child_.end();
}

std::uint64_t Background::steps() const noexcept {
  return control_->steps.load(std::memory_order::acquire);
}

double Background::rate() const noexcept {
  const auto ns = static_cast<double>(control_->last_ns.load() - control_->first_ns.load());
  return ns > 0 ? static_cast<double>(steps() - 1) * 1e9 / ns : 0;
}

}  // namespace fsqlshm::bench
