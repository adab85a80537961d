#include "stress/world/catalogue.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "harness/child.h"
#include "harness/program.h"
#include "harness/random.h"
#include "stress/run_dir.h"
#include "stress/world/cell.h"
#include "stress/world/events.h"

namespace fsqlshm::world {
namespace {

namespace fs = std::filesystem;
using harness::Finding;
using harness::Result;
using nlohmann::json;

// An operation that waits a little has no fixed number of moments.
constexpr std::size_t kMostMoments = 150;
// Exit status of a worker that could not write what it found.
constexpr int kNoRoom = 3;

std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  for (const char c : text) seed = harness::mix(seed ^ static_cast<unsigned char>(c));
  return seed;
}

bool selected(const std::vector<std::string>& only, const Event& event,
              const Operation& operation) {
  const auto fits = [&](const std::string& cell) {
    const std::size_t colon = cell.find(':');
    const std::string row = cell.substr(0, colon);
    const std::string column = colon == cell.npos ? "" : cell.substr(colon + 1);
    return (row.empty() || row == event.name) && (column.empty() || column == operation.name);
  };
  return only.empty() || std::ranges::any_of(only, fits);
}

std::string place_text(const Place& place) {
  return place.second == 0 ? fmt::format("{}", place.first)
                           : fmt::format("{}+{}", place.first, place.second);
}

// What all workers share while they work.
struct Common {
  std::atomic<std::uint64_t> done = 0;
  std::atomic<bool> stop = false;
};

// A worker's part of the catalogue.
class Worker {
 public:
  Worker(const CatalogueSetting& setting, const fs::path& folder, const Abilities& abilities,
         unsigned index, unsigned count, Common& common)
      : setting_(setting), lab_(folder, abilities), index_(index), count_(count), common_(common) {}

  json run() {
    for (const Operation& operation : operations()) {
      std::vector<const Event*> here;
      for (const Event& event : events()) {
        if (event.applies(operation) && selected(setting_.only, event, operation)) {
          here.push_back(&event);
        }
      }
      const bool itself = selected(setting_.only, no_event(), operation);
      if (!here.empty() || itself) attack(operation, here);
      if (common_.stop) break;
    }
    return {{"moments", moments_}, {"rows", rows_}, {"violations", violations_}};
  }

 private:
  void attack(const Operation& operation, const std::vector<const Event*>& here) {
    // Every worker learns the moments; one of them tells what it saw.
    Verdict calm = try_cell(operation, no_event(), {}, index_ != 0);
    if (calm.moments.size() > kMostMoments) calm.moments.resize(kMostMoments);
    if (index_ == 0) moments_ += calm.moments.size();
    for (const Event* event : here) {
      if (!event->cannot(lab_.abilities()).empty()) continue;
      const auto places = static_cast<std::uint64_t>(std::ranges::count_if(
          calm.moments, [&](const Moment& moment) { return can_strike(*event, moment); }));
      const bool two = event->fails.size() > 1;
      const std::uint64_t picked = 1 + hash(event->name, hash(operation.name, setting_.seed)) %
                                           std::max<std::uint64_t>(places, 1);
      for (std::uint64_t at = 1; at <= places; ++at) {
        if (common_.stop) return;
        if ((setting_.quick && at != picked) || !is_mine()) continue;
        two ? try_pairs(operation, *event, at)
            : static_cast<void>(try_cell(operation, *event, {at, 0}, false));
      }
    }
  }

  // The second call fails too, as far as there is one.
  void try_pairs(const Operation& operation, const Event& event, std::uint64_t first) {
    for (std::uint64_t second = first + 1; !common_.stop; ++second) {
      const Verdict verdict = try_cell(operation, event, {first, second}, false);
      const auto came = static_cast<std::uint64_t>(std::ranges::count_if(
          verdict.moments, [&](const Moment& moment) { return can_strike(event, moment); }));
      if (came < second || setting_.quick || second > kMostMoments) return;
    }
  }

  // Whether the next cell is this worker's and this shard's.
  bool is_mine() {
    const std::uint64_t number = next_++;
    return number % setting_.shard.count == setting_.shard.index - 1 &&
           number / setting_.shard.count % count_ == index_;
  }

  Verdict try_cell(const Operation& operation, const Event& event, Place place, bool silent) {
    Cell cell(lab_, operation, event, place);
    Verdict verdict = cell.run();
    if (silent) return verdict;
    ++common_.done;
    json& row = rows_[event.name][operation.name];
    if (row.is_null()) row = {{"cells", 0}, {"struck", 0}, {"found", 0}};
    row["cells"] = row["cells"].get<int>() + 1;
    row["struck"] = row["struck"].get<int>() + (verdict.struck ? 1 : 0);
    row["found"] = row["found"].get<int>() + (verdict.violations.empty() ? 0 : 1);
    const std::string moment = place.first == 0 ? "" : moment_name(event, verdict, place.first);
    for (const auto& [property, what] : verdict.violations) {
      violations_.push_back({{"event", event.name},
                             {"operation", operation.name},
                             {"place", place_text(place)},
                             {"moment", moment},
                             {"property", property},
                             {"what", what},
                             {"trace", verdict.trace}});
    }
    if (!setting_.mutant.empty() && !verdict.violations.empty()) common_.stop = true;
    return verdict;
  }

