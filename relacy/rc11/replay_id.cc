#include "relacy/rc11/replay_id.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <system_error>

#include "relacy/replay_id.h"

namespace fsqlshm::rc11 {
namespace {

constexpr std::string_view kKind = "rc11";

// Stores that are there and newer than position `position` of the whole graph.
std::size_t newer_stores(const Graph& graph, Location location, std::size_t position,
                         const Clock& there) {
  std::size_t newer = 0;
  const auto& order = graph.stores(location);
  for (std::size_t i = position; i < order.size(); ++i) newer += there.has(order[i]) ? 1 : 0;
  return newer;
}

class Steering {
 public:
  explicit Steering(const Program& program)
      : program_(program), replayer_(program), graph_(program) {}

  // A step of the thread; `back`: see ReplayId.
  bool take(int thread, bool dies, std::size_t back) {
    if (thread >= graph_.threads()) return false;
    if (dies) return die(thread, back);
    order_.push_back({static_cast<std::int16_t>(thread),
                      static_cast<std::uint8_t>(graph_.events(thread).size())});
    const Next next = replayer_.next(graph_, thread);
    if (next.kind != Next::Kind::kOperation) return false;
    const Location location = next.operation.location;
    const std::size_t newest = graph_.stores(location).size();
    if (back > newest) return false;
    if (!next.operation.reads()) return write(thread, next.operation, newest + 1 - back);
    if (!graph_.add_read(thread, next.operation, newest - back)) return false;
    return graph_.half_done() < 0 || write(thread, next.operation, newest - back + 1);
  }

  Steered result() && { return {std::move(graph_), std::move(order_)}; }

 private:
  bool write(int thread, const Operation& operation, std::size_t position) {
    return graph_.place(graph_.append_write(thread, operation), position) && graph_.consistent_sc();
  }

  bool die(int thread, std::size_t back) {
    const int alive = program_.threads[static_cast<std::size_t>(thread)].alive;
    if (alive < 0 || back > 0) return false;
    order_.push_back({static_cast<std::int16_t>(thread),
                      static_cast<std::uint8_t>(graph_.events(thread).size())});
    return write(thread, death_of(program_.threads[static_cast<std::size_t>(thread)]), 1);
  }

  const Program& program_;
  Replayer replayer_;
  Graph graph_;
  Steps order_;
};

}  // namespace

std::string ReplayId::text() const {
  std::string out = fmt::format("{}/{}/{}/{}", protocol, scenario, kKind, steps);
  if (weakening) out += fmt::format("@{}", relacy::to_text(*weakening));
  return out;
}

std::expected<ReplayId, std::string> ReplayId::parse(std::string_view text) {
  const auto refuse = [text](std::string_view why) {
    return std::unexpected(fmt::format("replay id \"{}\": {}", text, why));
  };
  ReplayId id;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    id.weakening = relacy::parse_weakening(rest.substr(at + 1));
    if (!id.weakening) return refuse("what comes after @ is no weakening");
    rest = rest.substr(0, at);
  }
  id.protocol = harness::take(rest, '/');
  id.scenario = harness::take(rest, '/');
  if (harness::take(rest, '/') != kKind) return refuse("expected PROTOCOL/SCENARIO/rc11/STEPS");
  id.steps = rest;
  if (rest.empty() || std::isalpha(static_cast<unsigned char>(rest.front())) == 0) {
    return refuse("a step begins with a letter");
  }
  for (const char c : rest) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0)
      return refuse("steps are letters and numbers");
  }
  return id;
}

std::string steps_text(const Graph& graph, const Steps& order) {
  std::string out;
  Clock there;
  for (const EventId id : order) {
    const Event& event = graph.event(id);
    out += static_cast<char>((event.is_death() ? 'A' : 'a') + id.thread);
    const std::size_t back =
        newer_stores(graph, event.location(),
                     event.is_write ? event.position : graph.position(event.from), there);
    if (back > 0) out += std::to_string(back);
    const bool pair = event.exclusive && !event.is_write;
    there.events[static_cast<std::size_t>(id.thread)] =
        static_cast<std::uint8_t>(id.index + (pair ? 2 : 1));
  }
  return out;
}

std::optional<Steered> steer(const Program& program, std::string_view steps) {
  Steering steering(program);
  while (!steps.empty()) {
    const char letter = steps.front();
    const bool dies = letter < 'a';
    std::size_t back = 0;
    const char* const end = steps.data() + steps.size();
    const auto [stop, error] = std::from_chars(steps.data() + 1, end, back);
    if (error == std::errc::result_out_of_range) return std::nullopt;
    if (!steering.take(letter - (dies ? 'A' : 'a'), dies, back)) return std::nullopt;
    steps.remove_prefix(static_cast<std::size_t>(stop - steps.data()));
  }
  return std::move(steering).result();
}

}  // namespace fsqlshm::rc11
