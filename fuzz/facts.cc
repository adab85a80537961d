#include "fuzz/facts.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "fuzz/stats.h"

namespace fsqlshm::fuzz {
namespace {

using Json = nlohmann::ordered_json;

std::string& facts_path() {
  static std::string path;
  return path;
}

// Texts of failures may hold bytes of an input.
std::string dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_facts(const Json& failure) {
  Json counters = Json::object();
  for (const Counter* c = Counter::first(); c != nullptr; c = c->next()) {
    counters[c->name()] = counter_value(c->name());
  }
  std::ofstream(facts_path()) << dump({{"counters", counters}, {"failure", failure}});
}

}  // namespace

std::string title(const Failure& failure) {
  const std::string defect(failure.defect);
  return defect.empty() ? failure.property : defect + ": " + failure.property;
}

const KnownFault* shown_fault(const Target& target, const Failure& failure) {
  for (const KnownFault& fault : target.known_faults) {
    if (fault.property.empty() ? failure.defect == fault.name
                               : failure.property == fault.property) {
      return &fault;
    }
  }
  return nullptr;
}

std::string report(const Target& target, const Failure& failure, const Bytes* input) {
  std::string text = "FAILED " + std::string(target.name) + ": " + title(failure) + "\n";
  if (!failure.detail.empty()) text += failure.detail + "\n";
  if (target.explain != nullptr && input != nullptr) text += target.explain(*input);
  return text;
}

std::string describe(const Target& target) {
  Json dictionary = Json::object();
  for (const DictionaryEntry& entry : target.dictionary) {
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(entry.bytes.data());
    dictionary[entry.name] = wire::hex({bytes, entry.bytes.size()});
  }
  Json faults = Json::array();
  for (const KnownFault& fault : target.known_faults) {
    faults.push_back({{"name", fault.name},
                      {"property", fault.property},
                      {"option", fault.option},
                      {"searched", fault.searched}});
  }
  Json share;
  if (!target.share.counter.empty()) {
    share = {{"counter", target.share.counter}, {"at_least", target.share.at_least}};
  }
  return dump({{"name", target.name},
               {"description", target.description},
               {"max_size", target.max_size},
               {"weight", target.weight},
               {"seeds_of", target.seeds_of.empty() ? target.name : target.seeds_of},
               {"dictionary", dictionary},
               {"reaches", Json(target.reaches)},
               {"share", share},
               {"takes_subject", target.takes_subject},
               {"known_faults", faults}});
}

void keep_facts(std::string path) {
  facts_path() = std::move(path);
  std::atexit([] { write_facts(nullptr); });
}

void keep_failure(const Target& target, const Failure& failure, const std::string& text) {
  if (facts_path().empty()) return;
  const KnownFault* const fault = shown_fault(target, failure);
  write_facts({{"title", title(failure)},
               {"property", failure.property},
               {"defect", failure.defect},
               {"fault", fault != nullptr ? Json(fault->name) : Json()},
               {"text", text}});
}

}  // namespace fsqlshm::fuzz
