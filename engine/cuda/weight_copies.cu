#include "engine/cuda/weight_copies.h"

#include "engine/backend.h"
#include "engine/four.h"
#include "engine/launch_many.h"

namespace md::cuda {
namespace {

/// A matrix [rows,columns] as [columns,rows], or with one row as it is.
struct Turned {
  i64 rows, columns;
  MD_HD i64 source_of(i64 i) const { return rows == 1 ? i : i % rows * columns + i / rows; }
};

struct Copy {
  const float* from;
  void* to;
  i64 count;
  Turned turned;
  bool as_bf16;
  bool in_fours;  // what is counted, of rows that stay as they are
};

struct MakeCopy {
  MD_HD void operator()(const Copy& copy, i64 i) const {
    if (copy.in_fours) {
      static_cast<FourBf16*>(copy.to)[i] = reinterpret_cast<const Four*>(copy.from)[i];
      return;
    }
    const float value = copy.from[copy.turned.source_of(i)];
    if (copy.as_bf16) {
      static_cast<bf16*>(copy.to)[i] = value;
    } else {
      static_cast<float*>(copy.to)[i] = value;
    }
  }
};

template <class From>
struct TakeGradient {
  const From* from;
  float* gradient;
  Turned turned;
  MD_HD void operator()(i64, i64 i) const { gradient[i] = from[turned.source_of(i)]; }
};

bool is_depthwise(const Tensor& weight) { return weight.shape().rank() == 3; }

/// A copy that somebody has asked for: where it stands in Storage::derived, and what it is made of.
struct Known {
  std::weak_ptr<Storage> storage;
  std::pair<std::uint64_t, const void*> place;
  i64 count;
  Turned turned;
  bool as_bf16;
};

/// By the layout and the weight's first element. Never destroyed.
std::map<std::pair<std::uint64_t, const void*>, Known>& known_copies() {
  static auto* const it = new std::map<std::pair<std::uint64_t, const void*>, Known>;
  return *it;
}

/// Makes all copies that are not of their weight's version; forgets those whose weight is gone. A graph keeps what is
/// not `wanted`: it may be of a network that goes before the graph does.
void make_stale_copies(const Storage& wanted) {
  Backend& b = backend({Device::cuda, wanted.device.index});
  std::vector<Copy> stale;
  for (auto at = known_copies().begin(); at != known_copies().end();) {
    const Known& known = at->second;
    const std::shared_ptr<Storage> weight = known.storage.lock();
    const auto derived = weight ? weight->derived.find(known.place) : decltype(weight->derived.begin())();
    if (!weight || derived == weight->derived.end() || !derived->second.copy) {
      at = known_copies().erase(at);
      continue;
    }
    ++at;
    auto& [version, copy] = derived->second;
    if (version == weight->version) continue;
    version = weight->version;
    const auto* const from = static_cast<const float*>(known.place.second);
    const bool in_fours = known.as_bf16 && known.turned.rows == 1 && known.count % 4 == 0 &&
                          reinterpret_cast<std::uintptr_t>(from) % alignof(Four) == 0;
    stale.push_back(
        {from, copy->data, in_fours ? known.count / 4 : known.count, known.turned, known.as_bf16, in_fours});
    if (weight.get() == &wanted) continue;
    b.keep_for_graph(weight);
    b.keep_for_graph(copy);
  }
  launch_many(wanted.device, stale, MakeCopy{});
}

}  // namespace

void* library_copy(const Tensor& weight, DType dtype) {
  const bool depthwise = is_depthwise(weight), as_bf16 = dtype == DType::bf16;
  if (!depthwise && !as_bf16) return weight.data();
  const std::pair<std::uint64_t, const void*> place{std::uint64_t{depthwise} + 2 * std::uint64_t{as_bf16},
                                                    weight.data()};
  Storage& storage = weight.storage();
  Storage::Derived& derived = storage.derived[place];
  if (!derived.copy) {
    derived.copy = std::make_shared<Storage>(weight.device(), std::size_t(weight.numel()) * size_of(dtype));
    const Turned turned = depthwise ? Turned{weight.dim(0) * weight.dim(1), weight.dim(2)} : Turned{1, weight.numel()};
    known_copies()[place] = {storage.weak_from_this(), place, weight.numel(), turned, as_bf16};
  }
  if (derived.version != storage.version) make_stale_copies(storage);
  return derived.copy->data;
}

void take_gradient(const Tensor& from, const Tensor& gradient) {
  const Turned turned =
      is_depthwise(gradient) ? Turned{gradient.dim(2), gradient.dim(0) * gradient.dim(1)} : Turned{1, from.numel()};
  with_storage(from.dtype(), [&](auto storage) {
    using From = decltype(storage);
    md::launch(gradient.device(), 1, from.numel(), TakeGradient<From>{from.data<From>(), gradient.data(), turned});
  });
}

}  // namespace md::cuda
