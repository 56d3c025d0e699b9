// The config is there before the first step, so that a run that died can be told apart and repeated.
#include "tools/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "engine/check.h"
#include "engine/durable_file.h"
#include "engine/printed.h"
#include "tools/run/event_file.h"

namespace md {

namespace fs = std::filesystem;

namespace {

constexpr int kStepDigits = 9;
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kLast = "last.safetensors";
constexpr const char* kBest = "best.safetensors";
constexpr const char* kEvents = "events.out.tfevents.mdtrain";  // and with .0002, .0003; TensorBoard knows "tfevents"
constexpr int kEventFileDigits = 4;
constexpr std::size_t kFirstRecordBytes = 64;  // more than the time in it takes

double unix_time_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// With zeros in front, so that names sort as numbers do.
std::string step_name(i64 step) {
  return printed("step-%0*lld.safetensors", kStepDigits, static_cast<long long>(step));
}

/// Likewise of the n-th event file of a run, counted from 1.
std::string events_name(i64 n) {
  return n == 1 ? kEvents : printed("%s.%0*lld", kEvents, kEventFileDigits, static_cast<long long>(n));
}

/// The names in a folder that begin with `prefix`, last in the alphabet first.
std::vector<fs::path> files_from_last(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().filename().string().starts_with(prefix)) found.push_back(at->path());
  std::sort(found.rbegin(), found.rend());
  return found;
}

/// What DurableFile and OutputFolder leave behind where the process was killed.
void sweep(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::path& file : files_from_last(folder, "")) {
    const std::string name = file.filename().string();
    if (name.find(".tmp.") != name.npos || name.starts_with(".partial-")) fs::remove_all(file, ignored);
  }
}

/// The fresh folder's path, once it is known to be empty.
const fs::path& require_empty(const fs::path& path) {
  std::error_code unreadable;
  if (!fs::is_empty(path, unreadable))
    fail(ErrorKind::cannot_write, "--out ", path.string(),
         ": not empty; a run begins in a new folder (--resume continues)");
  return path;
}

bool same_file(int fd, const fs::path& path) {
  struct stat open_one {
  }, named{};
  return ::fstat(fd, &open_one) == 0 && ::stat(path.c_str(), &named) == 0 && open_one.st_ino == named.st_ino;
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder) : file_(folder / "lock") {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  do {  // again where the holder removed the file between our open and our lock
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) fail(ErrorKind::cannot_write, file_.string(), ": cannot write: ", std::strerror(errno));
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      std::array<char, 300> holder{};
      const ssize_t got = ::pread(fd_, holder.data(), holder.size() - 1, 0);
      ::close(fd_);
      fail(ErrorKind::cannot_write, folder.string(), ": in use by ", got > 0 ? holder.data() : "another process");
    }
  } while (!same_file(fd_, file_));
  const std::string mine = cat("process ", ::getpid(), " on ", host.data());
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, mine.data(), mine.size(), 0) != ssize_t(mine.size()))
    fail(ErrorKind::cannot_write, file_.string(), ": cannot write: ", std::strerror(errno));
}

FolderLock::~FolderLock() {
  ::unlink(file_.c_str());
  ::close(fd_);
}

RunFolder::RunFolder(const std::string& path, Begin begin)
    : folder_("--out", path),
      lock_(begin == Begin::anew ? require_empty(folder_.path()) : folder_.path()),
      ran_(begin == Begin::resumed) {
  if (begin == Begin::resumed) sweep(folder_.path());
}

RunFolder::~RunFolder() {
  if (ran_) return;
  std::error_code ignored;
  for (const char* name : {kMetrics, "config.toml", "lock"}) fs::remove(file(name), ignored);
}

std::string RunFolder::last() const { return file(kLast); }
std::string RunFolder::best() const { return file(kBest); }

void RunFolder::write_config(const std::string& toml) {
  write_file_durably(config_file(folder_.path().string()), toml);
  open_metrics();
}

void RunFolder::open_metrics() {
  metrics_.open(file(kMetrics), std::ios::app);
  if (!metrics_) fail(ErrorKind::cannot_write, file(kMetrics), ": cannot write");
}

