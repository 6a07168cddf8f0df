#include "gigatrain/train/batch_source.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain {

nn::Batch BatchSource::batch_at(Device& device, std::int64_t step, std::int64_t first_sample,
                                std::int64_t count) const {
  check_request(step, first_sample, count);
  const HostBatch host(fields(), count);
  fill(step, first_sample, count, host.pointers());
  return host.on(device, count);
}

std::int64_t BatchSource::loss_terms(std::int64_t count, FieldPointers) const {
  return count;
}

void BatchSource::fill_eval(std::int64_t, std::int64_t, FieldPointers) const {
  throw Error(ErrorCode::unsupported, "this source has no samples to evaluate on",
              "evaluate on an ArraySource or a TokenSource");
}

void BatchSource::check_request(std::int64_t step, std::int64_t first_sample,
                                std::int64_t count) const {
  if (step < 0 || step >= std::int64_t{1} << 31)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a step must be in [0, {}), got {}", std::int64_t{1} << 31, step));
  const std::int64_t batch = global_batch();
  if (first_sample < 0 || count < 0 || count > batch || first_sample > batch - count)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a step has samples [0, {}), asked for {} from {}", batch, count,
                            first_sample));
}

void check_ids(std::span<const nn::IdRange> ranges, std::span<const nn::FieldSpec> fields,
               std::int64_t samples, FieldPointers filled) {
  for (const auto& range : ranges) {
    const nn::FieldSpec& field = nn::find_field(fields, range.field);
    const auto* ids =
        static_cast<const std::int32_t*>(filled[static_cast<std::size_t>(&field - fields.data())]);
    const std::int64_t each = field.shape.numel();
    for (std::int64_t i = 0; i < samples * each; ++i)
      if (ids[i] < range.lowest || ids[i] >= range.below)
        throw Error(ErrorCode::data,
                    fmt::format("values of '{}' must be in [{}, {}), got {} in sample {}",
                                range.field, range.lowest, range.below, ids[i], i / each),
                    "check the data, or the model's number of classes");
  }
}

HostBatch::HostBatch(std::span<const nn::FieldSpec> fields, std::int64_t samples)
    : fields_(fields.begin(), fields.end()) {
  for (const auto& field : fields_) {
    memory_.push_back(std::make_unique_for_overwrite<std::byte[]>(
        static_cast<std::size_t>(samples * field.bytes())));
    pointers_.push_back(memory_.back().get());
  }
}

std::vector<void*> HostBatch::pointers_from(std::int64_t sample) const {
  std::vector<void*> out;
  for (std::size_t i = 0; i < fields_.size(); ++i)
    out.push_back(memory_[i].get() + sample * fields_[i].bytes());
  return out;
}

nn::Batch HostBatch::on(Device& device, std::int64_t samples) const {
  nn::Batch batch;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const Tensor t = Tensor::empty(device, fields_[i].batched(samples), fields_[i].dtype,
                                   {Purpose::data, "batch"});
    device.upload(t.view().data, pointers_[i], t.view().bytes());
    batch.add(fields_[i].name, t);
  }
  return batch;
}

}  // namespace gigatrain
