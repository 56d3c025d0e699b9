// Small data goes as JSON.
#include "tools/train/rank_share.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/sha256.h"

namespace md {
namespace {

nlohmann::json json_of(const Batch& batch, int signal) {
  nlohmann::json bad = nlohmann::json::array();
  for (const BadFrame& frame : batch.bad) bad.push_back({frame.name, frame.replacement, frame.why, int(frame.kind)});
  return {{"names", batch.names}, {"measured", batch.measured}, {"bad", bad}, {"signal", signal}};
}

}  // namespace

int samples_of_rank(int batch, const Communicator& ranks) {
  if (batch % ranks.size() != 0)
    fail(ErrorKind::usage, "--batch ", batch, " does not divide into ", ranks.size(), " ranks");
  return batch / ranks.size();
}

std::vector<int> places_of_rank(int batch, int accumulate, const Communicator& ranks) {
  std::vector<int> places;
  if (ranks.size() == 1) return places;
  const int each = samples_of_rank(batch, ranks);
  for (int part = 0; part < accumulate; ++part) {
    for (int i = 0; i < each; ++i) places.push_back(part * batch + ranks.rank() * each + i);
  }
  return places;
}

int share(Batch& batch, int accumulate, int signal, Communicator& ranks) {
  using nlohmann::json;
  std::vector<json> of_ranks;
  const std::string mine = json_of(batch, signal).dump(-1, ' ', false, json::error_handler_t::replace);
  for (const std::string& text : ranks.gather(mine)) of_ranks.push_back(json::parse(text));
  const std::size_t parts = std::size_t(accumulate), each = batch.names.size() / parts;
  batch.names.clear();
  batch.measured.clear();
  batch.bad.clear();
  for (std::size_t part = 0; part < parts; ++part) {
    for (const json& of_rank : of_ranks) {
      for (std::size_t i = part * each; i < (part + 1) * each; ++i) {
        batch.names.push_back(of_rank["names"][i]);
        batch.measured.push_back(of_rank["measured"][i]);
      }
    }
  }
  int first_signal = 0;
  for (const json& of_rank : of_ranks) {
    for (const auto& bad : of_rank["bad"]) batch.bad.push_back({bad[0], bad[1], bad[2], ErrorKind(int(bad[3]))});
    if (first_signal == 0) first_signal = of_rank["signal"];
  }
  return first_signal;
}

void take_statistics_of_first(const Module& net, Communicator& ranks) {
  if (ranks.size() == 1) return;
  std::string mine;
  for (const Module::Entry& entry : net.buffers()) {
    const Tensor here = entry.tensor.to(Device{});
    if (ranks.rank() == 0) mine.append(static_cast<const char*>(here.raw()), here.bytes());
  }
  const std::string first = ranks.gather(mine).front();
  std::size_t at = 0;
  for (const Module::Entry& entry : net.buffers()) {
    const Tensor here = Tensor::empty(entry.tensor.shape(), {}, entry.tensor.dtype());
    std::memcpy(here.raw(), first.data() + at, here.bytes());
    entry.tensor.copy_from(here);
    at += here.bytes();
  }
}

void require_same_beginning(const Module& net, i64 step, Communicator& ranks) {
  if (ranks.size() == 1) return;
  Sha256 digest;
  digest.update(&step, sizeof step);
  for (const Module::Entry& entry : net.entries()) {
    const Tensor here = entry.tensor.to(Device{});
    digest.update(here.raw(), here.bytes());
  }
  const std::vector<std::string> all = ranks.gather(digest.finish());
  if (all.front() != all[std::size_t(ranks.rank())])
    fail(ErrorKind::bad_data, "begins at step ", step, " with other weights than rank 0, or at another step");
}

}  // namespace md
