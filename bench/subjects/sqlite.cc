#include <sqlite3.h>

#include <bit>
#include <memory>
#include <stdexcept>
#include <string>

#include "folder.h"
#include "publisher.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

/// One row in a database in WAL mode; each handle is a connection, with its statements prepared.
class Sqlite {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "sqlite",
      .source = "SQLite, a row in WAL mode",
      .call =
          "a prepared SELECT: sqlite3_step, three sqlite3_column_int64, sqlite3_reset; a prepared "
          "UPDATE (synchronous=NORMAL; the file in memory)",
      .adds =
          "SQL; any number of rows and values; transactions, durable if wanted; any number of "
          "publishers; readers never wait for a publisher, also after a death, and keep what they "
          "read",
      .lacks = "a reader that stays holds back the checkpoint",
      .peer = true};

  struct Memory {
    Memory() {
      const Sqlite first(*this,
                         "CREATE TABLE snapshot(commit_seq, schema_epoch, ecs_epoch);"
                         "INSERT INTO snapshot VALUES(0, 0, 0)");
    }
    Folder folder;
  };

  explicit Sqlite(Memory& memory) : Sqlite(memory, "") {}
  void move_by(std::size_t bytes) noexcept {
    select_ = reinterpret_cast<sqlite3_stmt*>(reinterpret_cast<std::byte*>(select_) + bytes);
  }
  [[nodiscard]] Triple read() const {
    if (sqlite3_step(select_) != SQLITE_ROW) fail();
    const auto column = [&](int i) {
      return std::bit_cast<std::uint64_t>(sqlite3_column_int64(select_, i));
    };
    const Triple triple = {column(0), column(1), column(2)};
    sqlite3_reset(select_);
    return triple;
  }
  [[nodiscard]] bool try_read(Triple& triple) const {
    triple = read();
    return true;
  }
  void publish(const Triple& triple) {
    const auto bind = [&](int i, std::uint64_t value) {
      sqlite3_bind_int64(update_, i, std::bit_cast<std::int64_t>(value));
    };
    bind(1, triple.commit_seq);
    bind(2, triple.schema_epoch);
    bind(3, triple.ecs_epoch);
    if (sqlite3_step(update_) != SQLITE_DONE) fail();
    sqlite3_reset(update_);
  }

  void die_within_publish() {
    execute("BEGIN IMMEDIATE");
    publish(triple_of(9));
    die();
  }
  void recover(const Triple& triple) { publish(triple); }

 private:
  struct Finalize {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  Sqlite(Memory& memory, const char* create) {
    sqlite3* opened = nullptr;
    // A connection is used by one thread at a time.
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int status =
        sqlite3_open_v2(memory.folder.path("db.sqlite").c_str(), &opened, flags, nullptr);
    connection_.reset(opened);
    if (status != SQLITE_OK) fail();
    sqlite3_busy_timeout(opened, 10'000);
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=NORMAL");
    execute(create);
    selects_ = prepare("SELECT commit_seq, schema_epoch, ecs_epoch FROM snapshot");
    updates_ = prepare("UPDATE snapshot SET commit_seq = ?, schema_epoch = ?, ecs_epoch = ?");
    select_ = selects_.get();
    update_ = updates_.get();
  }

  [[noreturn]] void fail() const {
    throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(connection_.get()));
  }
  void execute(const char* sql) const {
    if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }
  [[nodiscard]] Statement prepare(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK) {
      fail();
    }
    return Statement(statement);
  }

  std::unique_ptr<sqlite3, Finalize> connection_;
  Statement selects_;
  Statement updates_;
  sqlite3_stmt* select_ = nullptr;  // selects_, which a chain of dependent reads moves by 0
  sqlite3_stmt* update_ = nullptr;
};

[[maybe_unused]] const bool kAdded = add_subject<Sqlite>();

}  // namespace
}  // namespace fsqlshm::bench
