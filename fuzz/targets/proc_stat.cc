// Text into parse_proc_stat, against a parser that splits it plainly; now and then the liveness of
// this process, whose truth is known.

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "fsqlshm/process.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {
namespace {

constexpr DictionaryEntry kDictionary[] = {
    {"name", "42 (name) S "},
    {"close", ")"},
    {"zombie", ") Z "},
    {"space", " "},
    {"newline", "\n"},
    {"max", "18446744073709551615"},
    {"over", "18446744073709551616"},
    {"minus", "-1"},
};
constexpr std::string_view kReaches[] = {"parsed", "refused"};

bool number(const std::string& text, std::uint64_t& out) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
  const char* const end = text.data() + text.size();
  return std::from_chars(text.data(), end, out).ec == std::errc();
}

// proc(5): after the last ')', fields 3 and up, separated by spaces, on one line.
std::optional<ProcessStat> split(std::string text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  text.erase(0, name_end + 1);
  text.erase(std::min(text.find('\n'), text.size()));
  std::vector<std::string> fields;
  std::string field;
  for (const char c : text + " ") {
    if (c != ' ') {
      field += c;
    } else if (!field.empty()) {
      fields.push_back(std::exchange(field, ""));
    }
  }
  ProcessStat stat;
  if (fields.size() < 20 || fields[0].size() != 1) return std::nullopt;
  stat.state = fields[0][0];
  if (!number(fields[17], stat.threads) || !number(fields[19], stat.start_ticks)) {
    return std::nullopt;
  }
  return stat;
}

std::optional<Failure> check_liveness() {
  const ProcessIdentity self = this_process();
  const auto expect = [](bool expected, std::uint32_t pid, std::uint64_t birth,
                         const char* who) -> std::optional<Failure> {
    if (process_alive(pid, birth) == expected) return std::nullopt;
    return Failure{.property = std::string("process_alive: wrong about ") + who};
  };
  if (self.pid != static_cast<std::uint32_t>(::getpid()) || (self.birth & kKnownBirth) == 0) {
    return Failure{.property = "this_process: does not know itself"};
  }
  if (auto f = expect(true, self.pid, self.birth, "this process")) return f;
  if (auto f = expect(false, self.pid, self.birth + 1, "an earlier owner of this pid")) return f;
  if (auto f = expect(true, self.pid, 1, "a birth that cannot be compared")) return f;
  // Linux never hands out pids from 2^22 on.
  if (auto f = expect(false, 1U << 23, kKnownBirth | 1, "a pid that cannot be")) return f;
  return expect(false, 0xffffffff, kKnownBirth | 1, "a pid that is no pid");
}

std::optional<Failure> run(Bytes input) {
  static Counter parsed("parsed");
  static Counter refused("refused");
  const std::string text(input.begin(), input.end());
  const auto expected = split(text);
  const auto found = parse_proc_stat(text);
  (expected ? parsed : refused).add();
  const bool same =
      expected.has_value() == found.has_value() &&
      (!expected || (expected->state == found->state && expected->threads == found->threads &&
                     expected->start_ticks == found->start_ticks));
  if (!same) return Failure{.property = "parse_proc_stat: differs from a plain parser"};
  // Real look-ups take 50 microseconds.
  if (text.starts_with("42 (name)")) return check_liveness();
  return std::nullopt;
}

}  // namespace

constinit const Target kTarget = {
    .name = "proc_stat",
    .description = "the text of a /proc/PID/stat; a plain parser, now and then the truth",
    .max_size = 1024,
    .run = run,
    .dictionary = kDictionary,
    .reaches = kReaches,
    .weight = 0.5,
};

}  // namespace fsqlshm::fuzz
