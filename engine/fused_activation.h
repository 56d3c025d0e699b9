// The activations that batch norms and convolutions take along, on both devices.
#pragma once
#include "engine/backend.h"
#include "engine/curves.h"

namespace md {

/// act(z).
template <Act kAct>
constexpr float activate(float z) {
  if constexpr (kAct == Act::relu) return Relu::value(z);
  if constexpr (kAct == Act::hardswish) return Hardswish::value(z);
  return z;
}

/// dz from dy.
template <Act kAct>
constexpr float activation_gradient(float z, float dy) {
  if constexpr (kAct == Act::relu) return dy * Relu::slope(z);
  if constexpr (kAct == Act::hardswish) return dy * Hardswish::slope(z);
  return dy;
}

/// Calls fn.operator()<Act>() for the activation of the spec.
template <class Fn>
void with_activation(const BatchNormSpec& spec, const Fn& fn) {
  switch (spec.act.kind) {
    case Act::none:
      return fn.template operator()<Act::none>();
    case Act::relu:
      return fn.template operator()<Act::relu>();
    case Act::hardswish:
      return fn.template operator()<Act::hardswish>();
    default:
      fail(ErrorKind::contract, "batch_norm: no fused ", name_of(spec.act.kind));
  }
}

/// Calls fn(curve) for the activation of a convolution; curve.value(z) is act(z).
template <class Fn>
void with_curve(const Activation& act, const Fn& fn) {
  switch (act.kind) {
    case Act::none:
      return fn(Identity{});
    case Act::relu:
      return fn(Relu{});
    case Act::hardswish:
      return fn(Hardswish{});
    case Act::leaky_relu:
      return fn(LeakyRelu{act.slope});
    case Act::elu:
      return fn(Elu{});
    case Act::sigmoid:
      return fn(Sigmoid{});
    case Act::hardsigmoid:
      return fn(Hardsigmoid{});
  }
}

}  // namespace md
