#include "stress/world/cell.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "stress/world/faults.h"

namespace fsqlshm::world {
namespace {

namespace fs = std::filesystem;
using Holder = Operation::Holder;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// The number of the system call in which the first thread of a process is; -1: it runs or is over.
long call_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/syscall", process));
  long number = -1;
  file >> number;
  return file ? number : -1;
}

// Of a file, by a process.
std::uint64_t pages_mapped(pid_t process, const fs::path& file) {
  std::ifstream maps(fmt::format("/proc/{}/maps", process));
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    if (!line.ends_with(file.string())) continue;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2) return (end - begin) / 4096;
  }
  return 0;
}

bool says_so(int code) {
  using enum ShmErrorCode;
  static constexpr std::array kCodes = {
      kFileReplaced, kFileTruncated,   kTooSmall,         kBadMagic, kVersionMismatch,
      kFileInUse,    kInvalidPageSize, kChecksumMismatch, kFileOpen, kFileCreate,
      kFileNoSpace,  kFenced,          kFileExists,       kFileLock, kNeedsRecovery};
  return std::ranges::find(kCodes, static_cast<ShmErrorCode>(code)) != kCodes.end();
}

}  // namespace

bool waits_or_over(pid_t process) {
  const long number = call_of(process);
  if (number == SYS_futex || number == SYS_fcntl || number == SYS_clock_nanosleep) return true;
  return number == -1 && ::kill(process, 0) != 0;
}

Cell::Cell(Lab& lab, const Operation& operation, const Event& event, Place place)
    : lab_(lab), operation_(operation), event_(event), place_(place) {}

Cell::~Cell() {
  if (verdict_.struck) event_.put_back(*this);
  tracer_.reset();
  subject_.reset();
  peer_.reset();
  rival_.end();
  if (const pid_t child = world_->child; child > 0) ::kill(child, SIGKILL);
  while (::waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
  }
  if (const pid_t child = world_->child; child > 0) ::waitpid(child, nullptr, 0);
}

uid_t Cell::user() const {
  return event_.other_user && lab_.abilities().other_users.empty() ? kNobody : 0;
}

