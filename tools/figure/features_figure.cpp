// Each network has colours and a scale of its own: its features have no unit that another's share.
#include <algorithm>

#include "data/quantile.h"
#include "engine/printed.h"
#include "tools/figure/figures.h"
#include "tools/figure/grid.h"
#include "tools/report/axis.h"
#include "tools/report/frame_pictures.h"

namespace md {
namespace {

constexpr int kCellWidth = 240;

/// A frame, and the features of each network.
struct FrameFeatures {
  const FigureFrame& frame;
  std::vector<Tensor> features;
};

/// Where depth was measured, the anchor is at a pixel that was.
Anchor anchor_in(const FigureSpec& spec, const FigureFrame& frame, const Tensor& map) {
  if (frame.gt_m) return choose_anchor(depth_for(frame, map, "features"), spec.anchor_row, spec.anchor_column);
  return choose_anchor(Tensor::full({map.dim(0), map.dim(1)}, 1), spec.anchor_row, spec.anchor_column);
}

void draw_components(FigureGrid& grid, const FigureSpec& spec, const FrameFeatures& of,
                     const std::vector<ComponentColours>& colours) {
  grid.begin_row(of.frame.image.height, of.frame.image.width);
  grid.add_photo(0, of.frame.name, of.frame.image);
  for (std::size_t i = 0; i < spec.nets.size(); ++i) {
    grid.add(int(i) + 1, spec.nets[i].name, component_picture(colours[i], of.features[i]),
             "principal components of features");
    double shares = 0;
    for (const double each : colours[i].components.shares) shares += each;
    grid.note(int(i) + 1, printed("3 of %lld, %.0f %% of the variance", static_cast<long long>(of.features[i].dim(2)),
                                  100 * shares));
  }
}

void draw_distances(FigureGrid& grid, const FigureSpec& spec, const FrameFeatures& of) {
  grid.begin_row(of.frame.image.height, of.frame.image.width);
  if (of.frame.gt_m) {
    const ColourScale scale = depth_scale_of(of.frame.gt_m);
    const Anchor anchor = anchor_in(spec, of.frame, of.frame.gt_m);
    const FigureCell cell = grid.add(0, "ground truth and anchor", picture_of(scale, of.frame.gt_m), "measured depth");
    grid.cross(cell.place(anchor.row, anchor.column, of.frame.gt_m.dim(0), of.frame.gt_m.dim(1)));
    grid.legend(0, scale);
  }
  for (std::size_t i = 0; i < spec.nets.size(); ++i) {
    const Tensor& map = of.features[i];
    const Anchor anchor = anchor_in(spec, of.frame, map);
    const Tensor distances = distances_to(map, anchor);
    std::vector<double> values(distances.data(), distances.data() + distances.numel());
    const ColourScale scale{ColourScale::Kind::magnitude, 0,
                            nice_above(std::max(quantile(std::move(values), 0.98), 1e-9)), ""};
    const FigureCell cell =
        grid.add(int(i) + 1, "distance to the anchor's", picture_of(scale, distances), "distances of features");
    grid.cross(cell.place(anchor.row, anchor.column, map.dim(0), map.dim(1)));
    grid.legend(int(i) + 1, scale);
  }
}

}  // namespace

Drawing features_figure(const FigureSpec& spec) {
  std::vector<FrameFeatures> all;
  for (const FigureFrame& frame : spec.frames) {
    FrameFeatures& of = all.emplace_back(FrameFeatures{frame, {}});
    for (const FigureNet& net : spec.nets) of.features.push_back(net.predict(frame).features);
  }
  std::vector<ComponentColours> colours;
  for (std::size_t i = 0; i < spec.nets.size(); ++i) {
    std::vector<Tensor> maps;
    for (const FrameFeatures& of : all) maps.push_back(of.features[i]);
    colours.push_back(component_colours(maps));
  }
  FigureGrid grid(1 + int(spec.nets.size()), kCellWidth);
  for (const FrameFeatures& of : all) {
    draw_components(grid, spec, of, colours);
    draw_distances(grid, spec, of);
  }
  return grid.finish("Feature maps on which MetricDepth acts, and their distances to one anchor's feature");
}

}  // namespace md