  static std::string moment_name(const Event& event, const Verdict& verdict, std::uint64_t place) {
    for (const Moment& moment : verdict.moments) {
      if (can_strike(event, moment) && --place == 0) return moment.name;
    }
    return "never";
  }

  const CatalogueSetting& setting_;
  Lab lab_;
  unsigned index_;
  unsigned count_;
  Common& common_;
  std::uint64_t next_ = 0;
  std::uint64_t moments_ = 0;
  json rows_ = json::object();
  json violations_ = json::array();
};

// --- Together ---------------------------------------------------------------------------------------

// One finding for each event, operation and thing that is wrong.
void add_findings(const CatalogueSetting& setting, const json& violations, Result& result) {
  std::map<std::tuple<std::string, std::string, std::string>, Finding> found;
  for (const json& v : violations) {
    const auto text = [&](const char* key) { return v.at(key).get<std::string>(); };
    const std::string title =
        fmt::format("{}: {} during {}", text("what"), text("event"), text("operation"));
    Finding& finding = found[{text("property"), title, ""}];
    if (finding.title.empty()) {
      finding = {.severity = "violation", .property = text("property"), .title = title};
      finding.detail = text("trace") + "moments:";
      finding.replay = fmt::format("{}{} --replay {}:{}:{}", setting.program,
                                   setting.mutant.empty() ? "" : " --mutant " + setting.mutant,
                                   text("event"), text("operation"), text("place"));
      finding.file = "stress/world/events.cc";
    }
    finding.detail += fmt::format(" {} ({})", text("place"), text("moment"));
  }
  for (auto& [key, finding] : found) result.findings.push_back(std::move(finding));
}

void add_rows(const std::vector<json>& parts, const Abilities& abilities,
              const CatalogueSetting& setting, Result& result) {
  json table = json::array();
  json skipped = json::object();
  std::uint64_t cells = 0;
  std::uint64_t skips = 0;
  std::set<std::string_view> rows;
  json about = {{"events", json::object()}, {"operations", json::object()}};
  for (const Event& event : events()) {
    std::uint64_t struck = 0;
    std::uint64_t tried = 0;
    for (const Operation& operation : operations()) {
      if (!event.applies(operation) || !selected(setting.only, event, operation)) continue;
      rows.insert(event.name);
      about["events"][event.name] = event.about;
      about["operations"][operation.name] = operation.about;
      if (const std::string why = event.cannot(abilities); !why.empty()) {
        skipped[event.name] = why;
        ++skips;
        continue;
      }
      json row = {{"event", event.name}, {"operation", operation.name}, {"cells", 0}, {"found", 0}};
      for (const json& part : parts) {
        const json& all = part.at("rows");
        if (!all.contains(event.name) || !all[event.name].contains(operation.name)) continue;
        const json& mine = all[event.name][operation.name];
        row["cells"] = row["cells"].get<int>() + mine["cells"].get<int>();
        row["found"] = row["found"].get<int>() + mine["found"].get<int>();
        struck += mine["struck"].get<std::uint64_t>();
      }
      tried += row["cells"].get<std::uint64_t>();
      table.push_back(std::move(row));
    }
    cells += tried;
    if (tried != 0 && struck == 0) {
      result.findings.push_back({.severity = "vacuous",
                                 .property = "reaches what it exists for",
                                 .title = fmt::format("{}: it never happened", event.name),
                                 .file = "stress/world/events.cc"});
    }
  }
  result.details["world"] = std::move(table);
  result.details["about"] = std::move(about);
  result.details["skipped"] = std::move(skipped);
  result.counts = {{"events", rows.size()},
                   {"operations", operations().size()},
                   {"moments", parts.front().at("moments")},
                   {"cells", cells},
                   {"skipped", skips}};
  result.headline =
      fmt::format("{} cells: {} events at {} moments of {} operations{}", cells, rows.size(),
                  parts.front().at("moments").get<std::uint64_t>(), operations().size(),
                  skips != 0 ? fmt::format(", {} skipped", skips) : "");
}

// Processes of other users work there too.
void let_others_in(const fs::path& folder) {
  fs::permissions(folder, fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
}

// That each of them names something.
void check_cells(const CatalogueSetting& setting) {
  for (const std::string& cell : setting.only) {
    const bool any = std::ranges::any_of(operations(), [&](const Operation& operation) {
      return selected({cell}, no_event(), operation) ||
             std::ranges::any_of(events(), [&](const Event& event) {
               return event.applies(operation) && selected({cell}, event, operation);
             });
    });
    if (!any) throw std::invalid_argument("no such event or operation: " + cell);
  }
}

}  // namespace

void run_catalogue(const CatalogueSetting& setting, Result& result) {
  check_cells(setting);
  const auto dir = stress::RunDir::make(setting.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  let_others_in(dir->path());
  const Abilities abilities = Abilities::find(dir->path());
  const unsigned count = setting.jobs;
  harness::Shared<Common> common;
  harness::Progress progress("world", std::chrono::seconds(0), setting.quiet);
  std::vector<std::unique_ptr<harness::Child>> workers;
  const auto document = [&](unsigned i) { return dir->path() / fmt::format("worker-{}.json", i); };
  for (unsigned i = 0; i < count; ++i) {
    const fs::path folder = dir->path() / fmt::format("lab-{}", i);
    fs::create_directory(folder);
    workers.push_back(std::make_unique<harness::Child>([&, i, folder] {
      Worker worker(setting, folder, abilities, i, count, *common);
      std::ofstream out(document(i));
      out << worker.run() << std::flush;
      return out ? 0 : kNoRoom;
    }));
  }
  for (const auto& worker : workers) {
    while (worker->wait_for(std::chrono::milliseconds(200)) == harness::ChildState{}) {
      if (harness::stop_requested()) common->stop = true;
      progress.update(fmt::format("{} cells", common->done.load()));
    }
    if (!worker->state().exited()) {
      result.could_not_run = worker->state().exited(kNoRoom)
                                 ? "there is no room for what was found in " + dir->path().string()
                                 : "a worker " + worker->state().text();
      common->stop = true;
    }
  }
  if (result.could_not_run) return;
  std::vector<json> parts;
  json violations = json::array();
  for (unsigned i = 0; i < count; ++i) {
    parts.push_back(json::parse(std::ifstream(document(i))));
    for (json& each : parts.back().at("violations")) violations.push_back(std::move(each));
  }
  add_rows(parts, abilities, setting, result);
  add_findings(setting, violations, result);
  if (harness::stop_requested()) result.could_not_run = "interrupted before every cell was tried";
}

namespace {

std::uint64_t moment_number(const std::string& text, std::uint64_t least) {
  if (const std::string wrong = harness::whole_number(least)(text); !wrong.empty()) {
    throw std::invalid_argument("--replay: moment " + wrong);
  }
  return std::stoull(text);
}

// One cell by its name: EVENT:OPERATION:MOMENT, or MOMENT+MOMENT of two calls that fail.
struct NamedCell {
  const Event* event = nullptr;
  const Operation* operation = nullptr;
  Place place{};

  explicit NamedCell(const std::string& name) {
    const std::size_t first = name.find(':');
    const std::size_t second = first == name.npos ? first : name.find(':', first + 1);
    if (second == name.npos) {
      throw std::invalid_argument("--replay takes EVENT:OPERATION:MOMENT, for example kill:lock:3");
    }
    const std::string row = name.substr(0, first);
    const std::string column = name.substr(first + 1, second - first - 1);
    const auto named = std::ranges::find(events(), row, &Event::name);
    const auto acting = std::ranges::find(operations(), column, &Operation::name);
    if (acting == operations().end() || (named == events().end() && row != no_event().name)) {
      throw std::invalid_argument("no such event or operation: " + row + ":" + column);
    }
    event = named == events().end() ? &no_event() : &*named;
    operation = &*acting;
    const std::string moments = name.substr(second + 1);
    const std::size_t plus = moments.find('+');
    place.first = moment_number(moments.substr(0, plus), event == &no_event() ? 0 : 1);
    if (plus != moments.npos) place.second = moment_number(moments.substr(plus + 1), 1);
  }
};

}  // namespace

void replay_cell(const CatalogueSetting& setting, const std::string& name, Result& result) {
  const NamedCell cell(name);
  const auto dir = stress::RunDir::make(setting.dir);
  if (!dir) throw std::runtime_error(dir.error());
  let_others_in(dir->path());
  const Abilities abilities = Abilities::find(dir->path());
  if (const std::string why = cell.event->cannot(abilities); !why.empty()) {
    result.could_not_run = why;
    return;
  }
  harness::Shared<SharedText<65536>> told;
  harness::Shared<SharedText<16384>> violations;
  const harness::Shared<std::atomic<bool>> happened;
  const auto end = harness::run_in_child([&] {
    Lab lab(dir->path(), abilities);
    Cell one(lab, *cell.operation, *cell.event, cell.place);
    const Verdict verdict = one.run();
    *happened = verdict.struck || cell.place.first == 0;
    told->add(verdict.trace);
    for (const auto& [property, what] : verdict.violations) {
      violations->add(json{{"event", cell.event->name},
                           {"operation", cell.operation->name},
                           {"place", place_text(cell.place)},
                           {"moment", ""},
                           {"property", property},
                           {"what", what},
                           {"trace", ""}}
                          .dump());
    }
    return 0;
  });
  fmt::print("{}", told->text());
  if (!end.exited()) {
    result.could_not_run = "the cell's process " + end.text();
  } else if (!*happened) {
    result.could_not_run =
        fmt::format("{} has no moment {}: {} did not happen", cell.operation->name,
                    place_text(cell.place), cell.event->name);
  }
  json all = json::array();
  std::istringstream lines(violations->text());
  for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
  add_findings(setting, all, result);
  result.counts = {{"cells", 1}};
  result.headline = "one cell, again";
}

}  // namespace fsqlshm::world
