// The documents that engines write keep to harness/schema/result.json, as those of the scripts do.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <fstream>
#include <iterator>
#include <string>

#include "harness/result.h"

namespace fsqlshm::harness {
namespace {

rapidjson::Document parse(const std::string& text) {
  rapidjson::Document document;
  document.Parse(text.c_str());
  EXPECT_FALSE(document.HasParseError()) << text;
  return document;
}

// What is wrong with a document, "/findings/0/severity: enum"; empty if it keeps to the schema.
std::string problem(const nlohmann::json& document) {
  static const rapidjson::SchemaDocument schema{[] {
    std::ifstream file(FSQLSHM_SCHEMA);
    EXPECT_TRUE(file) << FSQLSHM_SCHEMA;
    return parse({std::istreambuf_iterator<char>(file), {}});
  }()};
  rapidjson::SchemaValidator validator(schema);
  if (parse(document.dump()).Accept(validator)) return {};
  rapidjson::StringBuffer where;
  validator.GetInvalidDocumentPointer().Stringify(where);
  return fmt::format("{}: {}", where.GetString(), validator.GetInvalidSchemaKeyword());
}

Result everything() {
  Result result("relacy", "hardened");
  result.seed = 7;
  result.budget = {{"seconds", 60}};
  result.counts = {{"executions", 1000}, {"coverage", 16.5}};
  result.headline = "1 k executions";
  result.details = {{"scenarios", {{{"name", "publish1-load1"}, {"executions", 5}}}}};
  result.findings.push_back(
      {.severity = "expected",
       .property = "P2 integrity",
       .defect = "D3",
       .title = "a lease was lost",
       .file = "core/include/fsqlshm/reference/writer_indicator.h",
       .line = 45,
       .artefacts = {"input"},
       .trace = {{"threads", {"writer 1"}}, {"steps", {{{"thread", 0}, {"operation", "load"}}}}}});
  return result;
}

TEST(Schema, EveryKindOfResultKeepsToIt) {
  EXPECT_EQ(problem(Result("golden", "both").to_json()), "");
  EXPECT_EQ(problem(everything().to_json()), "");
  Result failed("stress", "reference");
  failed.could_not_run = "no /dev/shm";
  failed.findings.push_back({.severity = "vacuous", .property = "reach", .title = "never killed"});
  EXPECT_EQ(problem(failed.to_json()), "");
}

TEST(Schema, RefusesWhatScriptsCouldNotRead) {
  Result result = everything();
  result.findings[0].severity = "bad";
  EXPECT_EQ(problem(result.to_json()), "/findings/0/severity: enum");
  result = everything();
  result.findings[0].defect = "the third";
  EXPECT_EQ(problem(result.to_json()), "/findings/0/defect: pattern");
  result = everything();
  result.counts["executions"] = "many";
  EXPECT_EQ(problem(result.to_json()), "/counts/executions: type");
  result = everything();
  result.details["scenarios"] = 3;
  EXPECT_EQ(problem(result.to_json()), "/details/scenarios: type");
  nlohmann::json document = everything().to_json();
  document.erase("headline");
  EXPECT_EQ(problem(document), ": required");
}

}  // namespace
}  // namespace fsqlshm::harness
