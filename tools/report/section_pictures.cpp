// The frames that are worth a look, asked for again from every method; section_features.cpp has the features of some.
#include <algorithm>
#include <cmath>

#include "engine/printed.h"
#include "tools/report/frame_choice.h"
#include "tools/report/frame_pictures.h"
#include "tools/report/section_features.h"
#include "tools/report/sections.h"

namespace md {
namespace {

using nlohmann::json;
using Subjects = std::vector<ReportSubject>;

constexpr std::size_t kPicturesBytes = 2'300'000;  // of all pictures together, in the page: at most 3 MB with the rest
constexpr std::size_t kPictureBytes = 48'000;      // of one, at most
constexpr int kFeatureFrames = 3, kFewFrames = 12;

/// Of the chosen frames so many are shown with their features: the worst, the middle and the best.
std::vector<std::size_t> feature_places(std::size_t frames) {
  std::vector<std::size_t> places;
  const std::size_t count = std::min<std::size_t>(frames, kFeatureFrames);
  for (std::size_t i = 0; i < count; ++i) places.push_back(count == 1 ? 0 : i * (frames - 1) / (count - 1));
  return places;
}

std::vector<ShownSubject> show_all(const Subjects& subjects, const std::vector<ChosenFrame>& chosen) {
  const std::vector<std::size_t> with_features = feature_places(chosen.size());
  std::vector<ShownSubject> shown;
  for (std::size_t s = 0; s < subjects.size(); ++s) {
    if (!subjects[s].evaluated) continue;
    ShownSubject& subject = shown.emplace_back(ShownSubject{s});
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const bool features = std::ranges::find(with_features, i) != with_features.end();
      subject.frames.push_back(show_frame(subjects[s].evaluated->source, chosen[i].index, features));
    }
  }
  return shown;
}

PictureBudget budget_of(std::size_t pictures, int frames) {
  return {.width = frames > kFewFrames ? 256 : 360, .bytes = std::min(kPictureBytes, kPicturesBytes / pictures)};
}

json frames_of(const Subjects& subjects, const std::vector<ShownSubject>& shown, const std::vector<ChosenFrame>& chosen,
               const PictureBudget& budget) {
  std::vector<std::string> names;
  for (const ShownSubject& subject : shown) names.push_back(subjects[subject.place].name);
  json frames = json::array();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    std::vector<const ShownFrame*> of_all;
    for (const ShownSubject& subject : shown) of_all.push_back(&subject.frames[i]);
    json frame = frame_pictures(of_all, names, budget);
    frame["why"] = chosen[i].why;
    frame["number"] = chosen[i].index + 1;
    for (const ShownSubject& subject : shown) {
      json values = key_of(subjects, subject.place);
      const Metrics& metrics = subject.frames[i].metrics;
      values["abs_rel"] = printed("%.3f", metrics.abs_rel);
      values["rmse"] = printed("%.3f", metrics.rmse);
      values["d1"] = printed("%.3f", metrics.d1);
      frame["measures"].push_back(values);
    }
    frames.push_back(frame);
  }
  return frames;
}

}  // namespace

PictureSections picture_sections(const Subjects& subjects, const ReportSpec& spec) {
  std::vector<const Evaluation*> evaluations;
  for (const ReportSubject* subject : evaluated_subjects(subjects))
    evaluations.push_back(&subject->evaluated->results.evaluation);
  if (evaluations.empty() || spec.frames == 0) return {};
  const std::vector<ChosenFrame> chosen = choose_frames(evaluations, spec.frames);
  if (chosen.empty()) return {};
  const std::vector<ShownSubject> shown = show_all(subjects, chosen);
  const std::size_t of_frames = chosen.size() * (2 + 2 * shown.size()), of_features = 3 * kFeatureFrames * shown.size();
  const PictureBudget budget = budget_of(of_frames + of_features, int(chosen.size()));
  return {json{{"list", frames_of(subjects, shown, chosen, budget)}}, features_section(subjects, shown, spec, budget)};
}

}  // namespace md
