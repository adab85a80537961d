#include "stress/world/power_loss/power_loss.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "harness/child.h"
#include "harness/program.h"
#include "stress/world/power_loss/newcomer.h"

namespace fsqlshm::world::power_loss {
namespace {

// Mounting and unmounting is mostly waiting, so more run at a time than there are processors.
constexpr std::size_t kParallel = 6;

constexpr std::pair<Mutant, std::string_view> kMutants[] = {
    {Mutant::kNone, "none"},
    {Mutant::kDraftNotSynced, "draft-not-synced"},
    {Mutant::kDirectoryNotSynced, "directory-not-synced"},
    {Mutant::kTrustsFoundState, "trusts-found-state"},
    {Mutant::kForgetsIds, "forgets-ids"},
};
constexpr std::pair<Writeback, std::string_view> kWritebacks[] = {
    {Writeback::kLate, "late"}, {Writeback::kData, "data"}, {Writeback::kAll, "all"}};

/// A run of an operation, to be recorded and judged.
struct Cell {
  const FileSystem* type;
  const Operation* operation;
  Writeback writeback = Writeback::kLate;
  std::size_t moment = 0;
};

struct Image {
  std::size_t cut;
  std::uint64_t drop;
};

std::string name_of(const Cell& cell, const Image& image) {
  const auto* const writeback =
      std::ranges::find(kWritebacks, cell.writeback, [](const auto& known) { return known.first; });
  return fmt::format("{}/{}/{}@{}/cut {}/drop {}", cell.type->name, cell.operation->name,
                     writeback->second, cell.moment, image.cut, image.drop);
}

// --- One cell, in a process of its own -------------------------------------------------------------

// What a cell's process tells, in memory that it shares with its parent.
struct Report {
  struct Found {
    std::array<char, 60> property;
    std::array<char, 120> title;
    std::array<char, 8000> detail;
    std::uint64_t images;
    bool of_the_harness;
  };
  std::uint64_t moments;
  std::uint64_t images;
  std::uint64_t blocks_lost;  // images that lack blocks which were written
  std::uint64_t file_missing;
  std::uint64_t drafts_left;
  std::size_t kinds;
  std::array<Found, 8> found;
  std::array<char, 400> trouble;
};

void report(Report& report, const Problem& problem, const std::string& detail) {
  const auto known =
      std::find_if(report.found.begin(), report.found.begin() + report.kinds,
                   [&](const Report::Found& found) { return problem.title == found.title.data(); });
  if (known != report.found.begin() + report.kinds) {
    ++known->images;
    return;
  }
  if (report.kinds == report.found.size()) return;
  Report::Found& found = report.found[report.kinds++];
  put(found.property, problem.property);
  put(found.title, problem.title);
  put(found.detail, detail);
  found.images = 1;
  found.of_the_harness = problem.of_the_harness;
}

struct Effort {
  std::uint64_t drops;  // ways to lose blocks, for each cut
  std::size_t images;   // at most, spread evenly
};

// `seed` tells the ways to lose blocks of one run from those of another.
std::vector<Image> choose(const Recording& recording, const Effort& effort, std::uint64_t seed) {
  std::vector<Image> all;
  std::size_t last_unflushed = 0;
  for (std::size_t cut = recording.first_cut(); cut <= recording.last_cut(); ++cut) {
    const std::size_t unflushed = recording.unflushed(cut);
    const bool flush = unflushed == 0 && last_unflushed > 0 && cut > recording.first_cut();
    last_unflushed = unflushed;
    if (!flush) all.push_back({cut, 0});  // else it is the same disk as at the cut before
    for (std::uint64_t drop = 0; unflushed > 0 && drop < effort.drops; ++drop) {
      all.push_back({cut, 1 + seed * effort.drops + drop});
    }
  }
  if (all.size() <= effort.images) return all;
  std::vector<Image> some;
  some.reserve(effort.images);
  for (std::size_t i = 0; i < effort.images; ++i) {
    some.push_back(all[(i + 1) * all.size() / effort.images - 1]);
  }
  return some;
}

AfterPowerLoss judge(const Cell& cell, const Recording& recording, const Image& image,
                     Mutant mutant, DiskImage& disk) {
  recording.image_at(image.cut, image.drop, disk);
  return judge_after_power_loss(*cell.type, disk, recording.promises_at(image.cut),
                                cell.operation->found == Found::kRuin, faith_of(mutant));
}

void attack(const Cell& cell, const Start& start, const Effort& effort, const Options& options,
            Report& told) {
  const Recording recording(*cell.type, start, *cell.operation,
                            {cell.writeback, cell.moment, options.mutant});
  told.moments = recording.moments().size();
  DiskImage disk(cell.type->size);
  for (const Image& image : choose(recording, effort, options.seed)) {
    const AfterPowerLoss after = judge(cell, recording, image, options.mutant, disk);
    ++told.images;
    told.blocks_lost += image.drop != 0 ? 1 : 0;
    told.file_missing += after.file_was_there ? 0 : 1;
    told.drafts_left += after.drafts_left;
    if (!after.problem) continue;
    report(told, *after.problem,
           fmt::format("{}\n{}: {}\n{}", name_of(cell, image), after.problem->title,
                       after.problem->detail, recording.text(image.cut, image.drop)));
  }
}

// `detail` begins with the name of the image.
std::string replay_command(const Options& options, std::string_view detail) {
  const std::string fault =
      options.mutant == Mutant::kNone ? "" : fmt::format(" --mutant {}", name_of(options.mutant));
  return fmt::format("{} power-loss{} --image '{}'", options.program, fault,
                     detail.substr(0, detail.find('\n')));
}

// --- All of them -----------------------------------------------------------------------------------

class Campaign {
 public:
  Campaign(const Options& options, harness::Result& result)
      : options_(options), result_(result), progress_("power loss", {}, options.quiet) {}

