// The frames of an evaluation as colour PNGs: what was predicted, and how wrong it is.
#pragma once
#include <memory>
#include <string>

#include "data/colormap.h"
#include "tools/cli/output.h"
#include "tools/eval/evaluate.h"

namespace md {

/// Which pictures are made, and how depth is coloured.
struct ResultMapsSpec {
  std::string maps, error_maps;  // folders; empty: none
  Colormap colormap = Colormap::turbo;
  float far_m = 10.F;  // the last colour of predictions
};

class ResultMaps {
 public:
  /// Throws ErrorKind::cannot_write, naming the option, unless files can be made there.
  explicit ResultMaps(const ResultMapsSpec&);
  /// Adds the pictures of a frame under its name. Throws ErrorKind::cannot_write.
  void write(const EvaluatedFrame&) const;
  /// The files appear all together; without this call not at all.
  void publish() const;

 private:
  ResultMapsSpec spec_;
  std::unique_ptr<StagedFolder> maps_, error_maps_;
};

/// Relative error |p - g| / g of what was compared, [H,W]; NaN where nothing is scored.
Tensor error_map(const Scored&);

}  // namespace md
