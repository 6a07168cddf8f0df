#include "gigatrain/runtime/device.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "gigatrain/runtime/environment.h"
#include "runtime/address_space.h"
#include "runtime/dry_memory.h"
#include "runtime/instant_queue.h"

namespace gigatrain {

namespace {

int thread_count(const CpuOptions& options) {
  if (options.threads > 0) return options.threads;
  const int from_environment = Environment::read().num_threads;
  return from_environment > 0 ? from_environment : CpuFeatures::get().cores;
}

CpuOptions complete(CpuOptions options) {
  if (!options.bf16) options.bf16 = Environment::read().bf16.value_or(CpuFeatures::get().bf16);
  return options;
}

std::int64_t host_memory_bytes() {
  return std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
}

}  // namespace

Device::Device(const CpuOptions& options)
    : options_(complete(options)),
      dry_memory_(options.dry ? std::make_unique<DryMemory>() : nullptr),
      host_space_(options.dry ? nullptr : std::make_unique<HostSpace>(3 * host_memory_bytes())),
      allocator_({.source = dry_memory_.get(),
                  .space = options.dry ? DryMemory::kSpace : host_space_->space()}),
      pool_(thread_count(options), options.dry),
      stream_(CpuQueue{
          .pool = pool_, .scratch = allocator_, .isa = options.isa, .bf16 = *options_.bf16}) {}

Device::Device(std::unique_ptr<Backend> backend, bool exact)
    : backend_(std::move(backend)),
      allocator_({.source = backend_.get(), .cache = !exact}),
      pool_(1),
      stream_(*backend_) {
  backend_->scratch_allocator = &allocator_;
}

Device::~Device() = default;

DeviceFacts Device::facts() const {
  if (backend_) return backend_->facts();
  return {.kind = options_.dry ? "meta" : "cpu",
          .model = CpuFeatures::get().model,
          .processors = pool_.threads(),
          .memory = host_memory_bytes(),
          .isa = name(options_.isa)};
}

std::string Device::arithmetic(DType compute) const {
  if (backend_) {
    const DeviceFacts f = backend_->facts();
    return fmt::format("{} {}, {}", f.kind, f.isa, name(compute));
  }
  if (compute != DType::bf16) return "f32";  // the same on every processor
  if (options_.bf16 == Bf16Products::widened) return "f32, bf16 widened";
  return fmt::format("f32, bf16 by {}", name(*options_.bf16));
}

void Device::upload(void* to, const void* from, std::int64_t bytes) {
  if (bytes == 0) return;
  if (backend_)
    backend_->upload(to, from, bytes);
  else if (!pool_.dry())
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

void Device::download(void* to, const void* from, std::int64_t bytes) {
  if (bytes == 0) return;
  if (backend_)
    backend_->download(to, from, bytes);
  else if (pool_.dry())
    std::memset(to, 0, static_cast<std::size_t>(bytes));
  else
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

void Device::synchronize() {
  if (backend_) backend_->synchronize();
}

std::unique_ptr<Marker> Device::mark() {
  return backend_ ? backend_->mark() : std::make_unique<InstantMarker>();
}

void Device::wait(const Marker& marker) {
  if (backend_) backend_->wait(marker);
}

std::unique_ptr<CopyQueue> Device::make_copy_queue() {
  return backend_ ? backend_->make_copy_queue() : std::make_unique<InstantCopies>(pool_.dry());
}

Device& Device::host() {
  if (!backend_) return *this;
  if (!host_) host_ = std::make_unique<Device>(CpuOptions{.dry = backend_->dry()});
  return *host_;
}

}  // namespace gigatrain