  void run(const FileSystem& type) {
    for (const Operation& operation : operations()) {
      if (!asked(options_.operations, operation.name)) continue;
      if (!starts_.contains({&type, operation.found})) {
        starts_[{&type, operation.found}] = make_start(type, operation.found);
      }
      rows_.push_back({.cell = {&type, &operation}});
    }
    for (Row& row : rows_) start(row, row.cell, options_.quick ? Effort{1, 6} : Effort{2, 1000});
    finish_all();
    for (Row& row : rows_) {
      const std::size_t stride = options_.quick ? std::max<std::size_t>(row.moments / 2, 1) : 1;
      for (std::size_t moment = 1 + stride / 2; moment <= row.moments; moment += stride) {
        for (const Writeback writeback : {Writeback::kData, Writeback::kAll}) {
          const Cell cell{row.cell.type, row.cell.operation, writeback, moment};
          start(row, cell, options_.quick ? Effort{1, 2} : Effort{1, 12});
        }
      }
    }
    finish_all();
    tell();
    rows_.clear();
    starts_.clear();
  }

  [[nodiscard]] std::string headline() const {
    return fmt::format("{} disks after a power loss", images_);
  }
  [[nodiscard]] static bool asked(const std::vector<std::string>& names, std::string_view name) {
    return names.empty() || std::ranges::find(names, name) != names.end();
  }

 private:
  struct Row {
    Cell cell;
    std::uint64_t moments = 0;
    std::uint64_t runs = 0;
    std::uint64_t images = 0;
    std::uint64_t blocks_lost = 0;
    std::uint64_t file_missing = 0;
    std::uint64_t drafts_left = 0;
    std::uint64_t found = 0;
  };
  struct Running {
    Row* row;
    Cell cell;
    std::unique_ptr<harness::Shared<Report>> report;
    harness::Child child;
  };

  // Cells without writeback are needed by all shards, which learn the moments from them.
  void start(Row& row, const Cell& cell, Effort effort) {
    if (harness::stop_requested() || result_.could_not_run) return;
    const bool ours = next_cell_++ % options_.shard.count + 1 == options_.shard.index;
    if (!ours && cell.moment != 0) return;
    if (!ours) effort.images = 0;
    while (running_.size() >= kParallel) finish_one();
    auto told = std::make_unique<harness::Shared<Report>>();
    const Start& found = *starts_.at({cell.type, cell.operation->found});
    harness::Child child([&, report = told.get()] {
      try {
        attack(cell, found, effort, options_, **report);
        return 0;
      } catch (const std::exception& error) {
        put((*report)->trouble, error.what());
        return 1;
      }
    });
    running_.push_back({&row, cell, std::move(told), std::move(child)});
  }