Verdict Cell::run() {
  try {
    start();
    run_operation();
    if (verdict_.struck) event_.when_over(*this);
    judge_operation();
    send_newcomers();
    finish_subject();
    judge_remains();
  } catch (const std::exception& error) {
    world_->blame(event_.property, error.what());
  }
  std::istringstream blames(world_->blames.text());
  for (std::string line; std::getline(blames, line);) {
    const std::size_t tab = line.find('\t');
    verdict_.violations.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  verdict_.trace = world_->notes.text();
  return verdict_;
}

// --- Before -----------------------------------------------------------------------------------------

void Cell::start() {
  World& world = *world_;
  lab_.arrange(operation_.scene, event_.lets_others_read ? 0644 : 0600, user());
  if (operation_.scene != Scene::kNoFile) world.largest_id = 10;
  // Root makes the file of a database that belongs to somebody.
  const bool makes = operation_.scene == Scene::kNoFile && user() == 0;
  if (makes && lab_.abilities().other_users.empty()) world.uid = kSomebody;
  // What the file knows of ids may be lost with it; then the database must know.
  world.ids_durable = event_.loses_file || std::string_view(operation_.name) == "remove";
  const bool trusts = std::string_view(operation_.name) == "trust";
  if (trusts && event_.loses_file) world.largest_id = 0;  // what the file says holds
  world.acknowledged = trusts ? 0 : world.durable.load();
  if (operation_.lacks_lock_file) fs::remove(lab_.lock_path());
  if (operation_.scene >= Scene::kShared) {
    peer_ = std::make_unique<Peer>(world, lab_.path(), user());
    if (!peer_->puppet().wait()) throw std::runtime_error("the peer does not open the file");
  }
  const SubjectPlan plan = {.operation = &operation_,
                            .path = lab_.path(),
                            .opens_other = event_.needs_other,
                            .tries_again = !event_.fails.empty(),
                            .life = lab_.life().reader(),
                            .life_end = lab_.life().writer(),
                            .user = user()};
  subject_ = std::make_unique<Subject>(world, plan);
  if (!subject_->other_thread().wait() || subject_->other_thread().answer() != 0) {
    throw std::runtime_error("the subject does not begin");
  }
  if (operation_.holder == Holder::kPeer) ask_peer(PeerOrder::kHold);
  holder_holds_ = operation_.holder != Holder::kNobody;
  if (operation_.words == Words216::kOdd) lab_.set_word(Field::kSnapshotSeq, 7);
  if (operation_.words == Words216::kDeadOwner) lab_.leave_writer(0);
  world.calls_fail = !event_.fails.empty();
}

// --- The operation ----------------------------------------------------------------------------------

void Cell::run_operation() {
  tracer_ = std::make_unique<Tracer>(process(), thread());
  subject_->go();
  Stop stop = tracer_->next(false);
  while (!stop.is(Marker::kBegin) && stop.kind != Stop::Kind::kGone) stop = tracer_->next(false);
  stop = tracer_->next(false);  // the marker's answer
  while (true) {
    stop = tracer_->next(holder_holds_ || ordered_);
    settle_orders();
    if (stop.kind == Stop::Kind::kGone || stop.is(Marker::kEnd)) break;
    if (stop.marker() && stop.kind == Stop::Kind::kExit) continue;
    if (stop.kind == Stop::Kind::kBlocked && !holder_holds_) continue;
    world_->note(describe(stop, *tracer_));
    pass(stop);
    if (stop.kind == Stop::Kind::kBlocked) release_holder();
  }
  if (!event_.ends_subject) release_holder();  // before the operation is done again
  world_->operation_over = true;
  subject_over_ = stop.kind == Stop::Kind::kGone && !event_.cancels;
  tracer_.reset();
  if (stop.kind != Stop::Kind::kGone) {
    const auto deadline = steady_clock::now() + seconds(10);
    while (!world_->done && steady_clock::now() < deadline) std::this_thread::yield();
  }
  if (ordered_ && !event_.ends_subject && !subject_->other_thread().wait()) {
    world_->blame(kW1, "the other thread of the subject does not come to an end");
  }
}

void Cell::release_holder() {
  if (!std::exchange(holder_holds_, false)) return;
  world_->note("  the holder of the publication lock lets go");
  operation_.holder == Holder::kPeer ? ask_peer(PeerOrder::kLetGo) : order(Order::kLetGo);
}

bool can_strike(const Event& event, const Moment& moment) {
  if (event.fails.empty()) return !moment.exit || event.at_exits;
  return std::ranges::find_first_of(moment.errors, event.fails) != moment.errors.end();
}

// Counts the moment, and lets the event happen at its place.
void Cell::pass(const Stop& stop) {
  verdict_.moments.push_back({.name = name_of(stop),
                              .exit = stop.kind == Stop::Kind::kExit,
                              .errors = errors_of(stop, *tracer_)});
  const Moment& moment = verdict_.moments.back();
  if (!can_strike(event_, moment)) return;
  ++passed_;
  if (passed_ != place_.first && passed_ != place_.second) return;
  verdict_.struck = true;
  if (!event_.fails.empty()) return fail(stop, moment.errors);
  world_->note(fmt::format("* {}", event_.about));
  event_.strike(*this);
}

void Cell::fail(const Stop& stop, const std::vector<int>& errors) {
  const int error = *std::ranges::find_first_of(errors, event_.fails);
  world_->note("* it fails with " + errno_name(error));
  if (stop.number == SYS_unlinkat) draft_may_stay_ = true;
  tracer_->fail_call(error, stop.number == SYS_close);
}

void Cell::order(Order what) {
  Puppet& other = subject_->other_thread();
  other.order(static_cast<char>(what));
  ordered_ = true;
  const auto deadline = steady_clock::now() + seconds(3);
  while (!other.ready() && steady_clock::now() < deadline) {
    if (call_of(process()) == SYS_futex) return;  // the registry of descriptors, or malloc
    std::this_thread::sleep_for(microseconds(20));
  }
  settle_orders();
}

void Cell::settle_orders() {
  if (ordered_ && subject_->other_thread().ready()) ordered_ = false;
}

void Cell::ask_peer(PeerOrder what) {
  if (peer_ && !peer_->ask(what)) {
    world_->blame(kW2,
                  "the peer does not come to an end: " + peer_->puppet().child().state().text());
    peer_.reset();
  }
}

void Cell::kill_subject() {
  ::kill(process(), SIGKILL);
  killed_ = true;
}

// The kernel ends the other threads; a program that execs waits until the tracer has seen that.
void Cell::exec_subject() {
  subject_->other_thread().order(static_cast<char>(Order::kExec));
  const auto deadline = steady_clock::now() + seconds(5);
  while (!tracer_->over() && steady_clock::now() < deadline) tracer_->reap();
  std::string program;
  // What it had open is closed when it has come to its own code.
  while ((program != "cat" || call_of(process()) != SYS_read) && steady_clock::now() < deadline) {
    std::ifstream(fmt::format("/proc/{}/comm", process())) >> program;
  }
}

void Cell::wait_for_child() {
  const auto deadline = steady_clock::now() + kVisitLimit;
  while (!world_->child_done && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(microseconds(50));
  }
  if (!world_->child_done) world_->blame(kW1, "a child that uses the file does not come to an end");
}

void Cell::start_rival(const std::function<int()>& body) {
  rival_ = harness::Child([&] { return become(user()) ? body() : 1; });
  const auto deadline = steady_clock::now() + seconds(3);
  while (!rival_.poll().over() && steady_clock::now() < deadline && !waits_or_over(rival_.pid())) {
    std::this_thread::sleep_for(microseconds(20));
  }
}

// --- After ------------------------------------------------------------------------------------------

void Cell::judge_operation() {
  World& world = *world_;
  harness::Child& child = subject_->other_thread().child();
  if (event_.ends_subject) {
    if (!verdict_.struck) return;
    // What it had open is closed when the last of its threads is over, not only the one that was traced.
    if (killed_) static_cast<void>(child.wait());
    subject_over_ = true;
    world.owner = 0;
    world.guard_held = false;
    return;
  }
  if (subject_over_) {
    const harness::ChildState end = child.wait();
    const bool sigbus = end.died_of(SIGBUS) && event_.loses_file && operation_.touches_mapping;
    if (!sigbus) world.blame(kW5, "the subject " + end.text());
    world.owner = 0;
    return;
  }
  if (!world.done) {
    if (!event_.cancels) throw std::runtime_error("the operation does not come to an end");
    world.note("  its thread is over");
    world.guard_held = false;
    if (!subject_->other_thread().ask(static_cast<char>(Order::kUse))) {
      world.blame(kW6, "another thread of the subject does not come to an end");
    }
    return;
  }
  judge_error(world.error, false);
  if (world.error != -1 && !event_.fails.empty()) judge_error(world.error_again, true);
}

void Cell::judge_error(int code, bool again) {
  if (code == -1) return;
  const auto known = static_cast<ShmErrorCode>(code);
  const std::string_view name = operation_.name;
  if (again) {
    // The first call came so far that it need not be done again.
    if (name == "create" && known == ShmErrorCode::kFileExists) return;
    if (name == "remove" && known == ShmErrorCode::kFileOpen) return;
    return world_->blame(kW6, fmt::format("the next call fails: {}", to_string(known)));
  }
  const bool documented = std::ranges::find(operation_.errors, known) != operation_.errors.end();
  if (documented && event_.calls_fail()) return;
  if (event_.loses_file && says_so(code)) return;
  if (known == ShmErrorCode::kFenced && world_->clock_jumped) return;
  if (known == ShmErrorCode::kFileExists && name == "create" && rival_.pid() != 0) return;
  if (known == ShmErrorCode::kFileInUse && name == "remove" && rival_.pid() != 0) return;
  world_->blame(event_.calls_fail() ? kW6 : event_.property,
                fmt::format("the operation fails: {}", to_string(known)));
}

Visit Cell::newcomer(std::string who) const {
  return {.who = std::move(who),
          .blocked_readers = event_.lets_others_read,
          .user = world_->uid != 0 ? world_->uid.load() : user(),
          .property = event_.property};
}

// Whether those who have the files open have others than the names lead to, or a damaged one.
Cell::Lost Cell::names_lead_elsewhere() {
  const pid_t holder = peer_ ? peer_->puppet().child().pid() : process();
  Lost lost;
  if (!peer_ && subject_over_) return lost;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", holder), ignored)) {
    const std::string target = fs::read_symlink(entry.path(), ignored);
    const bool lock = target.starts_with(lab_.lock_path().string());
    if (!lock && !target.starts_with(lab_.path().string())) continue;
    const fs::path name = lock ? lab_.lock_path() : lab_.path();
    struct stat open = {};
    struct stat named = {};
    if (::stat(entry.path().c_str(), &open) != 0) continue;
    const bool other = ::stat(name.c_str(), &named) != 0 || named.st_ino != open.st_ino;
    (lock ? lost.lock_file : lost.file) |= other;
    if (lock || other) continue;
    lost.file |= std::ifstream(name, std::ios::binary).get() != 'F' ||
                 pages_mapped(holder, name) != (fs::file_size(name, ignored) + 4095) / 4096;
  }
  return lost;
}

