#include "stress/verification.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "harness/run.h"
#include "stress/runner.h"

namespace fsqlshm::stress {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// Reads a second of all readers; none if the run was no good, and then `result` says why.
std::optional<double> reads_per_second(const Setting& setting, const VerificationConfig& config,
                                       std::uint64_t round, bool checked, harness::Result& result) {
  RunConfig run = {.workers = 1, .seconds = config.seconds, .dir = setting.dir, .quiet = true};
  run.kill = run.exec = run.stop = false;
  run.worker.seed = setting.seed + round;
  run.worker.perturb = 0;
  run.worker.check_reads = checked;
  run.worker.only({{"publisher", 1}, {"reader", config.readers}});
  harness::Result one("stress", "hardened");
  run_stress(run, one);
  std::ranges::move(one.findings, std::back_inserter(result.findings));
  if (one.could_not_run) result.could_not_run = std::move(one.could_not_run);
  if (result.could_not_run || !result.findings.empty()) return std::nullopt;
  const auto reads = one.counts["snapshot_reads"].get<std::uint64_t>();
  if (checked) {
    result.counts["snapshot_reads"] =
        result.counts.value("snapshot_reads", std::uint64_t{0}) + reads;
  }
  return static_cast<double>(reads) / one.details["run_seconds"].get<double>();
}

}  // namespace

void run_verification(const Setting& setting, const VerificationConfig& config,
                      harness::Result& result) {
  harness::Progress progress(
      "verification",
      std::chrono::duration<double>(2 * config.seconds * static_cast<double>(config.rounds)),
      setting.quiet);
  std::vector<double> checked;
  std::vector<double> bare;
  std::vector<double> cost_ns;
  const auto ns = [&](double rate) { return 1e9 * config.readers / rate; };
  for (std::uint64_t round = 0; round < config.rounds; ++round) {
    progress.update(fmt::format("round {} of {}", round + 1, config.rounds));
    const auto with = reads_per_second(setting, config, round, true, result);
    const auto without =
        with ? reads_per_second(setting, config, round, false, result) : std::nullopt;
    if (!without) return;
    checked.push_back(*with);
    bare.push_back(*without);
    cost_ns.push_back(ns(*with) - ns(*without));
  }
  result.details["verification"] = {
      {"readers", config.readers},       {"checked_per_second", median(checked)},
      {"bare_per_second", median(bare)}, {"checked_ns", ns(median(checked))},
      {"bare_ns", ns(median(bare))},     {"cost_ns", median(cost_ns)}};
  result.headline = fmt::format("{}/s checked, {}/s bare", harness::human(median(checked)),
                                harness::human(median(bare)));
  fmt::print(
      "{} readers, one publisher at 10,000 publishes a second, medians of {} rounds:\n"
      "checked {}/s, bare {}/s; a read {:.2f} ns checked, {:.2f} ns bare, {:.2f} ns more\n",
      config.readers, config.rounds, harness::human(median(checked)), harness::human(median(bare)),
      ns(median(checked)), ns(median(bare)), median(cost_ns));
}

}  // namespace fsqlshm::stress
