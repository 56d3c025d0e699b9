// The shifts are those that training would draw in a first step (losses/metric_depth.h).
#include <algorithm>
#include <filesystem>

#include "engine/metric_depth_formula.h"
#include "engine/printed.h"
#include "engine/text.h"
#include "tools/figure/figures.h"
#include "tools/figure/grid.h"
#include "tools/figure/pair_classes.h"
#include "tools/report/feature_pictures.h"
#include "tools/report/frame_pictures.h"

namespace md {
namespace {

constexpr int kCellWidth = 290, kColumns = 4;
constexpr std::size_t kShown = 3;  // rolled maps, and swapped ones

using Shift = MetricDepthPairs::Shift;

/// One sample of the anchor.
struct SampledPair {
  Shift shift;
  i64 image, row, column;        // of the sample
  float depth_m = 0, apart = 0;  // apart: D_r
  PairClass kind = {};
};

/// The map [h,w,...] as torch.roll gives it: what the anchor's place then holds is its sample.
Tensor rolled(const Tensor& map, const Shift& shift) {
  const int h = int(map.dim(0)), w = int(map.dim(1));
  const i64 channels = map.numel() / (i64(h) * w);
  const PairNeighbour sample = neighbour_of(shift, true, 1, h, w);
  const Tensor out = Tensor::empty(map.shape());
  float* to = out.data();
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x)
      to = std::copy_n(map.data() + (i64(wrapped(y + sample.row, h)) * w + wrapped(x + sample.column, w)) * channels,
                       channels, to);
  }
  return out;
}

std::string file_of(const FigureFrame& frame) { return std::filesystem::path(frame.name).filename().string(); }

/// A figure under way.
class SamplingFigure {
 public:
  explicit SamplingFigure(const FigureSpec& spec) : spec_(spec), grid_(kColumns, kCellWidth) {
    for (const FigureFrame& frame : spec.frames) {
      if (!spec.nets.empty()) features_.push_back(spec.nets.front().predict(frame).features);
      depth_m_.push_back(depth_for(frame, features_.empty() ? frame.gt_m : features_.back(), "sampling"));
      if (depth_m_.back().shape() != depth_m_.front().shape())
        fail(ErrorKind::usage, frame.name, " has another size than ", spec.frames.front().name,
             ", so that they are no batch");
      compared_.push_back(depth_to_compare(depth_m_.back(), spec.metric.difference));
    }
    h_ = depth_m_.front().dim(0);
    w_ = depth_m_.front().dim(1);
    anchor_ = choose_anchor(depth_m_.front(), spec.anchor_row, spec.anchor_column);
    const MetricDepthShifts shifts = draw_shifts(spec.metric, spec.seed, 0, i64(spec.frames.size()), h_, w_);
    for (const Shift& shift : shifts.list) pairs_.push_back(pair_of(shift));
  }

  Drawing draw() {
    const ColourScale scale = depth_scale_of(depth_m_.front());
    const auto depth_picture = [&](const Tensor& map, std::size_t) { return picture_of(scale, map); };
    begin_row();
    with_pairs(grid_.add_photo(0, "image and anchor", spec_.frames.front().image));
    class_key(0);
    row_of("depth", depth_m_, depth_picture);
    grid_.legend(1, scale);
    swapped_row("depth", depth_m_, depth_picture);
    if (!features_.empty()) {
      const ComponentColours colours = component_colours(features_);
      const auto component = [&](const Tensor& map, std::size_t) { return component_picture(colours, map); };
      begin_row();
      grid_.note(0, "features of " + spec_.nets.front().name + ",");
      grid_.note(0, "three principal components");
      row_of("features", features_, component);
      swapped_row("features", features_, component);
    }
    return grid_.finish(cat("Samples of one anchor of ", spec_.frames.front().name, ": ",
                            counted(spec_.metric.n_within, "map"), " rolled, ",
                            counted(i64(pairs_.size()) - spec_.metric.n_within, "map"), " of other images"));
  }

 private:
  SampledPair pair_of(const Shift& shift) const {
    const PairNeighbour sample = neighbour_of(shift, true, int(depth_m_.size()), int(h_), int(w_));
    SampledPair pair{.shift = shift,
                     .image = sample.image,
                     .row = wrapped(int(anchor_.row) + sample.row, int(h_)),
                     .column = wrapped(int(anchor_.column) + sample.column, int(w_))};
    const i64 there = pair.row * w_ + pair.column;
    const float of_anchor = compared_.front().data()[anchor_.row * w_ + anchor_.column];
    const float of_sample = compared_[std::size_t(pair.image)].data()[there];
    pair.depth_m = depth_m_[std::size_t(pair.image)].data()[there];
    pair.apart = std::abs(of_anchor - of_sample);
    pair.kind = class_of(spec_.metric, of_anchor, of_sample);
    return pair;
  }

