#include "stress/world/power_loss/newcomer.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "harness/child.h"
#include "stress/register_log.h"

namespace fsqlshm::world::power_loss {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kW4 = "W4 first opener";
constexpr std::string_view kW7 = "W7 who may";
constexpr std::uint64_t kNow = 1'000'000;  // seconds since the epoch

// Thrown in the newcomer.
struct Unacceptable {
  std::string_view property;
  std::string_view title;
  std::string detail;
};

void require(bool holds, std::string_view property, std::string_view title,
             std::string detail = "") {
  if (!holds) throw Unacceptable{property, title, std::move(detail)};
}

// What the newcomer says, in memory that it shares with its parent.
struct Answer {
  std::array<char, 60> property{};
  std::array<char, 120> title{};
  std::array<char, 400> detail{};
  bool file_was_there = false;
  std::uint64_t drafts_left = 0;
};

std::string text_of(const std::optional<ShmSnapshot>& snapshot) {
  if (!snapshot) return "nothing";
  return fmt::format("({}, {}, {})", snapshot->commit_seq.get(), snapshot->schema_epoch.get(),
                     snapshot->ecs_epoch);
}

class Newcomer {
 public:
  Newcomer(const fs::path& folder, const Promises& promised, bool ruined, Database::Faith faith,
           Answer& answer)
      : promised_(promised),
        ruined_(ruined),
        answer_(answer),
        database_(folder, mine_, faith),
        path_(database_.path()) {}

  void look_around() {
    require(database_.commit() >= promised_.commit, kHarness, "the database lost a commit");
    answer_.file_was_there = fs::exists(path_);
    require(answer_.file_was_there || !promised_.file, kW4, "a file that was made is not there");
    if (answer_.file_was_there && (promised_.file || !ruined_)) look_at_header();
    for (const auto& entry : fs::directory_iterator(path_.parent_path())) {
      const std::string name = entry.path().filename();
      answer_.drafts_left += name.starts_with(".") && name.ends_with(".new") ? 1 : 0;
    }
    const auto reader = ReadOnlyShmFile::open(path_);
    require(!reader, kW4, "a reader accepts a state that nobody established",
            reader ? text_of(reader->layout().try_load_consistent_snapshot(10)) : "");
  }

  void use() {
    open();
    auto layout = database_.file().layout();
    const ShmSnapshot durable = stress::triple_of(database_.commit());
    const auto snapshot = layout.try_load_consistent_snapshot(10);
    require(snapshot == durable, kW4, "a stale triple is accepted",
            fmt::format("{}, durable is {}", text_of(snapshot), text_of(durable)));
    require(layout.check_serialized_writer_exclusion(kNow) == Exclusion::kOk, kW4,
            "an owner is left over");
    const TxnId id = database_.allocate();
    require(id.get() > promised_.largest_id, kW4, "an id is handed out again",
            fmt::format("{}, though all up to {} were handed out", id.get(), promised_.largest_id));
    require(layout.acquire_serialized_writer(id, 0), kW4, "nobody can acquire");
    database_.publish(id);
    require(layout.release_serialized_writer(id), kW4, "an owner cannot release");
    require(layout.try_load_consistent_snapshot(10) == stress::triple_of(database_.commit()), kW4,
            "publishing is not possible");
    const auto errors = validate(database_.file().header_bytes());
    require(errors.empty(), kW4, "the header is not valid",
            errors.empty() ? "" : errors.front().message());
    look_at_users();
  }

  static constexpr std::string_view kHarness = "the database and its disk";

 private:
  void look_at_header() const {
    const auto bytes = read_header_bytes(path_);
    require(bytes.has_value(), kW4, "the file is not whole", bytes ? "" : bytes.error().message());
    const auto header = SharedMemoryLayout::open(*bytes);
    require(header.has_value(), kW4, "the file is not whole",
            header ? "" : header.error().message());
    require(fs::file_size(path_) >= required_size(header->geometry()).value_or(~std::uint64_t{0}),
            kW4, "the file is not whole", "too short");
    const std::uint64_t commit = header->load_commit_seq().get();
    require(commit >= promised_.synced_commit, kW4, "what was synced is not there",
            fmt::format("commit {}, synced was {}", commit, promised_.synced_commit));
  }

  void open() {
    try {
      promised_.file ? database_.open() : database_.open_or_create();
    } catch (const std::runtime_error& error) {
      require(false, kW4, "the file cannot be opened", error.what());
    }
  }

  void look_at_users() const {
    const auto users = users_of(path_);
    require(users && users->opens.size() == 1 && !users->first_opener_at_work, kW4,
            "who has the file open is not right");
    const auto reader = ReadOnlyShmFile::open(path_);
    require(reader.has_value(), kW4, "a reader cannot open the file",
            reader ? "" : reader.error().message());
    struct stat status = {};
    ::stat(path_.c_str(), &status);
    require((status.st_mode & 0777) == Database::kMode, kW7, "the file has another mode",
            fmt::format("{:o}", status.st_mode & 0777));
  }

  const Promises& promised_;
  bool ruined_;
  Answer& answer_;
  Promises mine_;
  Database database_;
  fs::path path_;
};

int live(const fs::path& folder, const Promises& promised, bool ruined, Database::Faith faith,
         Answer& answer) {
  try {
    Newcomer newcomer(folder, promised, ruined, faith, answer);
    newcomer.look_around();
    newcomer.use();
    return 0;
  } catch (const Unacceptable& found) {
    put(answer.property, found.property);
    put(answer.title, found.title);
    put(answer.detail, found.detail);
  } catch (const std::exception& error) {
    put(answer.property, kW4);
    put(answer.title, "the newcomer fails");
    put(answer.detail, error.what());
  }
  return 1;
}

}  // namespace

AfterPowerLoss judge_after_power_loss(const FileSystem& type, const DiskImage& disk,
                                      const Promises& promised, bool ruined,
                                      Database::Faith faith) {
  AfterPowerLoss after;
  const LoopDevice device(disk.fd());
  std::unique_ptr<Mount> mount;
  try {
    mount = std::make_unique<Mount>(type.mount(device.path()));
  } catch (const std::exception& error) {
    after.problem = Problem{std::string(Newcomer::kHarness), "the file system cannot be mounted",
                            error.what(), true};
    return after;
  }
  const harness::Shared<Answer> answer;
  const auto ended =
      harness::run_in_child([&] { return live(mount->path(), promised, ruined, faith, *answer); },
                            std::chrono::seconds(20));
  after.file_was_there = answer->file_was_there;
  after.drafts_left = answer->drafts_left;
  if (ended.exited()) return after;
  const bool told = answer->title[0] != 0;
  const std::string property = told ? answer->property.data() : std::string(kW4);
  after.problem = Problem{.property = property,
                          .title = told ? answer->title.data() : "the newcomer does not end well",
                          .detail = told ? answer->detail.data() : ended.text(),
                          .of_the_harness = property == Newcomer::kHarness};
  return after;
}

}  // namespace fsqlshm::world::power_loss
