// What an anchor's negatives are is a matter of depth alone; which of them give loss is one of the features.
#include <algorithm>

#include "data/rescale.h"
#include "engine/printed.h"
#include "tools/figure/figures.h"
#include "tools/figure/grid.h"
#include "tools/figure/pair_classes.h"
#include "tools/report/axis.h"
#include "tools/report/frame_pictures.h"

namespace md {
namespace {

constexpr int kCellWidth = 270;

/// The photo, pale and without colours, [h,w].
RgbImage pale(const RgbImage& image, i64 h, i64 w) {
  RgbImage small = rescaled(image, int(h), int(w));
  for (std::size_t i = 0; i < small.pixels.size(); i += 3) {
    const int grey = (small.pixels[i] * 3 + small.pixels[i + 1] * 6 + small.pixels[i + 2]) / 10;
    std::fill_n(small.pixels.begin() + std::ptrdiff_t(i), 3, std::uint8_t(110 + grey * 145 / 255));
  }
  return small;
}

void put(RgbImage& image, i64 i, const Rgb& colour) { std::ranges::copy(colour, image.pixels.begin() + 3 * i); }

/// A pixel that is a negative of the anchor, and what loss it gives.
struct Negative {
  i64 pixel;
  PairClass kind;
  float margin, loss;  // loss: margin - l, where that is above 0
};

std::vector<Negative> negatives_of(const MetricDepthOptions& metric, const Tensor& depth_m, const Tensor& distances,
                                   const Anchor& anchor) {
  const Tensor compared = depth_to_compare(depth_m, metric.difference);
  const float* const all = compared.data();
  const float of_anchor = all[anchor.row * depth_m.dim(1) + anchor.column];
  std::vector<Negative> found;
  for (i64 i = 0; i < compared.numel(); ++i) {
    const PairClass kind = class_of(metric, of_anchor, all[i]);
    if (kind.kind != PairClass::Kind::range) continue;
    const float margin = margin_of(metric, kind, of_anchor, all[i]);
    found.push_back({i, kind, margin, margin - distances.data()[i]});
  }
  return found;
}

/// From 0 to the largest margin that there can be, or that there is where that is proportional.
ColourScale loss_scale_of(const MetricDepthOptions& metric, const std::vector<Negative>& negatives) {
  double margin = 0;
  if (metric.proportional_margins) {
    for (const Negative& negative : negatives) margin = std::max(margin, double(negative.margin));
    margin = negatives.empty() ? 1 : nice_above(margin);
  } else {
    for (const MetricDepthPairs::Range& range : metric.ranges) margin = std::max(margin, double(range.margin));
  }
  return {ColourScale::Kind::magnitude, 0, margin, ""};
}

/// Negatives as colours on a pale photo, and what loss they give.
struct NegativePictures {
  RgbImage by_range, by_loss;
  i64 with_loss = 0;
};

NegativePictures pictures_of(const std::vector<Negative>& negatives, const RgbImage& background,
                             const ColourScale& loss_scale) {
  NegativePictures pictures{background, background};
  for (const Negative& negative : negatives) {
    put(pictures.by_range, negative.pixel, colour_of(negative.kind));
    if (!(negative.loss > 0)) continue;
    ++pictures.with_loss;
    put(pictures.by_loss, negative.pixel, colour_of(loss_scale, double(negative.loss)));
  }
  return pictures;
}

std::string share(i64 part, i64 whole, const std::string& of) {
  return printed("%lld of %lld %s (%.1f %%)", static_cast<long long>(part), static_cast<long long>(whole), of.c_str(),
                 whole > 0 ? 100.0 * double(part) / double(whole) : 0);
}

/// Columns 2 to 4 of a row.
void draw_net(FigureGrid& grid, const FigureSpec& spec, const FigureNet& net, const Tensor& features) {
  const Tensor depth_m = depth_for(spec.frames.front(), features, "negatives");
  const i64 h = depth_m.dim(0), w = depth_m.dim(1);
  const Anchor anchor = choose_anchor(depth_m, spec.anchor_row, spec.anchor_column);
  const std::vector<Negative> negatives = negatives_of(spec.metric, depth_m, distances_to(features, anchor), anchor);
  const ColourScale loss_scale = loss_scale_of(spec.metric, negatives);
  const NegativePictures pictures = pictures_of(negatives, pale(spec.frames.front().image, h, w), loss_scale);
  const auto cell = [&](int column, const std::string& title, const RgbImage& image) {
    grid.cross(grid.add(column, title, image, title + ", " + net.name).place(anchor.row, anchor.column, h, w));
  };
  cell(2, "features, " + net.name, component_picture(component_colours({features}), features));
  grid.note(2, "three principal components");
  cell(3, "its negatives", pictures.by_range);
  grid.note(3, share(i64(negatives.size()), h * w, "pixels"));
  for (std::size_t j = 0; j < spec.metric.ranges.size(); ++j) {
    const PairClass kind{PairClass::Kind::range, j};
    grid.key(3, colour_of(kind), name_of(spec.metric, kind));
  }
  if (const std::string note = difference_note(spec.metric); !note.empty()) grid.note(3, note);
  cell(4, "those that give loss", pictures.by_loss);
  grid.legend(4, loss_scale, "margin - l");
  grid.note(4, share(pictures.with_loss, i64(negatives.size()), "these"));
}

}  // namespace

Drawing negatives_figure(const FigureSpec& spec) {
  const FigureFrame& frame = spec.frames.front();
  const Tensor depth_m = depth_for(frame, frame.gt_m, "negatives");
  const ColourScale scale = depth_scale_of(depth_m);
  const Anchor anchor = choose_anchor(depth_m, spec.anchor_row, spec.anchor_column);
  FigureGrid grid(5, kCellWidth);
  for (const FigureNet& net : spec.nets) {
    grid.begin_row(frame.image.height, frame.image.width);
    if (&net == &spec.nets.front()) {
      const auto mark = [&](const FigureCell& cell) {
        grid.cross(cell.place(anchor.row, anchor.column, depth_m.dim(0), depth_m.dim(1)));
      };
      mark(grid.add_photo(0, "image and anchor", frame.image));
      mark(grid.add(1, "ground truth", picture_of(scale, depth_m), "measured depth of " + frame.name));
      grid.legend(1, scale);
    }
    draw_net(grid, spec, net, net.predict(frame).features);
  }
  return grid.finish("Negatives of one anchor of " + frame.name + ", and which of them still give loss");
}

}  // namespace md