  void finish_all() {
    while (!running_.empty()) finish_one();
  }

  // The oldest; the others go on meanwhile.
  void finish_one() {
    Running done = std::move(running_.front());
    running_.pop_front();
    while (done.child.here() && !harness::stop_requested()) {
      done.child.wait_for(std::chrono::milliseconds(200));
    }
    done.child.end();
    const auto ended = done.child.state();
    const Report& told = **done.report;
    Row& row = *done.row;
    if (!ended.exited() && !result_.could_not_run) {
      const std::string why = told.trouble[0] != 0 ? told.trouble.data() : ended.text();
      result_.could_not_run =
          harness::stop_requested()
              ? "power loss was interrupted"
              : fmt::format("power loss, {}: {}", name_of(done.cell, {0, 0}), why);
    }
    row.moments = std::max(row.moments, told.moments);
    ++row.runs;
    row.images += told.images;
    row.blocks_lost += told.blocks_lost;
    row.file_missing += told.file_missing;
    row.drafts_left += told.drafts_left;
    images_ += told.images;
    for (std::size_t i = 0; i < told.kinds; ++i) add(row, told.found[i]);
    progress_.update(
        fmt::format("{}, {}: {} disks", done.cell.type->name, done.cell.operation->name, images_));
  }

  void add(Row& row, const Report::Found& found) {
    row.found += found.images;
    const auto known = std::ranges::find_if(result_.findings, [&](const harness::Finding& other) {
      return other.property == found.property.data() && other.title == found.title.data();
    });
    if (known != result_.findings.end()) return;
    result_.findings.push_back({.severity = found.of_the_harness ? "vacuous" : "violation",
                                .property = found.property.data(),
                                .title = found.title.data(),
                                .detail = found.detail.data(),
                                .replay = replay_command(options_, found.detail.data())});
  }

  void tell() {
    for (const Row& row : rows_) {
      result_.details["power_loss"].push_back({{"file_system", row.cell.type->name},
                                               {"operation", row.cell.operation->name},
                                               {"moments", row.moments},
                                               {"runs", row.runs},
                                               {"images", row.images},
                                               {"blocks_lost", row.blocks_lost},
                                               {"file_missing", row.file_missing},
                                               {"drafts_left", row.drafts_left},
                                               {"found", row.found}});
      bump("power_loss_images", row.images);
      bump("power_loss_runs", row.runs);
    }
  }
  void bump(const char* count, std::uint64_t by) {
    result_.counts[count] = result_.counts.value(count, std::uint64_t{0}) + by;
  }

  const Options& options_;
  harness::Result& result_;
  harness::Progress progress_;
  std::map<std::pair<const FileSystem*, Found>, std::unique_ptr<Start>> starts_;
  std::deque<Row> rows_;
  std::deque<Running> running_;
  std::uint64_t next_cell_ = 0;
  std::uint64_t images_ = 0;
};

void skip(harness::Result& result, const std::string& what, const std::string& why) {
  result.details["skipped"][what] = why;
  result.counts["skipped"] = result.details["skipped"].size();
}

// --- A name of an image ----------------------------------------------------------------------------

template <class Range, class Name>
const auto& find_named(const Range& all, const Name& name_of, std::string_view name) {
  const auto found = std::ranges::find(all, name, name_of);
  if (found == std::end(all))
    throw std::runtime_error(fmt::format("--image: there is no '{}'", name));
  return *found;
}

std::uint64_t number_after(std::string_view text, std::string_view before) {
  const std::string number(text.substr(std::min(before.size(), text.size())));
  if (!text.starts_with(before) || !harness::whole_number(0)(number).empty()) {
    throw std::runtime_error(
        fmt::format("--image: found '{}', expected '{}' and a whole number", text, before));
  }
  return std::stoull(number);
}

std::pair<Cell, Image> parse(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t end = 0; end != name.npos;) {
    end = name.find('/');
    parts.push_back(name.substr(0, end));
    name.remove_prefix(end == name.npos ? 0 : end + 1);
  }
  if (parts.size() != 5) {
    throw std::runtime_error(
        "--image takes FILE SYSTEM/OPERATION/WHAT@N/cut N/drop N, for example "
        "'ext4/create/data@12/cut 34/drop 0'");
  }
  const std::string_view writeback = parts[2].substr(0, parts[2].find('@'));
  Cell cell{
      .type = &find_named(file_systems(), &FileSystem::name, parts[0]),
      .operation = &find_named(operations(), &Operation::name, parts[1]),
      .writeback =
          find_named(kWritebacks, &std::pair<Writeback, std::string_view>::second, writeback).first,
      .moment = number_after(parts[2].substr(writeback.size()), "@")};
  return {cell, {number_after(parts[3], "cut "), number_after(parts[4], "drop ")}};
}

}  // namespace

