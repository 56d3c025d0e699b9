// Buckets go in their order, whatever the order in which they are complete, so that it is the same on every rank.
#include "engine/gradient_buckets.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/backend.h"

namespace md {
namespace {

constexpr i64 kAlignment = 16;  // of the parts of a bucket, floats

i64 rounded_up(i64 n, i64 to) { return (n + to - 1) / to * to; }

}  // namespace

GradientBuckets::GradientBuckets(const std::vector<Tensor>& parameters, i64 bytes, Communicator& ranks)
    : parameters_(parameters), ranks_(ranks), bucket_of_(parameters.size()) {
  const auto room_of = [&](std::size_t i) { return rounded_up(parameters_[i].numel(), kAlignment); };
  const i64 most = bytes / i64(sizeof(float));
  i64 size = 0;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    if (buckets_.empty() || size + room_of(i) > most) {
      buckets_.emplace_back();
      size = 0;
    }
    buckets_.back().parameters.push_back(i);
    bucket_of_[i] = buckets_.size() - 1;
    size += room_of(i);
  }
  for (Bucket& bucket : buckets_) {
    i64 room = 0, at = 0;
    for (const std::size_t i : bucket.parameters) room += room_of(i);
    bucket.numbers = Tensor::zeros({rounded_up(room, ranks_.sum_unit())}, parameters_.front().device());
    for (const std::size_t i : bucket.parameters) {
      bucket.parts.push_back(bucket.numbers.rows(at, at + parameters_[i].numel()).reshape(parameters_[i].shape()));
      at += room_of(i);
    }
  }
}

void GradientBuckets::send(Bucket& bucket) {
  std::vector<Tensor> to, from;
  for (std::size_t k = 0; k < bucket.parts.size(); ++k) {
    const Tensor gradient = parameters_[bucket.parameters[k]].grad();
    if (gradient) {
      to.push_back(bucket.parts[k]);
      from.push_back(gradient);
    } else {
      backend(bucket.parts[k].device()).fill(bucket.parts[k], 0.F);
    }
  }
  backend(bucket.numbers.device()).copy_each(to, from);
  ranks_.begin_sum(bucket.numbers);
}

void GradientBuckets::sum_during(const std::function<void()>& backward) {
  for (Bucket& bucket : buckets_) bucket.to_come = bucket.parameters.size();
  std::size_t sent = 0;
  {
    const GradientWatch watch(parameters_, [&](std::size_t i) {
      Bucket& bucket = buckets_[bucket_of_[i]];
      MD_CHECK(bucket.to_come > 0, "gradient_buckets: a gradient was complete twice");
      --bucket.to_come;
      for (; sent < buckets_.size() && buckets_[sent].to_come == 0; ++sent) send(buckets_[sent]);
    });
    backward();
  }
  for (; sent < buckets_.size(); ++sent) send(buckets_[sent]);
  ranks_.finish_sums();
  for (const Bucket& bucket : buckets_) {
    for (std::size_t k = 0; k < bucket.parts.size(); ++k) {
      const Tensor& parameter = parameters_[bucket.parameters[k]];
      if (parameter.grad()) parameter.set_grad(bucket.parts[k]);
    }
  }
}

}  // namespace md