void Cell::send_newcomers() {
  if (rival_.pid() != 0) {
    if (!rival_.wait_for(kVisitLimit).exited()) {
      world_->blame(event_.property, "the other process: " + rival_.state().text());
    }
    rival_.end();
  }
  if (peer_ && holder_holds_) ask_peer(PeerOrder::kLetGo);
  const auto [file_lost, lock_file_lost] = names_lead_elsewhere();
  const bool lost = file_lost || lock_file_lost;
  if (lost) world_->note("  the name leads elsewhere than those who have the file open");
  if (peer_) ask_peer(lost ? PeerOrder::kExpectLost : PeerOrder::kExpectFine);
  Visit first = newcomer("a newcomer");
  first.others_use_it = peer_ != nullptr;
  first.file_is_lost = lost;
  // Where the lock file was replaced it waits for names to end.
  if (!lock_file_lost || place_.first <= 1) send_newcomer(*world_, lab_.path(), first);
  if (peer_) {
    first.who = "a reader";
    first.may_read_only = true;
    send_newcomer(*world_, lab_.path(), first);
  }
}

void Cell::finish_subject() {
  Puppet& other = subject_->other_thread();
  if (!subject_over_) {
    if (!other.ask(static_cast<char>(Order::kFinish))) {
      world_->blame(kW6, "the subject does not come to an end: " + other.child().state().text());
    } else if (const int more = world_->unexpected_descriptors; more != 0) {
      world_->blame(kW6, fmt::format("the subject has {} descriptors more than before", more));
    } else if (const int mapped = world_->unexpected_mappings; mapped != 0) {
      world_->blame(kW6, fmt::format("the subject has {} mappings of what it closed", mapped));
    }
  }
  other.child().end();
  peer_.reset();
  world_->owner = 0;
}

// Nobody has the file open any more; only children of the subject may live.
void Cell::judge_remains() {
  if (!subject_over_ && !draft_may_stay_) {
    for (const std::string& draft : lab_.drafts()) {
      world_->blame(kW6, "a draft is left over: " + draft.substr(0, 22));
    }
  }
  const int recoveries = world_->recoveries;
  send_newcomer(*world_, lab_.path(), newcomer("the next first opener"));
  if (world_->recoveries == recoveries) {
    world_->blame(kW4, "nobody establishes the state of a file that nobody has open");
  }
  struct stat file = {};
  struct stat lock = {};
  const bool there = ::stat(lab_.path().c_str(), &file) == 0;
  if (!there || ::stat(lab_.lock_path().c_str(), &lock) != 0) {
    return world_->blame(kW5, "the file is not there after it was opened");
  }
  if (world_->uid != 0 && file.st_uid != world_->uid) {
    world_->blame(kW7, "the file does not belong to the owner of its database");
  }
  if (lock.st_uid != file.st_uid || (lock.st_mode & 0044) != 0) {
    world_->blame(kW7, "the lock file may be opened by others than those who may write");
  }
}

}  // namespace fsqlshm::world