std::string obstacle_to_power_loss() {
  if (::geteuid() != 0) return "needs root, to mount file systems";
  for (const char* device : {"/dev/fuse", "/dev/loop-control"}) {
    const OwnedFd fd(::open(device, O_RDWR | O_CLOEXEC));
    if (fd.get() < 0) return fmt::format("needs {}", device);
  }
  try {
    DiskImage image(kBlockSize);
    const RecordingDisk disk(image);
  } catch (const std::exception& error) {
    return fmt::format("needs a disk that records: {}", error.what());
  }
  return {};
}

void run_power_loss(const Options& options, harness::Result& result) {
  if (const std::string obstacle = obstacle_to_power_loss(); !obstacle.empty()) {
    return skip(result, "power loss", obstacle);
  }
  Campaign campaign(options, result);
  for (const FileSystem& type : file_systems()) {
    if (!Campaign::asked(options.file_systems, type.name)) continue;
    if (options.quick && &type != &file_systems().front()) continue;
    if (!type.can_be_made()) {
      skip(result, fmt::format("power loss on {}", type.name),
           type.make.front() + " is not installed");
      continue;
    }
    try {
      campaign.run(type);
    } catch (const std::exception& error) {
      result.could_not_run = fmt::format("power loss on {}: {}", type.name, error.what());
    }
  }
  result.headline = campaign.headline();
}

void replay_power_loss(std::string_view name, const Options& options, harness::Result& result) {
  const auto [cell, image] = parse(name);
  const auto start = make_start(*cell.type, cell.operation->found);
  std::string text;
  AfterPowerLoss after;
  // The kernel does not write the blocks in the same order every time.
  for (int recorded = 0; recorded < 3 && !after.problem; ++recorded) {
    const Recording recording(*cell.type, *start, *cell.operation,
                              {cell.writeback, cell.moment, options.mutant});
    if (image.cut < recording.first_cut() || image.cut > recording.last_cut()) {
      throw std::runtime_error(
          fmt::format("the cuts are {} to {}", recording.first_cut(), recording.last_cut()));
    }
    DiskImage disk(cell.type->size);
    after = judge(cell, recording, image, options.mutant, disk);
    text = recording.text(image.cut, image.drop);
  }
  fmt::print("{}", text);
  result.counts["power_loss_images"] = 1;
  if (!after.problem) return;
  result.findings.push_back({.severity = after.problem->of_the_harness ? "vacuous" : "violation",
                             .property = after.problem->property,
                             .title = after.problem->title,
                             .detail = after.problem->detail,
                             .replay = replay_command(options, name)});
}

std::string_view name_of(Mutant mutant) {
  return std::ranges::find(kMutants, mutant, [](const auto& known) { return known.first; })->second;
}

const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> kAll = [] {
    std::vector<Mutant> mutants;
    for (const auto& [mutant, name] : kMutants) {
      if (mutant != Mutant::kNone) mutants.push_back(mutant);
    }
    return mutants;
  }();
  return kAll;
}

}  // namespace fsqlshm::world::power_loss
