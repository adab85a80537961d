#include "timed_reads.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace fsqlshm::bench {
namespace {

double ns_per_tick() {
  static const double kMeasured = Timer::ns_per_tick();
  return kMeasured;
}

}  // namespace

void TimedReads::report(benchmark::State& state) const {
  const auto count = [&](const char* name, auto value) {
    state.counters[name] = static_cast<double>(value);
  };
  for (const double percentile : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    state.counters[fmt::format("p{:g}", percentile)] =
        static_cast<double>(ticks_.at_percentile(percentile)) * ns_per_tick();
  }
  count("max", static_cast<double>(ticks_.max()) * ns_per_tick());
  count("mean", ticks_.mean() * ns_per_tick());
  count("reads", ticks_.total());
  count("retries", retries_);
  count("retries_max", most_retries_);
  count("torn", torn_);
}

std::shared_ptr<KeptTimes> KeptTimes::make(const std::string& folder, std::string_view subject,
                                           Where where, double rate) {
  return std::make_shared<KeptTimes>(
      folder.empty()
          ? ""
          : fmt::format("{}/{}-{}-{}.hgrm", folder, subject, where_name(where), rate_name(rate)));
}

void KeptTimes::add(const TimedReads& reads) {
  if (path_.empty()) return;
  all_.add(reads.ticks());
  const std::string text = all_.hgrm(ns_per_tick());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.c_str(), "w"),
                                                             std::fclose);
  if (!file || std::fputs(text.c_str(), file.get()) < 0 || std::fflush(file.get()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot write " + path_);
  }
}

}  // namespace fsqlshm::bench