void RunFolder::open_events() {
  i64 n = 1;
  while (fs::exists(file(events_name(n)))) ++n;
  events_file_ = file(events_name(n));
  events_.open(events_file_, std::ios::binary);
  events_ << (new_events_.empty() ? first_event_records(unix_time_s(), 0) : std::exchange(new_events_, ""));
}

void RunFolder::log(nlohmann::ordered_json line) {
  line["time"] = unix_time_s();
  metrics_ << line.dump() << std::endl;
  if (!metrics_) fail(ErrorKind::cannot_write, file(kMetrics), ": cannot write");
  ran_ = true;
  if (!events_.is_open()) open_events();
  events_ << event_record(line) << std::flush;
  if (!events_) fail(ErrorKind::cannot_write, events_file_, ": cannot write");
}

void RunFolder::sync_logs() const {
  for (const std::string& name : {file(kMetrics), events_file_}) {
    if (name.empty()) continue;  // no line yet
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    const int why = errno;
    if (fd >= 0) ::close(fd);
    if (!synced) fail(ErrorKind::cannot_write, name, ": cannot write: ", std::strerror(why));
  }
}

void RunFolder::rewind(i64 step, i64 evaluated) {
  metrics_.close();
  events_.close();
  std::ifstream old(file(kMetrics));
  std::string kept;
  std::vector<nlohmann::ordered_json> kept_lines;
  i64 forget_from = fs::exists(file(kEvents)) ? step + 1 : 0;
  for (std::string line; std::getline(old, line);) {
    const auto parsed = nlohmann::ordered_json::parse(line, nullptr, false);
    const bool whole = parsed.is_object() && parsed.contains("time") && parsed.contains("step");
    if (!whole || !parsed["step"].is_number()) continue;
    if (parsed["step"] > (parsed.contains("eval") ? evaluated : step)) {
      forget_from = std::min(forget_from, parsed["step"].get<i64>());  // of an evaluation: may be `step`
      continue;
    }
    kept += line + "\n";
    kept_lines.push_back(parsed);
  }
  new_events_ = first_event_records(unix_time_s(), forget_from);
  for (const auto& line : kept_lines) {
    if (line["step"] >= forget_from) new_events_ += event_record(line);
  }
  write_file_durably(file(kMetrics), kept);
  open_metrics();
}

void RunFolder::keep_last(i64 step, int keep) const {
  if (keep <= 1) return;
  const std::string last = this->last(), named = file(step_name(step));
  std::error_code error;
  fs::remove(named, error);
  fs::create_hard_link(last, named, error);  // last is replaced by renaming: the link keeps what it is now
  if (error) fs::copy_file(last, named, fs::copy_options::overwrite_existing, error);
  if (error) fail(ErrorKind::cannot_write, named, ": cannot write: ", error.message());
  const std::vector<fs::path> kept = files_from_last(folder_.path(), "step-");
  for (std::size_t i = std::size_t(keep); i < kept.size(); ++i) fs::remove(kept[i], error);
}

std::string config_file(const std::string& run) { return (fs::path(run) / "config.toml").string(); }

std::string metrics_file(const std::string& run) { return (fs::path(run) / kMetrics).string(); }
std::string best_network(const std::string& run) { return (fs::path(run) / kBest).string(); }

std::vector<double> continuations_s(const std::string& run) {
  std::vector<double> times;
  for (i64 n = 2;; ++n) {
    std::ifstream file(fs::path(run) / events_name(n), std::ios::binary);
    if (!file) return times;
    std::string record(kFirstRecordBytes, '\0');
    file.read(record.data(), std::streamsize(record.size()));
    if (const std::optional<double> time_s = first_event_time_s(record)) times.push_back(*time_s);
  }
}

std::vector<std::string> checkpoints(const std::string& run) {
  std::vector<std::string> found;
  const fs::path last = fs::path(run) / kLast;
  std::error_code ignored;
  if (fs::exists(last, ignored)) found.push_back(last.string());
  for (const fs::path& file : files_from_last(run, "step-")) found.push_back(file.string());
  return found;
}

}  // namespace md
