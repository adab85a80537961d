// fsqlshm-tails: the time of every single read, and what its tail looks like while a publisher
// runs beside it. Every triple is checked, so this is also a test: a torn read is a finding.
//
// `details` of its result document:
//   context  as in fsqlshm-bench
//   timer    {ns_per_tick, step_ticks: the smallest difference of durations that it shows}
//   tails    list of {subject, rate, where, racy, runs: [{reads, torn, publishes_per_second, ns:
//            {p50, p90, p99, p99.9, p99.99, max, mean}, retries: {the same, total}}]}.
// The subject "timer" reads nothing: it is what the clock costs, contained in all other figures.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "comparators/all.h"
#include "context.h"
#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "mapping.h"
#include "publisher.h"
#include "recorder.h"

namespace fsqlshm::bench {
namespace {

struct Options {
  std::string rates = "0,1k,10k,100k,1M,saturating";
  std::string subjects = "all";
  std::string where = "thread";
  double seconds = 0.1;
  int repetitions = 9;
  std::uint64_t seed = 1;
  std::string hgrm;
  bool quiet = false;
};

struct Sample {
  Histogram ticks;
  Histogram retries;
  std::uint64_t torn = 0;
  std::uint64_t retries_total = 0;
  double publishes_per_second = 0;
};

/// Nothing at all, published by nobody.
struct TimerAlone {
  static constexpr std::string_view kName = "timer";
  static constexpr bool kRacy = false;
  static constexpr bool kAcrossProcesses = true;
};

template <class Read>
void sample_reads(double seconds, double ns_per_tick, Sample& sample, Read read) {
  const auto budget = static_cast<std::uint64_t>(seconds * 1e9 / ns_per_tick);
  const std::uint64_t begin = Timer::start();
  std::uint64_t stop = begin;
  do {
    std::uint64_t retries = 0;
    const std::uint64_t start = Timer::start();
    const Triple triple = read(retries);
    consume(triple);
    stop = Timer::stop();
    sample.ticks.record(stop - start);
    sample.retries.record(retries);
    sample.retries_total += retries;
    sample.torn += torn(triple) ? 1 : 0;
  } while (stop - begin < budget);
}

template <class S>
Sample measure(const Options& options, double per_second, double ns_per_tick) {
  const PinScope pin(reader_cpu(0));
  Sample sample;
  if constexpr (std::same_as<S, TimerAlone>) {
    // Beside a publisher of somebody else's words, so that the noise is the same.
    Mapped<Hardened::Shared> shared;
    const auto publisher = start_publisher<Hardened>(Where::kThread, per_second, *shared);
    sample_reads(options.seconds, ns_per_tick, sample, [](std::uint64_t&) { return triple_of(1); });
  } else {
    Mapped<typename S::Shared> shared;
    S subject(*shared);
    subject.publish(triple_of(1));
    const auto publisher = start_publisher<S>(
        options.where == "process" ? Where::kProcess : Where::kThread, per_second, *shared);
    sample_reads(options.seconds, ns_per_tick, sample,
                 [&](std::uint64_t& retries) { return read_counting(subject, retries); });
    if (publisher) {
      publisher->stop();
      sample.publishes_per_second = publisher->rate();
    }
  }
  return sample;
}

/// One line of the matrix: a subject at a rate, and all of its runs so far.
struct Row {
  std::string subject;
  double rate;
  bool racy;
  std::function<Sample(const Options&, double, double)> measure;
  nlohmann::json runs = nlohmann::json::array();
  Histogram all{};
  std::uint64_t reads = 0;
  std::uint64_t torn = 0;
};

nlohmann::json percentiles(const Histogram& histogram, double unit) {
  nlohmann::json out;
  for (const auto& [name, percentile] :
       {std::pair("p50", 50.0), std::pair("p90", 90.0), std::pair("p99", 99.0),
        std::pair("p99.9", 99.9), std::pair("p99.99", 99.99)}) {
    out[name] = static_cast<double>(histogram.at_percentile(percentile)) * unit;
  }
  out["max"] = static_cast<double>(histogram.max()) * unit;
  out["mean"] = histogram.mean() * unit;
  return out;
}

void run_row(Row& row, const Options& options, double ns_per_tick, harness::Result& result) {
  const Sample sample = row.measure(options, row.rate, ns_per_tick);
  nlohmann::json retries = percentiles(sample.retries, 1);
  retries["total"] = sample.retries_total;
  row.runs.push_back({{"reads", sample.ticks.total()},
                      {"torn", sample.torn},
                      {"publishes_per_second", sample.publishes_per_second},
                      {"ns", percentiles(sample.ticks, ns_per_tick)},
                      {"retries", std::move(retries)}});
  row.all.add(sample.ticks);
  row.reads += sample.ticks.total();
  row.torn += sample.torn;
  if (sample.torn > 0 && !row.racy) {
    result.findings.push_back(
        {.severity = "violation",
         .property = "a read returns one publish, whole",
         .title = fmt::format("{}: {} of {} reads were torn", row.subject, sample.torn,
                              sample.ticks.total()),
         .replay = fmt::format("fsqlshm-tails --subjects {} --rates {} --where {} --seconds {}",
                               row.subject, rate_name(row.rate), options.where, options.seconds)});
  }
}

/// That torn reads would be seen is shown by the racy subjects, of which some must be torn.
void check_not_vacuous(const std::vector<Row>& rows, harness::Result& result) {
  std::uint64_t reads = 0;
  std::uint64_t torn = 0;
  for (const Row& row : rows) {
    if (!row.racy || row.rate != kSaturating) continue;
    reads += row.reads;
    torn += row.torn;
  }
  result.counts["torn_racy_reads"] = torn;
  if (reads >= 1'000'000 && torn == 0 && allowed_cpus().size() > 1) {
    result.findings.push_back(
        {.severity = "vacuous",
         .property = "a read returns one publish, whole",
         .title =
             fmt::format("none of {} racy reads against a saturating publisher was torn", reads),
         .detail = "The reads and the publisher did not run at the same time, so nothing was "
                   "tested."});
  }
}

/// The smallest difference between two durations that the clock tells apart.
std::uint64_t timer_step() {
  std::set<std::uint64_t> durations;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t start = Timer::start();
    durations.insert(Timer::stop() - start);
  }
  std::uint64_t step = *durations.begin();
  for (auto it = durations.begin(); std::next(it) != durations.end(); ++it) {
    step = std::min(step, *std::next(it) - *it);
  }
  return step;
}

void print_table(const std::vector<Row>& rows) {
  fmt::print("{:<18}{:>11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>11}{:>10}\n", "subject", "publishes/s",
             "p50 ns", "p90", "p99", "p99.9", "p99.99", "max", "torn");
  for (const Row& row : rows) {
    if (row.runs.empty()) continue;
    const auto median = [&](const char* name) {
      std::vector<double> values;
      for (const auto& run : row.runs) values.push_back(run["ns"][name]);
      std::ranges::nth_element(values,
                               values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
      return values[values.size() / 2];
    };
    fmt::print("{:<18}{:>11}{:10.1f}{:10.1f}{:10.1f}{:10.1f}{:10.1f}{:11.0f}{:>10}\n",
               row.subject + (row.racy ? " (racy)" : ""), rate_name(row.rate), median("p50"),
               median("p90"), median("p99"), median("p99.9"), median("p99.99"), median("max"),
               row.torn);
  }
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::expected<std::vector<Row>, std::string> make_rows(const Options& options) {
  std::vector<double> rates;
  for (const std::string& text : split(options.rates)) {
    rates.push_back(parse_rate(text));
    if (rates.back() < 0) {
      return std::unexpected(fmt::format(
          "--rates: \"{}\" is not a rate; expected for example 0, 100, 10k, 1M or saturating",
          text));
    }
  }
  const std::vector<std::string> wanted = split(options.subjects);
  std::vector<std::string> known;
  std::vector<Row> rows;
  const auto add = [&]<class S>() {
    known.emplace_back(S::kName);
    const bool asked = options.subjects == "all" || std::ranges::count(wanted, S::kName) > 0;
    if (!asked || (options.where == "process" && !S::kAcrossProcesses)) return;
    for (const double rate : rates) {
      rows.push_back({.subject = std::string(S::kName),
                      .rate = rate,
                      .racy = S::kRacy,
                      .measure = measure<S>});
    }
  };
  add.template operator()<TimerAlone>();
  for_each_subject(AllSubjects(), add);
  for (const std::string& name : wanted) {
    if (name != "all" && std::ranges::count(known, name) == 0) {
      return std::unexpected(fmt::format("--subjects: there is no \"{}\"; there are all, {}", name,
                                         fmt::join(known, ", ")));
    }
  }
  if (rows.empty()) return std::unexpected("none of these subjects works across processes");
  return rows;
}

harness::ExitCode run(const harness::Program& program, const Options& options) {
  auto rows = make_rows(options);
  if (!rows) return program.refuse(rows.error());
  harness::Result result("bench", "read latency");
  result.seed = options.seed;
  result.budget = {{"seconds_each", options.seconds}, {"repetitions", options.repetitions}};
  result.details["context"] = context();
  const double ns_per_tick = Timer::ns_per_tick();
  result.details["timer"] = {{"ns_per_tick", ns_per_tick}, {"step_ticks", timer_step()}};

  // Every repetition goes through all rows in an order of its own.
  std::mt19937_64 random(options.seed);
  harness::Progress progress("tails",
                             std::chrono::duration<double>(options.seconds * options.repetitions *
                                                           static_cast<double>(rows->size())));
  std::vector<std::size_t> order(rows->size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    std::ranges::shuffle(order, random);
    for (const std::size_t i : order) {
      if (harness::stop_requested()) break;
      run_row((*rows)[i], options, ns_per_tick, result);
      progress.update(fmt::format("repetition {} of {}", repetition + 1, options.repetitions));
    }
  }
  if (harness::stop_requested()) result.could_not_run = "interrupted";
  check_not_vacuous(*rows, result);

  std::uint64_t reads = 0;
  for (Row& row : *rows) {
    reads += row.reads;
    if (!options.hgrm.empty()) {
      const auto path =
          std::filesystem::path(options.hgrm) /
          fmt::format("{}-{}-{}.hgrm", row.subject, options.where, rate_name(row.rate));
      if (const auto written = harness::write_file(path, row.all.hgrm(ns_per_tick)); !written) {
        result.could_not_run = written.error();
      }
    }
    result.details["tails"].push_back({{"subject", row.subject},
                                       {"rate", rate_name(row.rate)},
                                       {"where", options.where},
                                       {"racy", row.racy},
                                       {"runs", row.runs}});
  }
  result.counts["reads"] = reads;
  result.headline =
      fmt::format("{} reads timed and checked", harness::human(static_cast<double>(reads)));
  if (!options.quiet) print_table(*rows);
  for (const harness::Finding& finding : result.findings) fmt::print("FOUND {}\n", finding.title);
  return program.finish(result);
}

}  // namespace
}  // namespace fsqlshm::bench

int main(int argc, char** argv) {
  fsqlshm::bench::Options options;
  fsqlshm::harness::Program program(
      "fsqlshm-tails",
      "The time of every single read beside a publisher: percentiles up to the maximum, and how\n"
      "often a read had to be repeated. Every triple is checked; a torn one is a finding.");
  program.add({.name = "--rates",
               .target = &options.rates,
               .help = "publishes a second, with commas: 0, 10k, 1M, saturating ..."});
  program.add(
      {.name = "--subjects", .target = &options.subjects, .help = "names with commas, or all"});
  program.add({.name = "--where",
               .target = &options.where,
               .help = "where the publisher runs",
               .check = fsqlshm::harness::one_of({"thread", "process"})});
  program.add({.name = "--seconds",
               .target = &options.seconds,
               .help = "for each subject, rate and repetition",
               .check = fsqlshm::harness::number(1e-4, 3600)});
  program.add({.name = "--repetitions",
               .target = &options.repetitions,
               .help = "of each, in random order",
               .check = fsqlshm::harness::whole_number(1, 10000)});
  program.add({.name = "--seed", .target = &options.seed, .help = "of that order"});
  program.add_documents();
  program.add({.name = "--hgrm",
               .target = &options.hgrm,
               .help = "write HdrHistogram percentile files (in ns) to this directory",
               .check = fsqlshm::harness::existing_folder()});
  program.add({.name = "--quiet", .target = &options.quiet, .help = "no table on standard output"});
  return program.run(argc, argv, [&] { return fsqlshm::bench::run(program, options); });
}
