// Ground truth and predictions of a frame share one scale.
#include "tools/figure/figures.h"
#include "tools/figure/grid.h"
#include "tools/report/frame_pictures.h"

namespace md {

namespace {

constexpr int kCellWidth = 240;

bool measured(const FigureFrame& frame) {
  for (i64 i = 0; frame.gt_m && i < frame.gt_m.numel(); ++i) {
    if (frame.gt_m.data()[i] > 0) return true;
  }
  return false;
}

}  // namespace

Drawing panels_figure(const FigureSpec& spec) {
  bool any_measured = false;
  for (const FigureFrame& frame : spec.frames) any_measured = any_measured || measured(frame);
  const int before = any_measured ? 2 : 1;
  FigureGrid grid(before + int(spec.nets.size()), kCellWidth);
  for (const FigureFrame& frame : spec.frames) {
    std::vector<Tensor> predictions;
    for (const FigureNet& net : spec.nets) predictions.push_back(net.predict(frame).depth_m);
    const ColourScale scale = depth_scale_of(measured(frame) ? frame.gt_m : predictions.front());
    grid.begin_row(frame.image.height, frame.image.width);
    grid.add_photo(0, frame.name, frame.image);
    if (measured(frame)) grid.add(1, "ground truth", picture_of(scale, frame.gt_m), "measured depth of " + frame.name);
    for (std::size_t i = 0; i < spec.nets.size(); ++i)
      grid.add(before + int(i), spec.nets[i].name, picture_of(scale, predictions[i]), "depth by " + spec.nets[i].name);
    grid.legend(before, scale);
  }
  return grid.finish("Image, ground truth and predicted depth");
}

}  // namespace md
