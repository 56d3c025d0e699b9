// Means are of the steps of this process: a run that went on in the middle of an epoch has its rest.
#include "tools/train/epoch_lines.h"

#include "engine/printed.h"

namespace md {

void EpochMeans::add(const StepLosses& losses) {
  if (losses.skipped()) return;
  ++steps_;
  total_ += losses.total;
  if (parts_.empty()) {
    for (const StepLosses::Part& part : losses.parts) parts_.push_back({part.name, 0});
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) parts_[i].value += losses.part(parts_[i].name);
}

std::string EpochMeans::text() const {
  if (empty()) return "no loss: every step was skipped";
  std::string text = printed("loss %.3f", total_ / double(steps_));
  if (parts_.size() < 2) return text;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    text += printed("%s%s %.3f", i == 0 ? " = " : " + ", parts_[i].name.c_str(), parts_[i].value / double(steps_));
  return text;
}

std::string epoch_line(i64 epoch, i64 epochs, const EpochMeans& means, const Metrics* measures, double left_s) {
  const std::string all = std::to_string(epochs);
  std::string line = printed("epoch %*lld/%s  ", int(all.size()), static_cast<long long>(epoch), all.c_str());
  line += means.text();
  if (measures) line += printed("  AbsRel %.3f  d1 %.3f", measures->abs_rel, measures->d1);
  return line + (epoch < epochs ? "  " + duration_text(left_s) + " left" : "");
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole < 60) return printed("%lld s", whole);
  if (whole < 3600) return printed("%lld:%02lld", whole / 60, whole % 60);
  return printed("%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

}  // namespace md
