// Where batches come from: named tensors of any dtype and shape, as a pure function of the step.
// Nothing but the step is state, so a run continues anywhere, on any number of ranks, with the same
// data. A source also lists its samples in order, for evaluation. Under a batch ramp a step of the
// source is not one of the run: samples follow one another, global_batch() of them a source's step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gigatrain/nn/model.h"

namespace gigatrain {

using FieldPointers = std::span<void* const>;

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  virtual const std::vector<nn::FieldSpec>& fields() const = 0;
  virtual std::int64_t global_batch() const = 0;  // samples of a step
  // Samples [first_sample, first_sample + count) of a step: out[i] gets `count` samples of
  // fields()[i], one after the other, in host memory. The same arguments give the same bytes,
  // whatever was asked before. Safe to call from several threads.
  virtual void fill(std::int64_t step, std::int64_t first_sample, std::int64_t count,
                    FieldPointers out) const = 0;
  // A hint: these samples are asked for soon. A source that reads files may begin to.
  virtual void will_need(std::int64_t /*step*/, std::int64_t /*first_sample*/,
                         std::int64_t /*count*/) const {}
  // These samples in the device's memory, for a loop of one's own: a leaf's, for example.
  nn::Batch batch_at(Device& device, std::int64_t step, std::int64_t first_sample,
                     std::int64_t count) const;
  // How many terms the loss of these samples sums, as fill() made them; by default one a sample.
  virtual std::int64_t loss_terms(std::int64_t count, FieldPointers filled) const;
  // Names the data: runs on the same data have the same digest.
  virtual std::uint64_t digest() const = 0;

  // Evaluation: every sample once, in order. 0: this source cannot be evaluated on.
  virtual std::int64_t eval_samples() const { return 0; }
  virtual void fill_eval(std::int64_t first_sample, std::int64_t count, FieldPointers out) const;

  // What progress counts: positions of a sample ("tokens", T), or samples.
  virtual std::int64_t positions() const { return 1; }
  virtual std::string_view unit() const { return "samples"; }

 protected:
  // For fill(): throws Error(invalid_argument) unless the step has these samples.
  void check_request(std::int64_t step, std::int64_t first_sample, std::int64_t count) const;
};

// Host memory for `samples` samples of a source's fields.
class HostBatch {
 public:
  HostBatch(std::span<const nn::FieldSpec> fields, std::int64_t samples);
  FieldPointers pointers() const { return pointers_; }
  std::vector<void*> pointers_from(std::int64_t sample) const;
  // A copy of the first `samples` of them in the device's memory.
  nn::Batch on(Device& device, std::int64_t samples) const;

 private:
  std::vector<nn::FieldSpec> fields_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
  std::vector<void*> pointers_;
};

// Throws Error(data) that names the first id a model cannot take. `fields` are those of `filled`.
void check_ids(std::span<const nn::IdRange> ranges, std::span<const nn::FieldSpec> fields,
               std::int64_t samples, FieldPointers filled);

}  // namespace gigatrain
