#include "stress/world/events.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <deque>
#include <memory>
#include <string_view>

#include "stress/world/faults.h"

namespace fsqlshm::world {
namespace {

namespace fs = std::filesystem;

// --- For which operations ---------------------------------------------------------------------------

bool any(const Operation&) { return true; }
bool has_peer(const Operation& operation) { return operation.scene >= Scene::kShared; }
bool has_file(const Operation& operation) { return operation.scene != Scene::kNoFile; }
bool is_open(const Operation& operation) { return operation.scene == Scene::kOpen; }
bool is_first_opener(const Operation& operation) { return operation.opens && !has_peer(operation); }
/// Not of those whose peer stands still too.
bool has_free_peer(const Operation& operation) {
  return has_peer(operation) && operation.holder != Operation::Holder::kPeer;
}

// --- Fork, exec, death, standstill ------------------------------------------------------------------

Event orders(const char* name, const char* about, Order what) {
  return {.name = name,
          .about = about,
          .applies = any,
          .strike = [what](Cell& cell) { cell.order(what); },
          .at_exits = true,
          .property = kW1};
}

// A child that lives on when its parent is killed.
Event orders_and_kills(const char* name, const char* about, Order what) {
  Event event = orders(name, about, what);
  event.strike = [what](Cell& cell) {
    cell.order(what);
    cell.kill_subject();
  };
  event.at_exits = false;
  event.ends_subject = true;
  event.property = kW2;
  return event;
}

std::vector<Event> forks() {
  Event use = orders("fork-use", "another thread forks; the child uses the file", Order::kForkUse);
  use.when_over = [](Cell& cell) { cell.wait_for_child(); };
  Event unwind =
      orders("fork-unwind", "another thread forks; the child unwinds past the guard and the file",
             Order::kForkUnwind);
  unwind.strike = [](Cell& cell) {
    cell.order(Order::kForkUnwind);
    if (has_free_peer(cell.operation())) cell.ask_peer(PeerOrder::kWork);
  };
  return {
      orders("fork-exit", "another thread forks; the child exits", Order::kForkExit),
      unwind,
      orders("fork-sleep", "another thread forks; the child sleeps for ever", Order::kForkSleep),
      orders("fork-exec", "another thread forks; the child execs and sleeps for ever",
             Order::kForkExec),
      use,
      orders("fork-kill", "another thread forks; the child is killed", Order::kForkAndKill),
      orders_and_kills("fork-sleep-die",
                       "another thread forks, the process is killed, the child sleeps for ever",
                       Order::kForkSleep),
      orders_and_kills("fork-exec-die",
                       "another thread forks, the process is killed, the child execs and sleeps",
                       Order::kForkExec),
  };
}

std::vector<Event> processes() {
  Event standard = orders("close-standard",
                          "another thread closes the standard descriptors, and writes to them when "
                          "the operation is over",
                          Order::kCloseStandard);
  standard.when_over = [](Cell& cell) { cell.order(Order::kWriteStandard); };
  standard.at_exits = false;
  standard.property = kW5;
  return {
      standard,
      {.name = "exec",
       .about = "another thread execs",
       .applies = any,
       .strike = [](Cell& cell) { cell.exec_subject(); },
       .ends_subject = true},
      {.name = "kill",
       .about = "the process is killed",
       .applies = any,
       .strike = [](Cell& cell) { cell.kill_subject(); },
       .ends_subject = true},
      {.name = "stop",
       .about = "the process stands still while its peer works",
       .applies = has_free_peer,
       .strike = [](Cell& cell) { cell.ask_peer(PeerOrder::kWork); },
       .property = kW3},
      {.name = "clock-jump",
       .about = "the peer works by a clock that is ahead: every lease is over",
       .applies = has_free_peer,
       .strike =
           [](Cell& cell) {
             cell.world().clock_jumped = true;
             cell.ask_peer(PeerOrder::kWorkLater);
           },
       .property = kW3},
      {.name = "cancel",
       .about = "the thread is cancelled",
       .applies = any,
       .strike = [](Cell& cell) { cell.order(Order::kCancel); },
       .cancels = true,
       .property = kW6},
      {.name = "signal",
       .about = "the thread handles a signal",
       .applies = any,
       .strike = [](Cell& cell) { ::syscall(SYS_tgkill, cell.process(), cell.thread(), SIGUSR1); },
       .at_exits = true,
       .property = kW6},
      {.name = "close-other",
       .about = "another thread closes another open of the file",
       .applies = is_open,
       .strike = [](Cell& cell) { cell.order(Order::kCloseOther); },
       .at_exits = true,
       .needs_other = true,
       .property = kW2},
  };
}

// --- The file and its name --------------------------------------------------------------------------

Event harms(const char* name, const char* about, std::function<void(Cell&)> strike,
            bool (*applies)(const Operation&) = has_file) {
  return {.name = name,
          .about = about,
          .applies = applies,
          .strike = std::move(strike),
          .loses_file = true,
          .property = kW5};
}

fs::path aside(Cell& cell) { return cell.lab().folder() / "aside"; }

std::vector<Event> files() {
  Event away =
      harms("rename-away", "the file is renamed, and gets its name back when the operation is over",
            [](Cell& cell) { ::rename(cell.lab().path().c_str(), aside(cell).c_str()); });
  away.when_over = [](Cell& cell) { ::rename(aside(cell).c_str(), cell.lab().path().c_str()); };
  return {
      harms("truncate", "the file is truncated",
            [](Cell& cell) { ::truncate(cell.lab().path().c_str(), 0); }),
      harms("regrow", "the file is truncated and gets its size back",
            [](Cell& cell) {
              const std::string path = cell.lab().path();
              struct stat status = {};
              if (::stat(path.c_str(), &status) != 0) return;  // it was removed
              ::truncate(path.c_str(), 0);
              ::truncate(path.c_str(), status.st_size);
            }),
      harms("replace", "another file takes its name",
            [](Cell& cell) {
              cell.lab().write_file(aside(cell), 4, false);
              ::rename(aside(cell).c_str(), cell.lab().path().c_str());
            }),
      harms("unlink", "the file is unlinked",
            [](Cell& cell) { ::unlink(cell.lab().path().c_str()); }),
      harms("unlink-lock", "the lock file is unlinked",
            [](Cell& cell) { ::unlink(cell.lab().lock_path().c_str()); }),
      harms("replace-lock", "another lock file takes its name; it keeps a name of its own",
            [](Cell& cell) {
              ::link(cell.lab().lock_path().c_str(), (cell.lab().folder() / "kept").c_str());
              ::close(::open(aside(cell).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
              ::rename(aside(cell).c_str(), cell.lab().lock_path().c_str());
            }),
      away,
      harms("copy-over", "another file is copied over it",
            [](Cell& cell) { cell.lab().write_file(cell.lab().path(), 4, true); }),
  };
}

// --- Who may ----------------------------------------------------------------------------------------

std::string needs_users(const Abilities& can) { return can.other_users; }

std::vector<Event> permissions() {
  const auto both = [](Cell& cell, auto&& change) {
    for (const std::string& file : {cell.lab().path().string(), cell.lab().lock_path().string()}) {
      change(file.c_str());
    }
  };
  Event mode = harms("chmod", "nobody may open the file until the operation is over",
                     [=](Cell& cell) { both(cell, [](const char* f) { ::chmod(f, 0); }); });
  mode.when_over = [=](Cell& cell) { both(cell, [](const char* f) { ::chmod(f, 0600); }); };
  Event owner = harms(
      "chown", "the file belongs to another user until the operation is over", [=](Cell& cell) {
        both(cell, [](const char* f) { static_cast<void>(::chown(f, kSomebody, kSomebody)); });
      });
  owner.when_over = [=](Cell& cell) {
    both(cell, [](const char* f) { static_cast<void>(::chown(f, kNobody, kNobody)); });
  };
  owner.cannot = needs_users;
  for (Event* each : {&mode, &owner}) {
    each->loses_file = false;
    each->starves = true;
    each->other_user = true;
    each->property = kW7;
  }
  const auto fd = std::make_shared<int>(-1);
  Event reader = {.name = "reader-locks",
                  .about = "a process that may only read locks all of the file",
                  .applies = has_file,
                  .strike =
                      [fd](Cell& cell) {
                        *fd = ::open(cell.lab().path().c_str(), O_RDONLY | O_CLOEXEC);
                        // In parts: one that the file's users are in the way of is not granted.
                        for (const off_t part : {0, 1, 2, 3}) {
                          struct flock lock = {};
                          lock.l_type = F_RDLCK;
                          lock.l_start = part << 61;
                          lock.l_len = part == 3 ? 0 : off_t{1} << 61;
                          ::fcntl(*fd, F_OFD_SETLK, &lock);
                        }
                      },
                  .lets_others_read = true,
                  .property = kW7};
  reader.put_back = [fd](Cell&) { ::close(std::exchange(*fd, -1)); };
  return {mode, owner, reader};
}

// --- Other processes --------------------------------------------------------------------------------

Event in_namespace(const char* name, const char* about, int which,
                   std::string (*cannot)(const Abilities&)) {
  return {.name = name,
          .about = about,
          .applies = has_free_peer,
          .strike =
              [which](Cell& cell) {
                send_newcomer(cell.world(), cell.lab().path(),
                              {.who = "a process of another namespace",
                               .others_use_it = true,
                               .subject_stands_still = true,
                               .namespaces = which,
                               .property = kW3});
              },
          .cannot = cannot,
          .property = kW3};
}

std::vector<Event> others() {
  const auto opens = [](Cell& cell) {
    cell.start_rival([&cell] {
      return visit(cell.world(), cell.lab().path(),
                   {.who = "the rival", .stays = true, .property = kW4});
    });
  };
  Event rival = {.name = "rival",
                 .about = "another process opens the file too",
                 .applies = is_first_opener,
                 .strike = opens,
                 .property = kW4};
  rival.when_over = [](Cell& cell) {
    cell.rival().wait_for(kVisitLimit);
    if (cell.rival().pid() != 0 && cell.world().recoveries > 1) {
      cell.world().blame(kW4, "the state is established twice");
    }
  };
  Event heir = {.name = "rival-then-kill",
                .about = "another process opens the file too, and the first opener is killed",
                .applies = is_first_opener,
                .strike =
                    [opens](Cell& cell) {
                      opens(cell);
                      cell.kill_subject();
                    },
                .ends_subject = true,
                .property = kW4};
  Event remover = harms("remove", "another process removes the file", [](Cell& cell) {
    cell.start_rival([&cell] {
      const auto removed = ShmFile::remove(cell.lab().path());
      cell.world().note(removed ? "  it is removed" : "  " + removed.error().message());
      if (removed && has_peer(cell.operation())) {
        cell.world().blame(kW5, "a file that is in use is removed");
      }
      return 0;
    });
  });
  return {
      rival,
      heir,
      remover,
      in_namespace("pid-namespace", "a process of another pid namespace works", CLONE_NEWPID,
                   [](const Abilities& can) { return can.pid_namespace; }),
      in_namespace("time-namespace", "a process of another time namespace works", CLONE_NEWTIME,
                   [](const Abilities& can) { return can.time_namespace; }),
  };
}

// --- Limits and failures ----------------------------------------------------------------------------

void limit_descriptors(Cell& cell, rlim_t most) {
  struct rlimit limit = {};
  ::prlimit(cell.process(), RLIMIT_NOFILE, nullptr, &limit);
  limit.rlim_cur = most;
  ::prlimit(cell.process(), RLIMIT_NOFILE, &limit, nullptr);
}

std::vector<Event> limits() {
  Event descriptors = harms(
      "descriptor-limit", "the process may open no more descriptors",
      [](Cell& cell) { limit_descriptors(cell, 1); }, any);
  descriptors.cannot = [](const Abilities& can) { return can.no_descriptors; };
  descriptors.when_over = [](Cell& cell) { limit_descriptors(cell, 1024); };
  Event disk = harms(
      "full-disk", "the disk is full until the operation is over",
      [](Cell& cell) { cell.lab().fill_disk(); }, any);
  disk.when_over = [](Cell& cell) { fs::remove(cell.lab().folder() / "filler"); };
  disk.cannot = [](const Abilities& can) { return can.small_disk; };
  for (Event* each : {&descriptors, &disk}) {
    each->loses_file = false;
    each->starves = true;
    each->property = kW6;
  }
  return {descriptors, disk};
}

// One row for each errno, and one for pairs of calls.
std::vector<Event> failures() {
  static std::deque<std::string> texts;  // their addresses stay
  std::vector<Event> all;
  const auto add = [&](const char* name, const char* about, std::vector<int> errors) {
    all.push_back({.name = name,
                   .about = about,
                   .applies = any,
                   .strike = {},
                   .fails = std::move(errors),
                   .property = kW6});
  };
  for (const int error : kErrnos) {
    const char* const name = texts.emplace_back(errno_name(error)).c_str();
    add(name, texts.emplace_back(std::string("a call fails with ") + name).c_str(), {error});
  }
  add("two-fail", "two calls fail, one after the other", {std::begin(kErrnos), std::end(kErrnos)});
  return all;
}

}  // namespace

const std::vector<Event>& events() {
  static const std::vector<Event> kAll = [] {
    std::vector<Event> together;
    for (auto&& part :
         {forks(), processes(), files(), permissions(), others(), limits(), failures()}) {
      together.insert(together.end(), part.begin(), part.end());
    }
    return together;
  }();
  return kAll;
}

const Event& no_event() {
  static const Event kNone = {.name = "nothing",
                              .about = "nothing happens",
                              .applies = any,
                              .strike = {},
                              .at_exits = true};
  return kNone;
}

}  // namespace fsqlshm::world
