// The recipes of BTS and NeWCRFs at their default sizes: what the goldens of the augmentation were made with.
#pragma once
#include <string>

#include "data/augment.h"

namespace md::test {

/// `style`: "bts" or "newcrfs".
inline AugmentSpec official_augmentation(const std::string& style, DatasetKind kind) {
  const bool newcrfs = style == "newcrfs", nyu = kind == DatasetKind::nyu;
  AugmentSpec spec;  // BTS on NYU
  spec.always_draw_crop = !newcrfs;
  if (nyu && newcrfs) {
    spec.height = 480;
    spec.width = 640;
    spec.border = NyuBorder::zero_depth;
  }
  if (!nyu) {
    spec.height = 352;
    spec.width = newcrfs ? 1120 : 704;
    spec.border = NyuBorder::keep;
    spec.kb_crop = true;
    spec.rotation_degree = 1;
    spec.brightness_low = 0.9;
    spec.brightness_high = 1.1;
  }
  return spec;
}

}  // namespace md::test