  float anchor_m() const { return depth_m_.front().data()[anchor_.row * w_ + anchor_.column]; }

  void begin_row() { grid_.begin_row(spec_.frames.front().image.height, spec_.frames.front().image.width); }

  /// The anchor, and its samples within the map.
  void with_pairs(const FigureCell& cell) {
    const FigurePoint at = cell.place(anchor_.row, anchor_.column, h_, w_);
    for (const SampledPair& pair : pairs_) {
      if (pair.image == 0) grid_.pair(at, cell.place(pair.row, pair.column, h_, w_), colour_of(pair.kind));
    }
    grid_.cross(at);
  }

  std::string said_of(const SampledPair& pair) const {
    if (!(pair.depth_m > 0)) return "not measured there: no pair";
    return printed("%.2f m there, D_r = ", double(pair.depth_m)) + difference_text(spec_.metric, double(pair.apart));
  }

  /// A map with the sample at the anchor's place.
  template <class Picture>
  void sample_cell(int column, const std::string& title, const Tensor& map, const SampledPair& pair, Picture picture) {
    const FigureCell cell = grid_.add(column, title, picture(map, std::size_t(pair.image)), title);
    grid_.cross(cell.place(anchor_.row, anchor_.column, h_, w_));
    grid_.key(column, colour_of(pair.kind), said_of(pair));
  }

  /// The map with all its pairs, then rolled.
  template <class Picture>
  void row_of(const std::string& what, const std::vector<Tensor>& maps, Picture picture) {
    with_pairs(grid_.add(1, cat(what, ", samples within"), picture(maps.front(), 0), cat(what, " with samples")));
    for (std::size_t i = 0, column = 2; i < pairs_.size() && column < kColumns; ++i) {
      if (pairs_[i].image != 0) continue;
      const Shift& shift = pairs_[i].shift;
      sample_cell(int(column++), cat("rolled by ", shift.row, " down, ", shift.column, " right"),
                  rolled(maps.front(), shift), pairs_[i], picture);
    }
  }

  /// The maps of other images at the anchor's place, each once.
  template <class Picture>
  void swapped_row(const std::string& what, const std::vector<Tensor>& maps, Picture picture) {
    std::vector<i64> shown;
    for (const SampledPair& pair : pairs_) {
      if (pair.image == 0 || shown.size() == kShown || std::ranges::find(shown, pair.image) != shown.end()) continue;
      if (shown.empty()) begin_row();
      shown.push_back(pair.image);
      sample_cell(int(shown.size()), cat(what, " of ", file_of(spec_.frames[std::size_t(pair.image)])),
                  maps[std::size_t(pair.image)], pair, picture);
    }
    if (shown.empty()) return;
    grid_.note(0, "swapped: other images of the");
    grid_.note(0, "batch, at the anchor's place");
  }

  /// How many of the samples are what.
  void class_key(int column) {
    std::vector<PairClass> classes{{PairClass::Kind::positive}};
    for (std::size_t j = 0; j < spec_.metric.ranges.size(); ++j) classes.push_back({PairClass::Kind::range, j});
    classes.push_back({PairClass::Kind::nothing});
    classes.push_back({PairClass::Kind::unmeasured});
    grid_.note(column, printed("anchor at %.2f m; samples by D_r:", double(anchor_m())));
    for (const PairClass& kind : classes) {
      const auto count = std::ranges::count(pairs_, kind, &SampledPair::kind);
      if (count > 0 || kind.kind != PairClass::Kind::unmeasured)
        grid_.key(column, colour_of(kind), cat(count, ": ", name_of(spec_.metric, kind)));
    }
    if (const std::string note = difference_note(spec_.metric); !note.empty()) grid_.note(column, note);
  }

  const FigureSpec& spec_;
  FigureGrid grid_;
  std::vector<Tensor> features_, depth_m_, compared_;  // of the frames; compared_: numbers whose difference is D_r
  i64 h_ = 0, w_ = 0;
  Anchor anchor_;
  std::vector<SampledPair> pairs_;
};

}  // namespace

Drawing sampling_figure(const FigureSpec& spec) { return SamplingFigure(spec).draw(); }

}  // namespace md
